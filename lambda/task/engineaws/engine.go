// Package engineaws speaks to the stacks of tasks on AWS: it invokes the Lambda by which a stack is steered, and reads the
// stack's tables.
package engineaws

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// The outputs of a task's stack that are read here.
const (
	OutputControl = "ControlFunction"
	OutputRuns    = "RunTableName"
	OutputLedger  = "LedgerTableName" // of a task that copies objects
	OutputImages  = "RecordTableName" // of one that copies images
)

// Actions returns the IAM actions on the stacks' control functions, on their run tables, and on their ledgers with their
// indexes. Nothing is written to a table.
func Actions() (functions, runs, ledgers []string) {
	return []string{"lambda:InvokeFunction"}, []string{"dynamodb:GetItem", "dynamodb:Query"}, []string{"dynamodb:BatchGetItem", "dynamodb:Query"}
}

// Engine implements task.Engine.
type Engine struct {
	cfg     aws.Config
	lambdas *lambda.Client
}

var _ task.Engine = (*Engine)(nil)

// Open returns an engine. It makes no call.
func Open(cfg aws.Config) *Engine { return &Engine{cfg, lambda.NewFromConfig(cfg)} }

// output returns an output of a task's stack. A stack of an older version may lack one.
func output(t *task.Task, name string) (string, error) {
	if value := t.Stack.Outputs[name]; value != "" {
		return value, nil
	}
	return "", &task.Error{
		Code: task.WrongState, Field: "id", Value: t.ID, Message: fmt.Sprintf("the task's stack %s has no output %s", t.Stack.Name, name),
		Next: "update the task, which brings its stack to this version of the hub",
	}
}

// ask has the stack do something, and returns its reply. Later ones are only handed over: what becomes of them is told by the
// run that they make.
func (e *Engine) ask(ctx context.Context, t *task.Task, r control.Request, later bool) (reply control.Reply, err error) {
	function, err := output(t, OutputControl)
	if err != nil {
		return reply, err
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return reply, err
	}
	in := &lambda.InvokeInput{FunctionName: &function, Payload: payload}
	if later {
		in.InvocationType = types.InvocationTypeEvent
	}
	out, err := e.lambdas.Invoke(ctx, in)
	if err != nil {
		return reply, fmt.Errorf("asking stack %s for %s: %w", t.Stack.Name, r.Operation, err)
	}
	if out.FunctionError != nil {
		return reply, refused(t, r.Operation, out.Payload)
	}
	if later {
		return reply, nil
	}
	if err := json.Unmarshal(out.Payload, &reply); err != nil {
		return reply, fmt.Errorf("asking stack %s for %s: the reply %.200q cannot be read: %w", t.Stack.Name, r.Operation, out.Payload, err)
	}
	return reply, nil
}

// refused tells what the stack does not do from what did not work.
func refused(t *task.Task, operation control.Operation, payload []byte) error {
	var failure struct{ ErrorMessage, ErrorType string }
	if err := json.Unmarshal(payload, &failure); err != nil || failure.ErrorMessage == "" {
		failure.ErrorMessage = fmt.Sprintf("%.500s", payload)
	}
	switch failure.ErrorType {
	case "Refusal", "RetryChoiceError":
		return &task.Error{Code: task.WrongState, Field: "id", Value: t.ID, Message: failure.ErrorMessage}
	}
	return fmt.Errorf("stack %s did not %s: %s", t.Stack.Name, operation, strings.TrimSpace(failure.ErrorMessage))
}

func (e *Engine) do(ctx context.Context, t task.Task, operation control.Operation, request string) error {
	_, err := e.ask(ctx, &t, control.Request{Operation: operation, Request: request}, false)
	return err
}

// Pause implements task.Engine.
func (e *Engine) Pause(ctx context.Context, t task.Task, request string) error {
	return e.do(ctx, t, control.Pause, request)
}

// Resume implements task.Engine.
func (e *Engine) Resume(ctx context.Context, t task.Task, request string) error {
	return e.do(ctx, t, control.Resume, request)
}

// Restore brings back the schedule and the fleet of a task that is not paused, after CloudFormation has written them as they were
// before an update. A stack that does not know how is resumed: that begins with a pass, which finds nothing new.
func (e *Engine) Restore(ctx context.Context, t task.Task, request string) error {
	err := e.do(ctx, t, control.Restore, request)
	if task.Is(err, task.WrongState) {
		return e.Resume(ctx, t, request)
	}
	return err
}

// RunNow implements task.Engine.
func (e *Engine) RunNow(ctx context.Context, t task.Task, request string) error {
	return e.do(ctx, t, control.Run, request)
}

// Retry implements task.Engine. Chosen keys are queued at once; a class, or all, may be millions, which the stack queues while
// nobody waits. Lambda tries that twice more when it does not come to its end.
func (e *Engine) Retry(ctx context.Context, t task.Task, request string, r task.Retry) error {
	ask := control.Request{Operation: control.Retry, Request: request, Keys: r.Keys, Class: r.Class, All: len(r.Keys) == 0 && r.Class == ""}
	_, err := e.ask(ctx, &t, ask, len(r.Keys) == 0)
	return err
}

// Check implements task.Engine.
func (e *Engine) Check(ctx context.Context, t task.Task, request string) error {
	return e.do(ctx, t, control.Check, request)
}

// Plan implements task.Engine.
func (e *Engine) Plan(ctx context.Context, t task.Task, request string) error {
	return e.do(ctx, t, control.Plan, request)
}

// Answer implements task.Engine.
func (e *Engine) Answer(ctx context.Context, t task.Task, request string) (task.Answer, error) {
	var a task.Answer
	table, err := output(&t, OutputRuns)
	if err != nil {
		return a, err
	}
	doc, err := runaws.Open(e.cfg, table, retry.Policy{}).Answer(ctx, request)
	if err != nil {
		return a, err
	}
	if doc == nil {
		return a, task.ErrNoAnswer
	}
	if err := json.Unmarshal(doc, &a); err != nil {
		return a, fmt.Errorf("the answer to request %s cannot be read: %w", request, err)
	}
	return a, nil
}

// Records implements task.Engine.
func (e *Engine) Records(ctx context.Context, t task.Task) (task.Records, error) {
	runs, err := output(&t, OutputRuns)
	if err != nil {
		return task.Records{}, err
	}
	if t.Stack.Outputs[OutputImages] != "" {
		images := recordaws.Open(e.cfg, t.Stack.Outputs[OutputImages])
		return task.Records{Runs: runaws.Open(e.cfg, runs, retry.Policy{}), Objects: task.ImageOutcomes{Store: images}, Images: images}, nil
	}
	objects, err := output(&t, OutputLedger)
	if err != nil {
		return task.Records{}, err
	}
	rows, err := ledgeraws.Open(ctx, e.cfg, objects, retry.Policy{})
	if err != nil {
		return task.Records{}, fmt.Errorf("opening ledger %s: %w", objects, err)
	}
	return task.Records{Runs: runaws.Open(e.cfg, runs, retry.Policy{}), Objects: rows, Close: rows.Close}, nil
}
