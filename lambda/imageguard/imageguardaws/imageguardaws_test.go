package imageguardaws_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imageguard"
	"github.com/datatransferhub/dth/lambda/imageguard/imageguardaws"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
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

// At the stack's end its executions are stopped and its bucket is emptied, so that CloudFormation can delete it; what is gone
// already is no error, and nothing holds up the deletion.
func TestWhatIsLeftIsTidiedUp(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	states := sfn.NewFromConfig(cfg)
	machine, err := states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`),
	})
	must(t, err)
	_, err = states.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn})
	must(t, err)
	files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = files.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("work")})
	must(t, err)
	for n := range 1050 { // more than a page
		_, err = files.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("work"), Key: aws.String(fmt.Sprintf("runs/r/batch-%06d.json", n))})
		must(t, err)
	}
	list, stop, _, _ := stackguardaws.Actions()
	bucket, _ := imageguardaws.Actions()
	// DeleteObjects is an operation that the action DeleteObject allows.
	allowed := standinaws.Only(t, cfg, slices.Concat(list, stop, bucket, []string{"s3:DeleteObjects"}))
	r := imageguard.Resource{Stack: imageguardaws.Open(allowed)}
	properties, err := json.Marshal(map[string]string{"Machine": *machine.StateMachineArn, "Bucket": "work"})
	must(t, err)
	e := customresource.Event{StackId: "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b", ResourceProperties: properties}
	created, err := r.Create(t.Context(), e)
	must(t, err)
	e.PhysicalResourceId = created.ID
	gone, err := r.Delete(t.Context(), e)
	if err != nil || gone.Note != "ended 1 executions; ended 1050 objects" {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = files.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("work")})
	must(t, err)
	if gone, err = r.Delete(t.Context(), e); err != nil || gone.Note != "" {
		t.Errorf("%+v, %v", gone, err)
	}
	e.ResourceProperties = json.RawMessage(`{"Bucket":"work"}`)
	if _, err := r.Create(t.Context(), e); err == nil || !strings.Contains(err.Error(), "Machine") {
		t.Errorf("%v", err)
	}
	if gone, err = r.Delete(t.Context(), e); err != nil || !strings.Contains(gone.Note, "nothing was tidied up") {
		t.Errorf("%+v, %v", gone, err)
	}
}
