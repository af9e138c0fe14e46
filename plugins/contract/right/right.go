// Package right is what an actor of a plugin may do, as data: IAM statements whose resources are texts with ${Name} in them, as
// CloudFormation's Fn::Sub takes them.
package right

// Statement is one thing that an actor may do.
type Statement struct {
	Sid       string
	Actions   []string
	Resources []string
	// Conditions: operator, key, values; values are texts like resources.
	Conditions map[string]map[string][]string
	When       When
}

// When is the circumstance under which a statement is needed. The template has a condition of the same name.
type When string

// Always is the zero value.
const Always When = ""
