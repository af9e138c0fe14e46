// Package bootstrap runs the Lambdas in the form in which they are shipped, against a server that speaks the Runtime API.
package bootstrap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	portal "github.com/datatransferhub/dth/lambda/wiring"
	images "github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/awssim"
)

// built is where the programs are, by name.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "dth-lambda-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// build builds a Lambda as `make lambdas` does, for this machine.
func build(t *testing.T, name string) string {
	t.Helper()
	out := filepath.Join(built, name)
	if _, err := os.Stat(out); err == nil {
		return out
	}
	lookAtSources(t, "../"+name+"/main")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", out, "../"+name+"/main")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, text)
	}
	return out
}

// lookAtSources opens the folders that a program of ours is built from. Go repeats the result of a test when its own packages
// and the files that it opened did not change, and does not see what the compiler reads that the test starts.
func lookAtSources(t *testing.T, program string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", program).Output()
	if err != nil {
		t.Fatalf("listing what %s is built from: %v", program, err)
	}
	for _, dir := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if _, err := os.ReadDir(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// invoke starts a Lambda, gives it one event, and returns what it answers, and whether that is an error of the function.
func invoke(t *testing.T, name, event string, env ...string) (answer string, failed bool) {
	t.Helper()
	type result struct {
		text   string
		failed bool
	}
	results := make(chan result, 1)
	given := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/invocation/next"):
			if given {
				<-r.Context().Done()
				return
			}
			given = true
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
			_, _ = io.WriteString(w, event)
		default:
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
			results <- result{string(body), strings.HasSuffix(r.URL.Path, "/error")}
		}
	}))
	defer server.Close()
	var log bytes.Buffer
	cmd := exec.Command(build(t, name))
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=t", "AWS_SECRET_ACCESS_KEY=t",
		wiring.EnvStack + "=stack", wiring.EnvStackID + "=arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1",
	}, env...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // a Lambda never ends by itself
		_ = cmd.Wait()
		server.CloseClientConnections()
	}()
	select {
	case r := <-results:
		return r.text, r.failed
	case <-time.After(3 * time.Minute):
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%s did not answer\n%s", name, &log)
	}
	return "", false
}

// The controller and the monitor look at tables in which nothing is open.
func TestLooks(t *testing.T) {
	aws := awssim.Run(t, awssim.Options{})
	q := aws.CreateQueue("objects", awssim.QueueOptions{})
	aws.CreateTable("runs", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	env := []string{"AWS_ENDPOINT_URL=" + aws.URL(), wiring.EnvQueue + "=" + q.URL(), wiring.EnvRuns + "=runs", wiring.EnvFinderLaunch + "=launch"}
	for name, event := range map[string]string{
		wiring.Multipart: `{"upload":"u","continuation":0,"ticks":0}`, wiring.Monitor: `{"begun":"e-1","continuation":0,"looks":29}`,
	} {
		answer, failed := invoke(t, name, event, env...)
		var a struct{ Verdict string }
		if failed || json.Unmarshal([]byte(answer), &a) != nil || a.Verdict != "END" {
			t.Errorf("%s answers %s", name, answer)
		}
	}
	if answer, failed := invoke(t, wiring.Monitor, `"x"`, env...); !failed {
		t.Errorf("an event that cannot be read is answered with %s", answer)
	}
}

// The custom resources answer CloudFormation at its URL, good or bad.
func TestCustomResources(t *testing.T) {
	for _, c := range []struct{ name, kind, properties, status, reason string }{
		{wiring.TaskConfig, "Create", `{"Name":"n","Document":{"parameters":{"srcType":"Amazon_S4"}}}`, "FAILED", "srcType"},
		{wiring.StackGuard, "Create", `{"Tag":"DataTransferHubStack","Machines":[]}`, "SUCCESS", ""},
		{wiring.S3Events, "Delete", `{}`, "SUCCESS", "may be left"},
		{wiring.FinderLaunch, "Update", `{}`, "SUCCESS", ""},
		{images.ImageConfig, "Create", `{"Name":"n","Image":"i","Document":{"region":"r","recordTable":"t","runTable":"t","bucket":"b","parameters":{"sourceType":"Docker"}}}`, "FAILED", "sourceType"},
		{images.ImageControl, "Update", `{}`, "SUCCESS", ""},
		{images.ImageGuard, "Delete", `{}`, "SUCCESS", "nothing was tidied up"},
		{portal.SiteConfig, "Create", `{"Bucket":"console"}`, "FAILED", "Configuration, Distribution, ReleasesBucket, Version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answered := make(chan string, 1)
			cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				answered <- string(body)
			}))
			defer cloudformation.Close()
			event := fmt.Sprintf(`{"RequestType":%q,"ResponseURL":%q,"StackId":"s","RequestId":"r","LogicalResourceId":"L","PhysicalResourceId":"bucket/id","ResourceProperties":%s}`, c.kind, cloudformation.URL, c.properties)
			// Nobody answers for AWS: what cannot be reached is told, in time.
			nobody := httptest.NewServer(http.NotFoundHandler())
			defer nobody.Close()
			text, failed := invoke(t, c.name, event, "AWS_ENDPOINT_URL="+nobody.URL, wiring.EnvConfiguration+"=/c", wiring.EnvRuns+"=runs", wiring.EnvSubnets+"=subnet-1", "AWS_MAX_ATTEMPTS=1")
			if failed {
				t.Fatalf("the function failed: %s", text)
			}
			var a struct{ Status, Reason string }
			if err := json.Unmarshal([]byte(<-answered), &a); err != nil || a.Status != c.status || !strings.Contains(a.Reason, c.reason) {
				t.Errorf("CloudFormation was told %+v, %v", a, err)
			}
		})
	}
}

// The task's door refuses in words, and answers from the run table.
func TestControl(t *testing.T) {
	aws := awssim.Run(t, awssim.Options{})
	q := aws.CreateQueue("objects", awssim.QueueOptions{})
	aws.CreateTable("runs", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	env := []string{
		"AWS_ENDPOINT_URL=" + aws.URL(), wiring.EnvQueue + "=" + q.URL(), wiring.EnvRuns + "=runs", wiring.EnvLedger + "=ledger", wiring.EnvFinderLaunch + "=launch", wiring.EnvWorkers + "=w",
	}
	if answer, failed := invoke(t, wiring.Control, `{"operation":"answer","request":"r-1"}`, env...); failed || !strings.Contains(answer, `"operation":"answer"`) {
		t.Errorf("answered %s", answer)
	}
	if answer, failed := invoke(t, wiring.Control, `{"operation":"stop","request":"r-1"}`, env...); !failed || !strings.Contains(answer, `"Refusal"`) || !strings.Contains(answer, "pause, resume") {
		t.Errorf("answered %s", answer)
	}
}

func TestFinderLaunchRefusesWhatItCannotRead(t *testing.T) {
	if answer, failed := invoke(t, wiring.FinderLaunch, `{"mode":"copy","id":"x"}`, wiring.EnvRuns+"=runs"); !failed || !strings.Contains(answer, "pass, close, plan and check") {
		t.Errorf("answered %s", answer)
	}
}
