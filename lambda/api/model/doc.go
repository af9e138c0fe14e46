// Package model is what gqlgen writes from the schema: its types.
package model
