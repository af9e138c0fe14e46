package bootstrap

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/standin"
)

// taskStack is a stand-in with what the stack of an S3 task is made of, and the environment of its Lambdas.
type taskStack struct {
	*machinesaws.TaskStack
	t   *testing.T
	env []string
}

func newTaskStack(t *testing.T) *taskStack {
	t.Helper()
	server, err := standin.Start()
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := machinesaws.NewTaskStack(t, server.URL)
	return &taskStack{s, t, []string{
		"AWS_ENDPOINT_URL=" + server.URL, wiring.EnvRuns + "=" + s.RunTable, wiring.EnvLaunchTemplate + "=" + s.LaunchTemplate, wiring.EnvVersion + "=1",
		wiring.EnvSubnets + "=" + s.Subnet, wiring.EnvSecurityGroup + "=" + s.Group, wiring.EnvPublicAddress + "=false", wiring.EnvConfiguration + "=" + s.Parameter,
	}}
}

// resource sends a request of CloudFormation to a Lambda and returns what CloudFormation was told.
func (s *taskStack) resource(name, kind, id string, properties any) (status, physical, reason string) {
	s.t.Helper()
	answered := make(chan []byte, 1)
	cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answered <- body
	}))
	defer cloudformation.Close()
	text, err := json.Marshal(properties)
	must(s.t, err)
	event := fmt.Sprintf(`{"RequestType":%q,"ResponseURL":%q,"StackId":"arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1","RequestId":"r-%s","LogicalResourceId":"L","PhysicalResourceId":%q,"ResourceProperties":%s}`,
		kind, cloudformation.URL, strings.ToLower(kind), id, text)
	if answer, failed := invoke(s.t, name, event, s.env...); failed {
		s.t.Fatalf("%s of %s failed: %s", kind, name, answer)
	}
	var a struct{ Status, PhysicalResourceId, Reason string }
	must(s.t, json.Unmarshal(<-answered, &a))
	return a.Status, a.PhysicalResourceId, a.Reason
}

const tick = `{"version":"0","id":"e-1","detail-type":"Scheduled Event","source":"aws.events","time":"2026-01-31T10:00:00Z","detail":{}}`

// A stack lives: its creation starts the first finder and follows the source, a tick of the schedule starts another, and its end
// stops both, follows nothing any more and lets no later tick start anything.
func TestStackLives(t *testing.T) {
	s := newTaskStack(t)
	if status, _, reason := s.resource(wiring.FinderLaunch, "Create", "", map[string]string{wiring.PropPaused: "false", wiring.PropSignal: "https://handle"}); status != "SUCCESS" || s.Instances(wiring.TagMode)["pass"] != 1 {
		t.Errorf("first pass: %s, %s; instances %v", status, reason, s.Instances(wiring.TagMode))
	}
	if answer, failed := invoke(t, wiring.FinderLaunch, tick, s.env...); failed || !strings.Contains(answer, `"instance":"i-`) || s.Instances(wiring.TagStack)["stack"] != 2 {
		t.Errorf("tick: %s; instances %v", answer, s.Instances(wiring.TagStack))
	}
	status, id, reason := s.resource(wiring.S3Events, "Create", "", map[string]string{
		wiring.PropBucket: s.Source, wiring.PropQueueARN: s.Queue, wiring.PropEvents: "Create", wiring.PropPrefix: "", wiring.PropID: "DataTransferHub-stack",
	})
	want := map[string][]string{s.Queue: {"s3:ObjectCreated:*", "s3:ObjectRestore:Completed"}}
	if status != "SUCCESS" || id != s.Source+"/DataTransferHub-stack" || !reflect.DeepEqual(s.Subscribed(), want) {
		t.Errorf("events: %s, %s, %s; subscribed %v", status, id, reason, s.Subscribed())
	}
	if status, _, reason = s.resource(wiring.S3Events, "Delete", id, map[string]string{}); status != "SUCCESS" || len(s.Subscribed()) != 0 {
		t.Errorf("events: %s, %s; subscribed %v", status, reason, s.Subscribed())
	}
	status, _, reason = s.resource(wiring.StackGuard, "Delete", "guard-of-stack", map[string]any{wiring.PropTag: wiring.TagStack, wiring.PropMachines: []string{}})
	if status != "SUCCESS" || !strings.Contains(reason, "ended 2 instances") || strings.Contains(reason, "left") || len(s.Instances(wiring.TagStack)) != 0 || !s.Pause().Paused {
		t.Errorf("guard: %s, %s; instances %v, %+v", status, reason, s.Instances(wiring.TagStack), s.Pause())
	}
	late := []string{strings.ReplaceAll(tick, "T10:", "T11:"), `{"mode":"close","run":"next","id":"c-1"}`}
	for event := range slices.Values(late) {
		if answer, failed := invoke(t, wiring.FinderLaunch, event, s.env...); failed || answer != `{"paused":true}` || len(s.Instances(wiring.TagStack)) != 0 {
			t.Errorf("after the end: %s; instances %v", answer, s.Instances(wiring.TagStack))
		}
	}
}
