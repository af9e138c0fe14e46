// Package workflow holds the state machines of the hub in Amazon States Language, as the template deploys them and as tests
// execute them.
//
// A definition has placeholders in braces after a dollar sign, which CloudFormation's DefinitionSubstitutions fill in:
// Partition, and Function, the ARN of the Lambda that makes the steps.
package workflow

import _ "embed" // the definitions are files

//go:embed stack.json
var stack string

//go:embed reconcile.json
var reconcile string

// Stack is the state machine that creates, changes and deletes the stack of a task; its Lambda is lambda/stackops. An
// execution's input is a stackops.Execution.
func Stack() string { return stack }

// Reconcile is the state machine that compares all tasks with their stacks; its Lambda is lambda/reconcile. A schedule starts
// it with {} as input.
func Reconcile() string { return reconcile }
