package catalog_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
)

// at is a hub with a public network of its own.
func at(network catalog.Network) catalog.Place {
	return catalog.Place{Account: "123456789012", Region: "eu-west-1", Network: network}
}

func hubs() catalog.Network {
	return catalog.Network{Cluster: "hub-Cluster-x", VPC: "vpc-0123456789abcdef0", Subnets: []string{"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"}, Public: true}
}

// What has to be given of each plugin beside the network.
var least = map[string]map[string]string{
	"S3":  {"srcBucket": "photos", "destBucket": "backup", "alarmEmail": "ada@example.com"},
	"ECR": {"destRegion": "eu-west-1", "srcRegion": "us-east-1", "alarmEmail": "ada@example.com"},
}

// Of the hub's network each plugin's tasks get what they need.
var theirs = map[string]map[string]string{
	"S3": {"ec2VpcId": "vpc-0123456789abcdef0", "ec2Subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1", "assignPublicIp": "true"},
	"ECR": {
		"ecsClusterName": "hub-Cluster-x", "ecsVpcId": "vpc-0123456789abcdef0", "ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1", "assignPublicIp": "true",
	},
}

type noStacks struct{}

func (noStacks) Begin(context.Context, task.Task) error { return nil }

// hub is the API's handler as AppSync calls it.
type hub struct {
	t       *testing.T
	store   *tasksim.Store
	handler *api.AppSync
}

func newHub(t *testing.T, network catalog.Network, store *tasksim.Store) hub {
	t.Helper()
	return hub{t, store, api.NewAppSync(api.New(&task.Service{
		Plugins: catalog.Cloud("1.2.3", at(network)), Store: store, Stacks: noStacks{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}), "groups", nil)}
}

// ask has an admin ask for a field.
func (h hub) ask(field string, arguments map[string]any) api.Reply {
	h.t.Helper()
	parent, name, _ := strings.Cut(field, ".")
	e := api.Event{Arguments: arguments, Identity: &api.Identity{Sub: "s", Claims: map[string]any{"groups": "admin"}}}
	e.Info.ParentTypeName, e.Info.FieldName = parent, name
	reply, err := h.handler.Handle(h.t.Context(), e)
	if err != nil {
		h.t.Fatal(err)
	}
	return reply
}

// task returns the stored task of an answer.
func (h hub) task(reply api.Reply) task.Task {
	h.t.Helper()
	if reply.Error != nil {
		h.t.Fatalf("%+v", reply.Error)
	}
	var answer struct{ ID string }
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		h.t.Fatal(err)
	}
	stored, err := h.store.Get(h.t.Context(), answer.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return stored
}

func entries(values map[string]string) (all []any) {
	for name, value := range values {
		all = append(all, map[string]any{"name": name, "value": value})
	}
	return all
}

func (h hub) create(kind string, more map[string]string) api.Reply {
	values := maps.Clone(least[kind])
	maps.Copy(values, more)
	return h.ask("Mutation.createTask", map[string]any{"input": map[string]any{"name": "n", "type": kind, "parameters": entries(values)}})
}

// A task may leave out where it runs: the hub's own network is what forms offer, what the task keeps, and what its stack gets.
func TestTasksRunInTheHubsNetwork(t *testing.T) {
	for kind, want := range theirs {
		h := newHub(t, hubs(), tasksim.New())
		offered := map[string]string{}
		var plugins []struct {
			Type       string
			Parameters []struct{ Name, Default string }
		}
		if err := json.Unmarshal(h.ask("Query.plugins", nil).Data, &plugins); err != nil {
			t.Fatal(err)
		}
		for _, p := range plugins {
			for _, parameter := range p.Parameters {
				if _, ofNetwork := want[parameter.Name]; ofNetwork && p.Type == kind {
					offered[parameter.Name] = parameter.Default
				}
			}
		}
		if !maps.Equal(offered, want) {
			t.Errorf("%s: forms offer %v, want %v", kind, offered, want)
		}
		stored := h.task(h.create(kind, nil))
		change, err := (&stackops.Templates{BucketPrefix: "b", Region: "eu-west-1", Plugins: stackops.Plugins()}).Change(&stored)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got := map[string]string{}
		for _, p := range change.Parameters {
			got[p.Name] = p.Value
		}
		for name, value := range want {
			if stored.Parameters[name] != value || got[name] != value {
				t.Errorf("%s: %s is %q of the task and %q of its stack, want %q", kind, name, stored.Parameters[name], got[name], value)
			}
		}
	}
}

// Whoever says where a task runs is obeyed; the hub's subnets are not taken for those of another VPC.
func TestTasksMayRunElsewhere(t *testing.T) {
	h := newHub(t, hubs(), tasksim.New())
	own := map[string]string{"ec2VpcId": "vpc-0aaaaaaaaaaaaaaaa", "ec2Subnets": "subnet-0aaaaaaaaaaaaaaaa", "assignPublicIp": "false"}
	if stored := h.task(h.create("S3", own)); stored.Parameters["ec2Subnets"] != own["ec2Subnets"] || stored.Parameters["assignPublicIp"] != "false" {
		t.Errorf("the task has %v", stored.Parameters)
	}
	for kind, field := range map[string]string{"S3": "ec2Subnets", "ECR": "ecsSubnetA"} {
		vpc := map[string]string{"S3": "ec2VpcId", "ECR": "ecsVpcId"}[kind]
		reply := h.create(kind, map[string]string{vpc: "vpc-0aaaaaaaaaaaaaaaa"})
		if reply.Error == nil || reply.Error.Info["field"] != "parameters."+field || !strings.Contains(reply.Error.Message, "the hub's own VPC") {
			t.Errorf("%s: %+v", kind, reply.Error)
		}
	}
}

// A task stays where it is when the hub gets another network, also when an edit leaves out where it runs.
func TestTasksStayWhereTheyAre(t *testing.T) {
	store := tasksim.New()
	made := newHub(t, hubs(), store).create("ECR", nil)
	stored := newHub(t, hubs(), store).task(made)
	stored.State, stored.Operation = task.InProgress, nil
	store = tasksim.New(stored)
	other := catalog.Network{Cluster: "other", VPC: "vpc-0bbbbbbbbbbbbbbbb", Subnets: []string{"subnet-0bbbbbbbbbbbbbbbb", "subnet-0bbbbbbbbbbbbbbbc"}}
	later := newHub(t, other, store)
	values := maps.Clone(least["ECR"])
	values["destPrefix"] = stored.Parameters["destPrefix"]
	values["taskCpu"] = "1024"
	values["taskMemory"] = "2048"
	reply := later.ask("Mutation.updateTask", map[string]any{"input": map[string]any{"id": stored.ID, "parameters": entries(values)}})
	for name, value := range theirs["ECR"] {
		if got := later.task(reply).Parameters[name]; got != value {
			t.Errorf("%s became %q, it was %q", name, got, value)
		}
	}
}

// A hub without a network asks where tasks run, as before; one with a single subnet asks for the second.
func TestWithoutANetworkItIsAskedFor(t *testing.T) {
	if reply := newHub(t, catalog.Network{}, tasksim.New()).create("ECR", nil); reply.Error == nil || reply.Error.Info["field"] != "parameters.ecsClusterName" {
		t.Errorf("%+v", reply.Error)
	}
	single := hubs()
	single.Subnets, single.Public = single.Subnets[:1], false
	if reply := newHub(t, single, tasksim.New()).create("ECR", nil); reply.Error == nil || reply.Error.Info["field"] != "parameters.ecsSubnetB" {
		t.Errorf("%+v", reply.Error)
	}
	if reply := newHub(t, single, tasksim.New()).create("S3", nil); reply.Error != nil {
		t.Errorf("%+v", reply.Error)
	}
}

// The hub's service role may make no role under another boundary than its own: that is told before a stack is made, by name.
func TestOwnBoundariesAreRefused(t *testing.T) {
	const policy = "arn:aws:iam::123456789012:policy/of-the-organization"
	for kind := range least {
		reply := newHub(t, hubs(), tasksim.New()).create(kind, map[string]string{"permissionsBoundaryArn": policy})
		if reply.Error == nil || reply.Error.Code != "INVALID" || reply.Error.Info["field"] != "parameters.permissionsBoundaryArn" || reply.Error.Info["value"] != policy ||
			!strings.Contains(reply.Error.Message, "leave it empty") {
			t.Errorf("%s: %+v", kind, reply.Error)
		}
	}
	for _, p := range stackops.Plugins() { // a stack without a hub may have one
		values := maps.Clone(least[p.Type])
		maps.Copy(values, theirs[p.Type])
		values["permissionsBoundaryArn"] = policy
		if _, err := p.Contract.Validate(values); err != nil {
			t.Errorf("%s: %v", p.Type, err)
		}
	}
}
