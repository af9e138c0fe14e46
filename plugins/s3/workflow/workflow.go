// Package workflow holds the state machines of the S3 plugin in Amazon States Language, as the template deploys them and as
// tests execute them.
//
// A definition has placeholders in braces after a dollar sign, which CloudFormation's DefinitionSubstitutions fill in:
// Partition, and Function, the ARN of the Lambda that looks.
//
// Both machines are alike: a Lambda looks, and its answer tells what follows. {"verdict", "name", "execution"}: WAIT, and look
// again with the execution's state; CONTINUE in an execution of that name, before the limit of 25,000 events; END.
package workflow

import _ "embed" // the definitions are files

//go:embed controller.json
var controller string

//go:embed monitor.json
var monitor string

// Controller is the state machine that looks after giants; its Lambda is lambda/multipart.
func Controller() string { return controller }

// Monitor is the state machine that sees runs to their end; its Lambda is lambda/monitor.
func Monitor() string { return monitor }
