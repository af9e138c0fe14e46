package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// logs is a log group of moto's, behind a door that can be shut: then its service answers with 503.
type logs struct {
	t      *testing.T
	client *cloudwatchlogs.Client
	group  string
	shut   atomic.Bool
	calls  atomic.Int64
}

// logged has the depot's programs find CloudWatch Logs. The group is not there yet.
func (d *depot) logged() *logs {
	l := &logs{t: d.t, client: cloudwatchlogs.NewFromConfig(standinaws.Config(d.t, moto.URL)), group: "/dth/" + d.t.Name()}
	to, err := url.Parse(moto.URL)
	if err != nil {
		d.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.calls.Add(1); l.shut.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	d.t.Cleanup(door.Close)
	d.env = append(d.env, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS="+door.URL, "AWS_REGION=us-east-1")
	return l
}

func (l *logs) create() {
	l.t.Helper()
	if _, err := l.client.CreateLogGroup(context.Background(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &l.group}); err != nil {
		l.t.Fatal(err)
	}
}

// lines are what a stream has, each decoded, by message; those of metrics are under "metrics".
func (l *logs) lines(stream string) map[string][]map[string]any {
	l.t.Helper()
	found := map[string][]map[string]any{}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.client, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &l.group, LogStreamNames: []string{stream}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			return found
		}
		if err != nil {
			l.t.Fatal(err)
		}
		for _, e := range page.Events {
			var line map[string]any
			if err := json.Unmarshal([]byte(aws.ToString(e.Message)), &line); err != nil {
				l.t.Fatalf("%v: %q", err, aws.ToString(e.Message))
			}
			name, _ := line["msg"].(string)
			if line["_aws"] != nil {
				name = "metrics"
			}
			found[name] = append(found[name], line)
		}
	}
	return found
}

// The log of a worker that is killed while the service is down waits on disk; the next one ships it, and its own before it
// ends by a signal. Metrics come by the same way.
func TestLogOutlivesItsWorker(t *testing.T) {
	d := newDepot(t)
	l := d.logged()
	l.create()
	l.shut.Store(true)
	spool := filepath.Join(t.TempDir(), "log")
	for i := range 20 {
		d.src.PutBytes(fmt.Sprint("object ", i), []byte("body"))
	}
	d.find()
	start := func() *exec.Cmd {
		cmd, _ := d.start("jobworker", "--log-group", l.group, "--log-stream", "i-1", "--log-spool", spool, "--metrics-every", "1s")
		return cmd
	}
	killed := start()
	d.until("all objects are settled and the service refused lines", func() bool { return d.settled() && l.calls.Load() > 0 })
	_ = killed.Process.Kill() // its end is seen below
	_ = killed.Wait()
	if found := l.lines("i-1"); len(found) != 0 {
		t.Fatalf("lines came through a door that is shut: %v", found)
	}

	l.shut.Store(false)
	second := start()
	d.until("the second worker has begun", func() bool { return len(l.lines("i-1")["worker begins"]) == 2 })
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _ = second.Wait(); second.ProcessState.ExitCode() != 143 {
		t.Errorf("exit code %d, want 143", second.ProcessState.ExitCode())
	}
	found := l.lines("i-1")
	if len(found["object"]) != 20 || len(found["worker ends"]) != 1 || len(found["metrics"]) < 2 {
		t.Errorf("%d objects, %d ends, %d lines of metrics", len(found["object"]), len(found["worker ends"]), len(found["metrics"]))
	}
	var copied float64
	for _, line := range found["metrics"] {
		n, _ := line["TransferredObjects"].(float64)
		copied += n
	}
	if copied > 20 {
		t.Errorf("metrics tell of %v objects", copied) // those of the last second of the one that was killed may be missing
	}
	left, err := filepath.Glob(filepath.Join(spool, "*.log"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v is left in the spool, %v", left, err)
	}
}

// A group that is missing stops no pass: what cannot be shipped is said, and shipped once the group is there.
func TestLogGroupIsMissing(t *testing.T) {
	d := newDepot(t)
	l := d.logged()
	flags := []string{"--log-group", l.group, "--log-stream", "i-1", "--log-spool", t.TempDir()}
	cmd, log := d.start("jobfinder", flags...)
	if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), "wait in ") || !strings.Contains(log.String(), "ResourceNotFoundException") {
		t.Errorf("%v\n%s", err, log)
	}
	l.create()
	cmd, log = d.start("jobfinder", flags...)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	if found := l.lines("i-1"); len(found["pass ends"]) != 2 || len(found["the log cannot be shipped; it waits in its spool"]) != 1 {
		t.Errorf("%v", found)
	}
}

// What ends a program is in its log also when it is the configuration.
func TestErrorsAreShipped(t *testing.T) {
	d := newDepot(t)
	l := d.logged()
	l.create()
	if err := os.WriteFile(d.file, []byte(`{"stackName":"x","unheard":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jobfinder", "jobworker"} {
		cmd, log := d.start(name, "--log-group", l.group, "--log-stream", name, "--log-spool", t.TempDir())
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%s: exit code %d\n%s", name, cmd.ProcessState.ExitCode(), log)
		}
		said := l.lines(name)[name+" ends"]
		if len(said) != 1 || !strings.Contains(said[0]["error"].(string), "unheard") {
			t.Errorf("%s: %v", name, said)
		}
	}
}

func TestFlagsOfTheLog(t *testing.T) {
	d := newDepot(t)
	d.env = append(d.env, "AWS_REGION=us-east-1")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--log-stream", "s"}, "--log-group"},
		{[]string{"--log-spool", t.TempDir()}, "--log-group"},
		{[]string{"--log-group", "a b"}, "1 to 512"},
		{[]string{"--log-group", "g", "--log-stream", "a:b", "--log-spool", t.TempDir()}, "no colon"},
		{[]string{"--log-group", "g", "--log-spool", file}, "not a directory"},
	} {
		for _, name := range []string{"jobfinder", "jobworker"} {
			cmd, log := d.start(name, tt.flags...)
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(log.String(), tt.says) {
				t.Errorf("%s %v: exit code %d\n%s", name, tt.flags, cmd.ProcessState.ExitCode(), log)
			}
		}
	}
}
