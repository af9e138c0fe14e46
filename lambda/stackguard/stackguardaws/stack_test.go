package stackguardaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/stackguard"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
	"github.com/datatransferhub/dth/worker/store"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// shelf is a destination that counts.
type shelf struct {
	open    []store.Upload
	mu      sync.Mutex
	aborted []string
}

func (s *shelf) Uploads(context.Context, string) ([]store.Upload, error) { return s.open, nil }

func (s *shelf) AbortUpload(_ context.Context, key, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = append(s.aborted, key+" "+id)
	return nil
}

func TestWhatWorksForAStackIsEnded(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	instances, states := ec2.NewFromConfig(cfg), sfn.NewFromConfig(cfg)
	run := func(stack string) string {
		t.Helper()
		out, err := instances.RunInstances(t.Context(), &ec2.RunInstancesInput{
			ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), TagSpecifications: []ec2types.TagSpecification{{
				ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("DataTransferHubStack"), Value: &stack}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Instances[0].InstanceId
	}
	ours, theirs := run("ours"), run("theirs")
	machine, err := states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := states.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn}); err != nil {
		t.Fatal(err)
	}
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	uploads, err := multipartsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uploads.PutUpload(t.Context(), multipart.Upload{SourceKey: "s", DestinationKey: "d", ID: "u", SourceETag: "e", Size: 1, PartSize: 1, Created: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	if err := uploads.PutIntent(t.Context(), multipart.Intent{DestinationKey: "lost", At: time.Now().Add(-time.Second).UTC()}); err != nil {
		t.Fatal(err)
	}
	list, stop, look, end := stackguardaws.Actions()
	shelf := shelf{open: []store.Upload{
		{Key: "lost", ID: "never recorded", Initiated: time.Now()},
		{Key: "lost", ID: "of somebody else", Initiated: time.Now().Add(-time.Hour)},
		{Key: "lost too", ID: "likewise", Initiated: time.Now()},
	}}
	reachable := false
	stack := stackguardaws.Open(standinaws.Only(t, cfg, append(append(list, stop...), append(look, end...)...)), uploads, func(context.Context) (giant.Destination, func(), error) {
		if !reachable {
			return nil, nil, errors.New("the keys are gone")
		}
		return &shelf, func() {}, nil
	})
	stack.Pause = 10 * time.Millisecond
	pauses := 0
	r := stackguard.Resource{Stack: stack, Name: "ours", Pause: func(context.Context) error { pauses++; return nil }}
	properties, err := json.Marshal(map[string]any{"Machines": []string{*machine.StateMachineArn}, "Tag": "DataTransferHubStack"})
	if err != nil {
		t.Fatal(err)
	}
	e := customresource.Event{ResourceProperties: properties}
	created, err := r.Create(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	e.PhysicalResourceId = created.ID
	first, err := r.Delete(t.Context(), e)
	if err != nil || !strings.Contains(first.Note, "ended 1 executions, 1 instances; uploads may be left: 1 uploads are open at the destination, which cannot be used: the keys are gone") {
		t.Errorf("%+v, %v", first, err)
	}
	if pauses != 1 {
		t.Errorf("paused %d times", pauses)
	}
	reachable = true
	second, err := r.Delete(t.Context(), e)
	if err != nil || second.Note != "ended 2 uploads" || strings.Join(shelf.aborted, ";") != "lost never recorded;d u" {
		t.Errorf("%+v, %v, aborted %q", second, err, shelf.aborted)
	}
	out, err := instances.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{ours, theirs}})
	if err != nil {
		t.Fatal(err)
	}
	states2 := map[string]string{}
	for _, res := range out.Reservations {
		for _, i := range res.Instances {
			states2[*i.InstanceId] = string(i.State.Name)
		}
	}
	if states2[ours] != "terminated" || states2[theirs] != "running" {
		t.Errorf("instances are %v", states2)
	}
}

// A finder that was asked for before the task was paused, and comes only after the first look, is ended, too.
func TestInstanceThatComesLateIsEnded(t *testing.T) {
	plain := standinaws.Config(t, moto.URL)
	instances := ec2.NewFromConfig(plain)
	late := ""
	cfg := standinaws.Between(plain, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		answer, err := next()
		if err == nil && late == "" && strings.Contains(string(r.Body), "Action=DescribeInstances") {
			out, err := instances.RunInstances(t.Context(), &ec2.RunInstancesInput{
				ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), TagSpecifications: []ec2types.TagSpecification{{
					ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("DataTransferHubStack"), Value: aws.String("late")}},
				}},
			})
			if err != nil {
				t.Error(err)
				return answer, nil
			}
			late = *out.Instances[0].InstanceId
		}
		return answer, err
	})
	stack := stackguardaws.Open(cfg, nil, nil)
	stack.Pause = 10 * time.Millisecond
	if n, err := stack.EndInstances(t.Context(), "DataTransferHubStack", "late"); err != nil || n != 1 || late == "" {
		t.Errorf("%d were ended, %v", n, err)
	}
}
