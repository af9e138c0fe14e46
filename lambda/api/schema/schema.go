// Package schema holds the hub's GraphQL schema, in the SDL of AppSync. It imports nothing, so that the template may use it.
package schema

import _ "embed" // the schema is a file

//go:embed schema.graphql
var text string

// Text returns the schema.
func Text() string { return text }
