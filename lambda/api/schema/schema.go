// Package schema holds the hub's GraphQL schema, in the SDL of AppSync. It imports nothing, so that the template may use it.
package schema

import _ "embed" // the schema is a file

//go:embed schema.graphql
var text string

//go:embed resolver.js
var resolver string

// Resolver returns the code of every root field's resolver, for AppSync's runtime APPSYNC_JS 1.0.0.
func Resolver() string { return resolver }

// Text returns the schema.
func Text() string { return text }
