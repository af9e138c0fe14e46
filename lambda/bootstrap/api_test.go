package bootstrap

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// door is the API's Lambda behind AppSync: what it is given is what the resolvers' code makes of AppSync's context, whose
// identities have the forms of
// https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference.html
type door struct {
	*hub
	identities map[string]json.RawMessage
}

func newDoor(t *testing.T) *door {
	h := newHub(t)
	text, err := os.ReadFile("testdata/identities.json")
	must(t, err)
	d := &door{hub: h}
	must(t, json.Unmarshal(text, &d.identities))
	machine := machinesaws.Create(t, h.url, "stacks-of-the-hub", `{"StartAt":"Done","States":{"Done":{"Type":"Succeed"}}}`)
	h.env = append(h.env, wiring.EnvVersion+"=1.2.3", wiring.EnvPluginVersion+"=1.2.3", wiring.EnvGroupsClaim+"=cognito:groups",
		wiring.EnvAutomationRole+"=nightly=operator", wiring.EnvStackWorkflow+"="+machine.ARN())
	return d
}

// ask has somebody ask for a field.
func (d *door) ask(who, field string, arguments map[string]any, env ...string) api.Reply {
	d.t.Helper()
	parent, name, _ := strings.Cut(field, ".")
	event, err := json.Marshal(map[string]any{
		"arguments": arguments, "identity": d.identities[who], "info": map[string]string{"fieldName": name, "parentTypeName": parent},
	})
	must(d.t, err)
	text, failed := invoke(d.t, wiring.API, string(event), append(d.env, env...)...)
	if failed {
		d.t.Fatalf("%s failed: %s", field, text)
	}
	var reply api.Reply
	must(d.t, json.Unmarshal([]byte(text), &reply))
	return reply
}

// data is what somebody is answered with.
func data[T any](d *door, who, field string, arguments map[string]any, env ...string) (v T) {
	d.t.Helper()
	reply := d.ask(who, field, arguments, env...)
	if reply.Error != nil {
		d.t.Fatalf("%s of %s: %+v", field, who, reply.Error)
	}
	must(d.t, json.Unmarshal(reply.Data, &v))
	return v
}

type taskAnswer struct {
	ID, Name, State, CreatedBy string
	Stack                      struct{ Name string }
}

// account puts into the stand-in what a task needs of an account, and returns the task's parameters.
func (d *door) account() (entries []map[string]string) {
	t := d.t
	vpc, subnet := machinesaws.Network(t, d.url)
	machinesaws.Put(t, d.url, "photos-of-ada", "x", "x")
	machinesaws.Put(t, d.url, "backup-of-ada", "x", "x")
	for name, value := range map[string]string{
		"srcBucket": "photos-of-ada", "destBucket": "backup-of-ada", "ec2VpcId": vpc, "ec2Subnets": subnet, "alarmEmail": "ada@example.com",
	} {
		entries = append(entries, map[string]string{"name": name, "value": value})
	}
	return entries
}

// The API in its shipped form: a person of the user pool makes a task, whose workflow begins; everybody else may do what their
// role allows, however they are known.
func TestAPI(t *testing.T) {
	d := newDoor(t)
	input := map[string]any{"name": "photos", "type": "S3", "start": true, "parameters": d.account(), "clientToken": "once"}
	made := data[taskAnswer](d, "cognito", "Mutation.createTask", map[string]any{"input": input})
	if made.State != "STARTING" || made.CreatedBy != "ada@example.com" || made.Stack.Name != "DTH-"+made.ID {
		t.Errorf("made %+v", made)
	}
	if again := data[taskAnswer](d, "cognito", "Mutation.createTask", map[string]any{"input": input}); again.ID != made.ID {
		t.Errorf("the same token made %s and %s", made.ID, again.ID)
	}
	stored, err := d.tasks.Get(t.Context(), made.ID)
	must(t, err)
	machinesaws.At(t, d.url, d.variable(wiring.EnvStackWorkflow)).Until(stored.Operation.ID, "SUCCEEDED")

	list := data[struct{ Nodes []taskAnswer }](d, "openid", "Query.tasks", nil, wiring.EnvGroupsClaim+"=groups")
	if len(list.Nodes) != 1 || list.Nodes[0].Name != "photos" {
		t.Errorf("the list is %+v", list)
	}
	about := data[struct {
		Version, Region, Account string
		Caller                   struct{ Name, Role string }
	}](d, "iam", "Query.hub", nil)
	if about.Version != "1.2.3" || about.Region != "us-east-1" || about.Account != "123456789012" || !strings.EqualFold(about.Caller.Role, "operator") || about.Caller.Name != "arn:aws:sts::123456789012:assumed-role/nightly/job" {
		t.Errorf("the hub is %+v", about)
	}
	for _, c := range []struct{ who, field, env, code string }{
		{"openid", "Mutation.createTask", wiring.EnvGroupsClaim + "=groups", "FORBIDDEN"},
		{"openid", "Query.tasks", wiring.EnvGroupsClaim + "=roles", "FORBIDDEN"},
		{"iam", "Mutation.createTask", "", "FORBIDDEN"},
		{"iam", "Query.tasks", wiring.EnvAutomationRole + "=none", "FORBIDDEN"},
		{"iam", "Query.tasks", wiring.EnvAutomationRole + "=daily=admin", "FORBIDDEN"},
		{"nobody", "Query.tasks", "", "UNAUTHENTICATED"},
	} {
		arguments := map[string]any{}
		if strings.HasSuffix(c.field, "createTask") {
			arguments["input"] = input
		}
		if got := d.ask(c.who, c.field, arguments, c.env); got.Error == nil || got.Error.Code != c.code || got.Error.Info["next"] == "" {
			t.Errorf("%s of %s with %s: %+v", c.field, c.who, c.env, got.Error)
		}
	}
}

// A task leaves out where it runs: it gets the hub's own network.
func TestAPIKnowsTheNetwork(t *testing.T) {
	d := newDoor(t)
	parameters := d.account()
	var network []string
	parameters = slices.DeleteFunc(parameters, func(e map[string]string) bool {
		switch e["name"] {
		case "ec2VpcId":
			network = append(network, wiring.EnvVPC+"="+e["value"])
		case "ec2Subnets":
			network = append(network, wiring.EnvSubnets+"="+e["value"])
		default:
			return false
		}
		return true
	})
	made := data[taskAnswer](d, "cognito", "Mutation.createTask", map[string]any{"input": map[string]any{"name": "photos", "type": "S3", "parameters": parameters}},
		append(network, wiring.EnvCluster+"=plugins", wiring.EnvPublic+"=true")...)
	stored, err := d.tasks.Get(t.Context(), made.ID)
	must(t, err)
	if wiring.EnvVPC+"="+stored.Parameters["ec2VpcId"] != network[0] && wiring.EnvVPC+"="+stored.Parameters["ec2VpcId"] != network[1] || stored.Parameters["assignPublicIp"] != "true" {
		t.Errorf("the task has %v, the hub %v", stored.Parameters, network)
	}
}

// What is missing in the account is told by field, before anything is made.
func TestAPILooksBeforeItMakes(t *testing.T) {
	d := newDoor(t)
	parameters := append(d.account(), map[string]string{"name": "srcCredentials", "value": "lost"})
	reply := d.ask("cognito", "Mutation.createTask", map[string]any{"input": map[string]any{"name": "photos", "type": "S3", "parameters": parameters}})
	if reply.Error == nil || reply.Error.Code != "INVALID" || reply.Error.Info["field"] != "parameters.srcCredentials" {
		t.Errorf("a secret that is not there is told as %+v", reply.Error)
	}
	vpcs := data[struct {
		Nodes []struct{ Value, Note string }
	}](d, "cognito", "Query.vpcs", map[string]any{"search": "10.7", "first": 5})
	all := data[struct {
		Nodes []struct{ Value, Note string }
	}](d, "cognito", "Query.vpcs", nil)
	if len(vpcs.Nodes) != 0 || len(all.Nodes) == 0 {
		t.Errorf("VPCs: %+v and %+v", vpcs, all)
	}
}

// The API reads the logs and the records of a task's stack, and tells when the stack does not take an order.
func TestAPIReadsAndSteersStacks(t *testing.T) {
	d := newDoor(t)
	now := time.Now().UTC()
	stored := task.Task{
		ID: hubTask, Type: "S3", PluginVersion: "1.2.3", State: task.InProgress, Created: now, Updated: now,
		Settings: task.Settings{Name: "photos", Schedule: task.Schedule{Kind: task.Once}, Parameters: map[string]string{"srcBucket": "a"}},
		Stack: task.Stack{Name: task.StackName(hubTask), ID: "arn:stack", Outputs: map[string]string{
			"RunTableName": "runs", "LedgerTableName": "ledger", "ControlFunction": "DTH-" + hubTask + "-control",
		}},
	}
	must(t, d.tasks.Create(t.Context(), stored, task.Entry{Task: hubTask, At: now, Action: "created"}))
	machinesaws.Log(t, d.url, "/datatransferhub/DTH-"+hubTask+"/worker", "w-1", now.Add(-time.Minute), `{"msg":"object","key":"a.jpg"}`)
	lines := data[struct {
		Nodes []struct{ Stream, Text string }
	}](d, "cognito", "Query.taskLogs", map[string]any{"id": hubTask, "source": "WORKER", "query": "a.jpg"})
	if len(lines.Nodes) != 1 || lines.Nodes[0].Stream != "w-1" || !strings.Contains(lines.Nodes[0].Text, "a.jpg") {
		t.Errorf("the log is %+v", lines)
	}
	// Its control function is not there.
	if reply := d.ask("iam", "Mutation.pauseTask", map[string]any{"id": hubTask}); reply.Error == nil || reply.Error.Code != "UNAVAILABLE" {
		t.Errorf("a stack that does not answer is told as %+v", reply.Error)
	}
	if got := d.get(); got.State != task.InProgress {
		t.Errorf("the task is %s", got.State)
	}
}

// What AppSync never sends is an error of the function, and a configuration that cannot be is told before the first event.
func TestAPIRefusesWhatItCannotRead(t *testing.T) {
	if text, failed := invoke(t, wiring.API, `{"info":{"fieldName":"stars","parentTypeName":"Query"}}`, wiring.EnvStackWorkflow+"=arn:aws:states:us-east-1:123456789012:stateMachine:s"); !failed || !strings.Contains(text, "Query.stars") {
		t.Errorf("answered %s", text)
	}
}
