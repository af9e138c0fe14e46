package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/s3sim"
)

// hubProcess is a dth local of its own process, with two simulated stores.
type hubProcess struct {
	t        *testing.T
	data     string
	listen   []string // flags
	src, dst *s3sim.Sim
	srcURL   string
	dstURL   string
	refuse   atomic.Bool // the destination refuses the key "bad"
	cmd      *exec.Cmd
	out      *said
}

func newHubProcess(t *testing.T) *hubProcess {
	h := &hubProcess{t: t, data: t.TempDir(), listen: []string{"--listen", "127.0.0.1:0"}}
	h.src = s3sim.New(s3sim.Options{})
	h.dst = s3sim.New(s3sim.Options{Fault: func(c s3sim.Call) s3sim.Fault {
		if h.refuse.Load() && c.Op == "PutObject" && strings.HasSuffix(c.Key, "bad") {
			return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	}})
	t.Cleanup(func() { h.src.Close(); h.dst.Close() })
	var err error
	if h.srcURL, err = h.src.Start(); err != nil {
		t.Fatal(err)
	}
	if h.dstURL, err = h.dst.Start(); err != nil {
		t.Fatal(err)
	}
	h.write("secrets/test.json", `{"access_key_id":"test","secret_access_key":"canary-of-the-hub"}`)
	h.start()
	t.Cleanup(h.kill)
	return h
}

func (h *hubProcess) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.data, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *hubProcess) start() {
	h.t.Helper()
	h.out = &said{}
	h.cmd = dth(append([]string{"local", "--data", h.data}, h.listen...)...)
	h.cmd.Stderr = h.out
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); !strings.Contains(h.out.String(), "the hub serves"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("the hub does not start\n%s", h.out)
		}
	}
}

func (h *hubProcess) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// again kills the hub with -9 and starts it anew.
func (h *hubProcess) again() {
	h.t.Helper()
	h.kill()
	h.start()
}

// task runs dth task and wants an exit code.
func (h *hubProcess) task(code int, args ...string) string {
	h.t.Helper()
	cmd := dth(append(append([]string{"task"}, args...), "--data", h.data)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		h.t.Fatalf("dth task %s: exit code %d\n%s\nthe hub: %s", strings.Join(args, " "), got, out, h.out)
	}
	return string(out)
}

func (h *hubProcess) show(name string) (t taskView) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.task(0, "show", name, "--json")), &t); err != nil {
		h.t.Fatal(err)
	}
	return t
}

// is waits until a task is as it should be.
func (h *hubProcess) is(name, what string, holds func(t *taskView) bool) taskView {
	h.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		t := h.show(name)
		if holds(&t) {
			return t
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s: it did not come about: %+v, run %+v\n%s", what, t, t.LastRun, h.out)
		}
	}
}

func (h *hubProcess) spec(name string, more ...string) string {
	h.t.Helper()
	h.src.Bucket("source")
	h.dst.Bucket("archive")
	return h.write(name+".yaml", fmt.Sprintf(`name: %s
labels: {team: photos}
parameters:
  srcType: S3_Compatible
  srcEndpoint: %s
  srcBucket: source
  srcCredentials: test
  destType: S3_Compatible
  destEndpoint: %s
  destBucket: archive
  destCredentials: test
  ec2CronExpression: ""
  %s
`, name, h.srcURL, h.dstURL, strings.Join(more, "\n  ")))
}

func (h *hubProcess) fill(keys ...string) {
	for _, key := range keys {
		h.src.Bucket("source").PutBytes(key, []byte("content of "+key))
	}
}

// Everything that a person does with a task, and kill -9 of the hub after every step.
func TestLifeOfATaskInAHub(t *testing.T) {
	h := newHubProcess(t)
	for i := range 200 {
		h.fill(fmt.Sprintf("photos/%04d", i))
	}
	h.fill("bad")
	h.refuse.Store(true)
	spec := h.spec("photos")
	h.again()
	made := h.task(0, "create", "-f", spec, "--paused", "--client-token", "once")
	h.again()
	if again := h.task(0, "create", "-f", spec, "--paused", "--client-token", "once"); strings.Fields(again)[0] != strings.Fields(made)[0] {
		t.Errorf("the same token made %s and %s", made, again)
	}
	h.is("photos", "it is PAUSED", func(t *taskView) bool { return t.State == "PAUSED" })
	if plan := h.task(0, "plan", "photos"); !strings.Contains(plan, "new                                 201") {
		t.Errorf("planned is\n%s", plan)
	}
	h.again()
	if n := h.dst.Bucket("archive").Len(); n != 0 {
		t.Errorf("%d objects are copied before the task is started", n)
	}
	h.task(0, "resume", "photos")
	h.again()
	done := h.is("photos", "the first run is closed", func(t *taskView) bool { return t.LastRun != nil && t.LastRun.State == "DONE" })
	if done.LastRun.Failed != 1 || done.Health != "ATTENTION" || h.dst.Bucket("archive").Len() != 200 {
		t.Errorf("after the first run it is %+v with %+v, %d objects are there", done, done.LastRun, h.dst.Bucket("archive").Len())
	}
	if objects := h.task(0, "objects", "photos"); !strings.Contains(objects, `"bad"`) || !strings.Contains(objects, "AccessDenied") {
		t.Errorf("failed are %s", objects)
	}
	if log := h.task(0, "logs", "photos", "--text", "photos/0042"); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"status":"DONE"`) {
		t.Errorf("the log of one object is %q", log)
	}
	h.refuse.Store(false)
	h.task(0, "retry", "photos", "--key", "bad")
	h.again()
	h.is("photos", "the failed object is copied", func(t *taskView) bool { return h.dst.Bucket("archive").Len() == 201 && t.Health == "HEALTHY" })
	if objects := h.task(0, "objects", "photos"); objects != "" {
		t.Errorf("failed are still %s", objects)
	}
	h.steer(spec)
	h.pauseWhileItRuns()
	h.end()
}

// pauseWhileItRuns pauses and resumes a task that goes on for ever, and kills the hub after each.
func (h *hubProcess) pauseWhileItRuns() {
	t := h.t
	t.Helper()
	h.src.Bucket("follow").PutBytes("first", []byte("1"))
	text, err := os.ReadFile(h.spec("photos follow", "pollEvery: 1s"))
	if err != nil {
		t.Fatal(err)
	}
	h.task(0, "create", "-f", h.write("follow.yaml", strings.NewReplacer("srcBucket: source", "srcBucket: follow", "destBucket: archive", "destBucket: archive\n  destPrefix: follow").Replace(string(text))))
	copied := func(key string) bool { return h.dst.Bucket("archive").Get("follow/"+key) != nil }
	h.is("photos follow", "the first object is copied", func(t *taskView) bool { return t.State == "IN_PROGRESS" && copied("first") })
	h.task(0, "pause", "photos follow")
	h.again()
	h.is("photos follow", "it is PAUSED", func(t *taskView) bool { return t.State == "PAUSED" })
	h.src.Bucket("follow").PutBytes("second", []byte("2"))
	time.Sleep(2500 * time.Millisecond) // longer than it takes to look for changes twice
	if still := h.show("photos follow"); copied("second") || still.State != "PAUSED" {
		t.Errorf("a paused task goes on: %+v, run %+v", still, still.LastRun)
	}
	h.task(0, "resume", "photos follow")
	h.again()
	h.is("photos follow", "it goes on", func(t *taskView) bool { return t.State == "IN_PROGRESS" && copied("second") })
	h.task(0, "stop", "photos follow", "--wait")
	h.task(0, "delete", "photos follow")
}

// A right that an end refuses is told by the check of a paused task: which it is, and what to grant.
func TestADeniedRightIsFoundBeforeAnythingMoves(t *testing.T) {
	h := newHubProcess(t)
	h.fill("one")
	spec := h.spec("photos")
	text, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	h.dst.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "PutObject" {
			return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	})
	h.task(0, "create", "-f", h.write("paused.yaml", string(text)), "--paused")
	h.is("photos", "it is PAUSED", func(t *taskView) bool { return t.State == "PAUSED" })
	found := h.task(3, "check", "photos")
	line := ""
	for l := range strings.Lines(found) {
		if strings.Contains(l, "denied") && strings.Contains(l, "write") {
			line = l
		}
	}
	if line == "" || !strings.Contains(found, "s3:PutObject") || !strings.Contains(found, "archive") {
		t.Errorf("the check says\n%s", found)
	}
	if n := h.dst.Bucket("archive").Len(); n != 0 {
		t.Errorf("%d objects are there", n)
	}
}

// steer edits, runs, pauses and clones the task.
func (h *hubProcess) steer(spec string) {
	t := h.t
	t.Helper()
	edited := h.spec("photos", `exclude: "*.tmp"`)
	if diff := h.task(1, "diff", "-f", edited); diff != "+ parameters.exclude: \"*.tmp\"\n" {
		t.Errorf("the difference is %q", diff)
	}
	h.task(0, "edit", "-f", edited)
	h.again()
	h.is("photos", "it is changed", func(t *taskView) bool { return t.State != "UPDATING" && mapOf(t.Parameters)["exclude"] == "*.tmp" })
	h.fill("new", "new.tmp")
	h.task(0, "run", "photos")
	h.again()
	h.is("photos", "the run by hand is closed", func(t *taskView) bool { return t.State == "DONE" && t.LastRun.Copied == 1 && t.LastRun.State == "DONE" })
	if h.dst.Bucket("archive").Get("new.tmp") != nil {
		t.Error("what the task excludes is copied")
	}
	h.write("copy.yaml", strings.Replace(h.task(0, "clone", "photos"), "destBucket: archive", "destBucket: archive\n  destPrefix: second", 1))
	h.task(0, "create", "-f", filepath.Join(h.data, "copy.yaml"))
	h.again()
	// What was copied when the hub was killed, and not on record yet, is found to be there.
	h.is("photos copy", "the copy is done", func(t *taskView) bool { return t.State == "DONE" && t.LastRun.Settled == 202 && t.LastRun.Failed == 0 })
	if r := h.task(2, "pause", "photos copy"); !strings.Contains(r, "cannot be paused") {
		t.Errorf("pausing a task that is done: %s", r)
	}
}

// end stops and deletes the tasks.
func (h *hubProcess) end() {
	t := h.t
	t.Helper()
	id := h.show("photos").ID
	h.task(0, "stop", "photos")
	h.again()
	h.is("photos", "it is STOPPED", func(t *taskView) bool { return t.State == "STOPPED" })
	h.task(0, "delete", "photos")
	h.again()
	if r := h.task(2, "show", "photos"); !strings.Contains(r, "there is no task") {
		t.Errorf("a deleted task: %s", r)
	}
	audit := h.task(0, "audit", id)
	for _, action := range []string{"created", "plan started", "resumed", "asked to retry", "edited", "run", "stopped", "deleted"} {
		if !strings.Contains(audit, action) {
			t.Errorf("the audit lacks %q:\n%s", action, audit)
		}
	}
	if list := h.task(0, "list"); !strings.Contains(list, "photos copy") || strings.Count(list, "\n") != 2 {
		t.Errorf("listed are\n%s", list)
	}
	if strings.Contains(h.out.String()+audit, "canary-of-the-hub") {
		t.Error("a secret is shown")
	}
}

// Nobody speaks to the hub who has not the token, or comes from elsewhere.
func TestHubRefusesStrangers(t *testing.T) {
	h := newHubProcess(t)
	address, err := os.ReadFile(filepath.Join(h.data, addressFile))
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(h.data, tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(h.data, tokenFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file is %v, %v", info.Mode(), err)
	}
	url := strings.TrimSpace(string(address))
	for name, c := range map[string]struct {
		path, token, host, origin string
		want                      int
	}{
		"health":           {"/healthz", "", "", "", 200},
		"with the token":   {"/graphql", strings.TrimSpace(string(token)), "", "", 200},
		"without a token":  {"/graphql", "", "", "", 401},
		"another token":    {"/graphql", "x", "", "", 401},
		"another host":     {"/graphql", strings.TrimSpace(string(token)), "evil.example.com", "", 403},
		"another origin":   {"/graphql", strings.TrimSpace(string(token)), "", "https://evil.example.com", 403},
		"its own origin":   {"/graphql", strings.TrimSpace(string(token)), "", url, 200},
		"health elsewhere": {"/healthz", "", "evil.example.com", "", 403},
		"a page is sent":   {"/tasks", strings.TrimSpace(string(token)), "", "", 405},
	} {
		method := http.MethodPost
		if c.path == "/healthz" {
			method = http.MethodGet
		}
		r, err := http.NewRequestWithContext(t.Context(), method, url+c.path, strings.NewReader(`{"query":"{ hub { version } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.host != "" {
			r.Host = c.host
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
	}
	if r := runDTH(t, "local", "--data", t.TempDir(), "--listen", "0.0.0.0:8080"); r.code != 2 || !strings.Contains(r.stderr, "loopback") {
		t.Errorf("listening to the network: %d %s", r.code, r.stderr)
	}
	if r := runDTH(t, "local", "--data", t.TempDir(), "--listen", strings.TrimPrefix(url, "http://")); r.code != 2 || !strings.Contains(r.stderr, "choose another") {
		t.Errorf("a port that is taken: %d %s", r.code, r.stderr)
	}
	h.kill()
	if r := runDTH(t, "task", "list", "--data", h.data); r.code != 3 {
		t.Errorf("a hub that does not run: %d %s", r.code, r.stderr)
	}
}

// What a person gets wrong is said with what to do, and nothing is made.
func TestMistakesWithTasks(t *testing.T) {
	h := newHubProcess(t)
	h.fill("one")
	spec := h.spec("photos")
	text, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	for wrong, want := range map[string]string{"srcCredentials: other": "secrets/other.json", "srcCredentials: test\n  destProfile: nobody": "aws configure --profile nobody"} {
		path := h.write("wrong.yaml", strings.Replace(string(text), "srcCredentials: test", wrong, 1))
		for _, how := range []string{"--validate", "--paused"} {
			if r := h.task(2, "create", "-f", path, how); !strings.Contains(r, want) {
				t.Errorf("%s with %s: %s", how, wrong, r)
			}
		}
	}
	if list := h.task(0, "list"); strings.Count(list, "\n") != 1 {
		t.Errorf("made are\n%s", list)
	}
	if r := h.task(0, "create", "-f", spec, "--wait"); !strings.Contains(r, "1 of 1 objects settled, 1 copied") || strings.Contains(r, "use ids") {
		t.Errorf("created is %s", r)
	}
	first := h.show("photos").ID
	if r := h.task(0, "create", "-f", spec, "--wait"); !strings.Contains(r, "also that of "+first) {
		t.Errorf("a second of the same name is %s", r)
	}
	if r := h.task(2, "pause", "photos"); !strings.Contains(r, "give the id") {
		t.Errorf("a name of two is taken: %s", r)
	}
	if r := h.task(2, "delete", first); !strings.Contains(r, "stop the task first") {
		t.Errorf("a task with a stack is deleted: %s", r)
	}
	h.task(0, "stop", first, "--wait")
	nowhere := h.write("nowhere.yaml", strings.NewReplacer("name: photos", "name: nowhere", "destBucket: archive", "destBucket: nosuch").Replace(string(text)))
	h.task(0, "create", "-f", nowhere)
	h.is("nowhere", "what is wrong is said", func(t *taskView) bool { return t.Health == "FAILING" && strings.Contains(t.Reason, "nosuch") })
	h.task(0, "stop", "nowhere", "--wait")
	if r := h.task(0, "delete", first); !strings.Contains(r, "deleted") {
		t.Errorf("deleting says %s", r)
	}
	if r := h.task(0, "retry", "photos", "--class", "access_denied", "--wait"); !strings.Contains(r, "0 of 0 objects") {
		t.Errorf("a retry of nothing says %s", r)
	}
}

// Whoever waits for a task does so across a restart of its hub.
func TestWaitingOutlivesTheHub(t *testing.T) {
	h := newHubProcess(t)
	address, err := os.ReadFile(filepath.Join(h.data, addressFile))
	if err != nil {
		t.Fatal(err)
	}
	h.listen = []string{"--listen", strings.TrimPrefix(strings.TrimSpace(string(address)), "http://")}
	h.fill("one", "bad")
	h.task(0, "create", "-f", h.spec("photos"), "--paused")
	waits := dth("task", "resume", "photos", "--wait", "--data", h.data)
	ended := make(chan result, 1)
	go func() { ended <- finish(t, waits) }()
	h.is("photos", "it goes on", func(t *taskView) bool { return t.State != "PAUSED" })
	h.again()
	if r := <-ended; r.code != 0 || !strings.Contains(r.stdout, "DONE") {
		t.Errorf("waiting ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
}
