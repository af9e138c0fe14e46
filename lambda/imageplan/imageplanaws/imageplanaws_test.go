package imageplanaws_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/imageplan/imageplanaws"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Records are read and written by the declared actions; what the copier wrote beside stays.
func TestRecords(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	db := dynamodb.NewFromConfig(cfg)
	in := recordaws.TableInput("records")
	_, err := db.CreateTable(t.Context(), in)
	must(t, err)
	_, err = db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: in.TableName, Item: map[string]types.AttributeValue{
		"Image": &types.AttributeValueMemberS{Value: "team/app"}, "Tag": &types.AttributeValueMemberS{Value: "v0"}, "Status": &types.AttributeValueMemberS{Value: "Done"},
		"RunId": &types.AttributeValueMemberS{Value: "before"}, "Bytes": &types.AttributeValueMemberN{Value: "7"}, "SourceDigest": &types.AttributeValueMemberS{Value: "sha256:0"},
	}})
	must(t, err)
	table, index := imageplanaws.RecordActions()
	records := imageplanaws.OpenRecords(standinaws.Only(t, cfg, slices.Concat(table, index)), "records")
	var images []imageplan.Image
	for n := range 130 { // more than a call takes
		images = append(images, imageplan.Image{Name: "team/app", Tag: fmt.Sprintf("v%d", n)})
	}
	images = append(images, images[0])
	got, err := records.Outcomes(t.Context(), images)
	if want := (imageplan.Outcome{Run: "before", Status: imageplan.Done, Bytes: 7}); err != nil || len(got) != 1 || got[images[0]] != want {
		t.Errorf("%+v, %v", got, err)
	}
	failed := imageplan.Outcome{Run: "run-1", Status: imageplan.Failed, ErrorClass: "task", ErrorMessage: "no task came to its end"}
	for _, i := range images[:120] {
		must(t, records.PutOutcome(t.Context(), i, failed, time.Now()))
	}
	got, err = records.Outcomes(t.Context(), images)
	if err != nil || len(got) != 120 || got[images[119]] != failed || got[images[0]] != failed {
		t.Errorf("%d records, %v", len(got), err)
	}
	listed, next, err := records.Failures(t.Context(), "")
	if err != nil || len(listed) != 120 || next != "" || !slices.Contains(listed, images[0]) {
		t.Errorf("%d failures, then %q, %v", len(listed), next, err)
	}
	item, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: in.TableName, Key: map[string]types.AttributeValue{
		"Image": &types.AttributeValueMemberS{Value: "team/app"}, "Tag": &types.AttributeValueMemberS{Value: "v0"},
	}})
	must(t, err)
	if digest, ok := item.Item["SourceDigest"].(*types.AttributeValueMemberS); !ok || digest.Value != "sha256:0" {
		t.Errorf("what the copier wrote is gone: %v", item.Item)
	}
}

// Work lists are written and read; one that is not there is none, and so is an execution.
func TestWorkAndExecutions(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	_, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("work")})
	must(t, err)
	objects, bucket, executions := imageplanaws.Actions()
	allowed := standinaws.Only(t, cfg, slices.Concat(objects, bucket, executions))
	work := imageplanaws.OpenWork(allowed, "work")
	if got, err := work.Get(t.Context(), "runs/r/list.json"); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, work.Put(t.Context(), "runs/r/list.json", []byte(`["a"]`)))
	if got, err := work.Get(t.Context(), "runs/r/list.json"); err != nil || string(got) != `["a"]` {
		t.Errorf("%q, %v", got, err)
	}
	states := sfn.NewFromConfig(cfg)
	machine, err := states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`),
	})
	must(t, err)
	out, err := states.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Name: aws.String("run-1")})
	must(t, err)
	alive := imageplanaws.Alive(allowed, *machine.StateMachineArn)
	for _, want := range []struct {
		name  string
		there bool
	}{{"run-1", true}, {"run-2", false}} {
		if got, err := alive(t.Context(), want.name); err != nil || got != want.there {
			t.Errorf("%s: %t, %v", want.name, got, err)
		}
	}
	_, err = states.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: out.ExecutionArn})
	must(t, err)
	if got, err := alive(t.Context(), "run-1"); err != nil || got {
		t.Errorf("a stopped execution: %t, %v", got, err)
	}
}
