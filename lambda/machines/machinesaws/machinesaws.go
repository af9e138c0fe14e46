// Package machinesaws creates state machines on a stand-in of Step Functions and watches their executions, for tests.
package machinesaws

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// Machine is a state machine.
type Machine struct {
	t      *testing.T
	client *sfn.Client
	arn    string
}

// Create makes a state machine of a definition whose placeholders are filled in.
func Create(t *testing.T, url, name, definition string) *Machine {
	t.Helper()
	m := &Machine{t: t, client: sfn.NewFromConfig(standinaws.Config(t, url))}
	out, err := m.client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: &name, RoleArn: aws.String("arn:aws:iam::123456789012:role/machine"), Definition: &definition,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.arn = *out.StateMachineArn
	return m
}

// At returns the state machine of an ARN.
func At(t *testing.T, url, arn string) *Machine {
	return &Machine{t, sfn.NewFromConfig(standinaws.Config(t, url)), arn}
}

// Start starts an execution.
func (m *Machine) Start(name, input string) {
	m.t.Helper()
	if _, err := m.client.StartExecution(m.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &name, Input: &input}); err != nil {
		m.t.Fatal(err)
	}
}

// Until waits until an execution is there and has a status, and fails the test after a minute. The history tells the status:
// the stand-in's description of an execution that started another stays behind.
func (m *Machine) Until(name, status string) {
	m.t.Helper()
	arn := m.execution(name)
	last := "not there"
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, err := m.client.GetExecutionHistory(m.t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
		if err != nil || len(out.Events) == 0 {
			continue
		}
		last = "RUNNING"
		if ended, ok := strings.CutPrefix(string(out.Events[len(out.Events)-1].Type), "Execution"); ok && ended != "Started" {
			last = strings.ToUpper(ended)
		}
		if last == status {
			return
		}
		if last != "RUNNING" {
			break
		}
	}
	m.t.Fatalf("execution %s is %s, not %s; its events: %s", name, last, status, m.explain(arn))
}

func (m *Machine) execution(name string) string {
	return strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}

// explain returns the events of an execution.
func (m *Machine) explain(arn string) string {
	out, err := m.client.GetExecutionHistory(m.t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range out.Events {
		b.WriteString("\n" + string(e.Type))
		if d := e.TaskFailedEventDetails; d != nil {
			b.WriteString(" " + aws.ToString(d.Error) + ": " + aws.ToString(d.Cause))
		}
	}
	return b.String()
}

// ARN returns the machine's ARN.
func (m *Machine) ARN() string { return m.arn }

// Put puts an object into a bucket of a stand-in, which it makes when it is not there.
func Put(t *testing.T, url, bucket, key, content string) {
	t.Helper()
	client := s3.NewFromConfig(standinaws.Config(t, url), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}
