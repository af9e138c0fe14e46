// Package generated is what gqlgen writes from the schema: the executor of operations.
package generated
