// Package workflow holds the state machine of the ECR plugin in Amazon States Language, as the template deploys it and as tests
// execute it.
//
// One execution is one run, and its name is the run's id. A Lambda plans and writes the work list to S3; a distributed Map hands
// each of its batches to a Fargate task; the Lambda plans once more, closes the run, and says whether anybody is to be told.
// State carries names of objects in S3, never a list of images: it may have 256 KiB.
//
// A definition has placeholders in braces after a dollar sign, which CloudFormation's DefinitionSubstitutions fill in:
// Partition; Function, the ARN of the Lambda; Topic, that of the topic; Bucket, the name of the
// bucket of work lists; and what a Fargate task needs.
package workflow

import _ "embed" // the definition is a file

//go:embed run.json
var run string

// Run is the state machine of one run; its Lambda is lambda/imageplan.
func Run() string { return run }
