package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// nasty is what a shell, JSON joined by hand, or a template would stumble over.
const nasty = "$(reboot) `id` \"quoted\" 'single' back\\slash ${AWS::StackName} ${IFS}a  b\nnew line; rm -rf ."

// A prefix of any text goes from CloudFormation through the shipped taskconfig into the configuration, and from there through
// finder and worker to the keys, literally.
func TestPrefixesAreNeverCode(t *testing.T) {
	s := newStack(t, s3sim.Options{}, s3sim.Options{})
	parameters := s.document["parameters"].(map[string]string)
	parameters["srcPrefix"], parameters["destPrefix"] = nasty+"/", "to "+nasty
	s.src.PutBytes(nasty+"/file", []byte("content"))
	s.src.PutBytes("elsewhere/file", []byte("content"))
	name := "/datatransferhub/" + s.document["stackName"].(string) + "/configuration"
	s.createConfiguration(name)
	s.file, s.env = "ssm:"+name, []string{"AWS_REGION=us-east-1"} // which instances are told by their boot script
	if code, stdout, stderr := s.finder("--run-id", "one"); code != 0 {
		t.Fatalf("jobfinder: exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stderr := s.work(func() bool { return s.depth(s.queue) == 0 })
	if code != 143 {
		t.Errorf("jobworker: exit code %d\n%s", code, stderr)
	}
	want := "to " + nasty + "/" + nasty + "/file"
	if got := s.dst.Get(want); got == nil || len(s.dst.Objects()) != 1 {
		t.Errorf("the destination holds %+v", s.dst.Objects())
	}
	if rows := s.rows(); len(rows) != 1 || rows[nasty+"/file"] != "DONE" {
		t.Errorf("recorded are %q", rows)
	}
}

// createConfiguration has the shipped taskconfig create its custom resource, as CloudFormation would.
func (s *stack) createConfiguration(name string) {
	s.t.Helper()
	bootstrap := filepath.Join(s.t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "../../lambda/taskconfig/main")
	if out, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("building taskconfig: %v\n%s", err, out)
	}
	told := make(chan []byte, 1)
	cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- body
	}))
	defer cloudformation.Close()
	event, err := json.Marshal(map[string]any{
		"RequestType": "Create", "ResponseURL": cloudformation.URL, "StackId": "s", "RequestId": "r", "LogicalResourceId": "L",
		"ResourceProperties": map[string]any{wiring.PropName: name, wiring.PropDocument: s.document},
	})
	s.must(err)
	s.runtime(bootstrap, event)
	var answer struct{ Status, Reason string }
	select {
	case body := <-told:
		s.must(json.Unmarshal(body, &answer))
	case <-time.After(3 * time.Minute):
		s.t.Fatal("CloudFormation was told nothing")
	}
	if answer.Status != "SUCCESS" {
		s.t.Fatalf("CloudFormation was told %+v", answer)
	}
}

// runtime gives a Lambda one event by the Runtime API, and waits until it has answered.
func (s *stack) runtime(bootstrap string, event []byte) {
	s.t.Helper()
	given, answered := false, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/invocation/next") {
			w.WriteHeader(http.StatusAccepted)
			close(answered)
			return
		}
		if given {
			<-r.Context().Done()
			return
		}
		given = true
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		_, _ = w.Write(event)
	}))
	defer server.Close()
	var log bytes.Buffer
	cmd := exec.Command(bootstrap)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_ENDPOINT_URL=" + moto.URL, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	}
	cmd.Stdout, cmd.Stderr = &log, &log
	s.must(cmd.Start())
	defer func() {
		_ = cmd.Process.Kill() // a Lambda never ends by itself
		_ = cmd.Wait()
		server.CloseClientConnections()
	}()
	select {
	case <-answered:
	case <-time.After(3 * time.Minute):
		s.t.Fatalf("taskconfig did not answer\n%s", &log)
	}
}
