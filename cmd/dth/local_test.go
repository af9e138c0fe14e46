package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/s3sim"
)

// said gathers what a process writes.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func taskText(name, srcURL, dstURL, bucket string) string {
	return fmt.Sprintf(`- name: %s
  schedule: once
  parameters:
    srcType: S3_Compatible
    srcEndpoint: %s
    srcBucket: %s
    srcCredentials: test
    destType: S3_Compatible
    destEndpoint: %s
    destBucket: %s
    destCredentials: test
`, name, srcURL, bucket, dstURL, bucket)
}

// Two tasks, killed with -9 again and again, then left alone: everything is copied once more only where it was under way,
// and a third task is added while they run.
func TestLocalTasksSurviveKills(t *testing.T) {
	slow := func(s3sim.Call) s3sim.Fault { return s3sim.Fault{Latency: 2 * time.Millisecond} }
	src, dst := s3sim.New(s3sim.Options{Fault: slow}), s3sim.New(s3sim.Options{Fault: slow})
	srcURL, err := src.Start()
	if err != nil {
		t.Fatal(err)
	}
	dstURL, err := dst.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close(); dst.Close() })
	const objects = 6000
	for _, name := range []string{"one", "two", "three"} {
		dst.Bucket(name)
		for i := range objects {
			src.Bucket(name).PutBytes(fmt.Sprintf("%s/%05d", name, i), []byte(name+fmt.Sprint(i)))
		}
	}
	data := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secrets/test.json", `{"access_key_id":"test","secret_access_key":"test"}`, 0o600)
	two := "tasks:\n" + taskText("one", srcURL, dstURL, "one") + taskText("two", srcURL, dstURL, "two")
	file := write("tasks.yaml", two, 0o600)
	there := func() int { return dst.Bucket("one").Len() + dst.Bucket("two").Len() + dst.Bucket("three").Len() }
	until := func(what string, out *said, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: it did not come about\n%s", what, out)
			}
		}
	}
	if r := runDTH(t, "local", "--tasks", file, "--data", data, "--check"); r.code != 0 || strings.Count(r.stderr, "both ends can be reached") != 2 {
		t.Errorf("--check: exit code %d\n%s", r.code, r.stderr)
	}
	for range 4 {
		var out said
		cmd := dth("local", "--tasks", file, "--data", data)
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := there()
		until("some objects are copied", &out, func() bool { return there() >= before+500 })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	var out said
	cmd := dth("local", "--tasks", file, "--data", data)
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until("it says where its records are", &out, func() bool { return strings.Contains(out.String(), "records are kept") })
	if r := runDTH(t, "local", "--tasks", file, "--data", data); r.code != 2 || !strings.Contains(r.stderr, "in use by another dth local") {
		t.Errorf("a second one beside it: exit code %d\n%s", r.code, r.stderr)
	}
	write("tasks.yaml", "tasks: [", 0o600)
	_ = cmd.Process.Signal(syscall.SIGHUP)
	until("a bad file is refused", &out, func() bool { return strings.Contains(out.String(), "the tasks go on as they were") })
	write("tasks.yaml", two+taskText("three", srcURL, dstURL, "three"), 0o600)
	_ = cmd.Process.Signal(syscall.SIGHUP)
	until("all three agree", &out, func() bool { return strings.Count(out.String(), "compared again and agree") == 3 })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 143 {
		t.Errorf("exit code %d on SIGTERM", cmd.ProcessState.ExitCode())
	}
	for _, want := range []string{"one: run", "two: run", "three: run"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it did not say %q", want)
		}
	}
	if strings.Count(out.String(), fmt.Sprintf("copied %d objects", objects)) != 3 {
		t.Errorf("each run copied %d objects, it says\n%s", objects, &out)
	}
	if there() != 3*objects {
		t.Errorf("%d objects are there", there())
	}
	puts := dst.Stats().Operations["PutObject"]
	t.Logf("%d puts for %d objects, after four kills", puts, 3*objects)
	if most := int64(3*objects + 4*2*1500); puts > most {
		t.Errorf("%d objects were put %d times", 3*objects, puts)
	}
}

func TestLocalBadInput(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("tasks:\n- name: a\n  parameters: {srcBucket: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--once"}, "give --tasks FILE"},
		{[]string{"--check"}, "give --tasks FILE"},
		{[]string{"--tasks", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"--tasks", bad}, "destBucket"},
		{[]string{"--sample", "--every", "1ms"}, "1s or more"},
	} {
		if r := runDTH(t, append([]string{"local", "--data", dir}, c.args...)...); r.code != 2 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit code %d, %s", c.args, r.code, r.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "dth.db")); err == nil {
		t.Error("something was made before the input was found bad")
	}
}

// A disk that is full under the records stops the copy with a clear error and loses nothing: with more room the same
// command goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "dth-test", dir).CombinedOutput(); err != nil {
		t.Skipf("a disk of 1 MiB cannot be mounted here, which takes root: %v %s", err, bytes.TrimSpace(out))
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	src, dst, flags := stores(t, s3sim.Options{}, s3sim.Options{})
	const objects = 8000
	for i := range objects {
		src.Bucket("src").PutBytes(fmt.Sprintf("folder/%06d", i), []byte(fmt.Sprint(i)))
	}
	args := append([]string{"copy", "--json", "--state", filepath.Join(dir, "state.db")}, flags...)
	r := runDTH(t, args...)
	if r.code == 0 || !strings.Contains(r.stderr, "no room") {
		t.Errorf("with a full disk: exit code %d\n%s", r.code, r.stderr)
	}
	if out, err := exec.Command("mount", "-o", "remount,size=200m", dir).CombinedOutput(); err != nil {
		t.Fatalf("making room: %v %s", err, out)
	}
	if r = runDTH(t, args...); r.code != 0 || dst.Bucket("dst").Len() != objects || r.left() != 0 {
		t.Errorf("with room again: exit code %d, %d of %d objects are there\n%s", r.code, dst.Bucket("dst").Len(), objects, r.stderr)
	}
}
