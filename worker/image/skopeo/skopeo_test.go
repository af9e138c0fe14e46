package skopeo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// fake is a program in skopeo's place, which says its version, and otherwise runs a script.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "skopeo")
	text := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo skopeo version 1.2.3; exit 0; fi\n" + script
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func end(reference, password string) End {
	return End{Host: "registry.example.com", Repository: "team/app", Reference: reference, Login: image.Login{User: "someone", Password: password}}
}

// Sign-ins go by files that only their owner reads, which are gone afterwards; nothing of them is in arguments or the environment.
func TestSignInsAreFiles(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-environment")
	said := filepath.Join(t.TempDir(), "said")
	tool, err := Open(t.Context(), fake(t, `echo "$@" > `+said+`; env >> `+said+`; while [ $# -gt 0 ]; do case "$1" in --*-authfile) stat -c %a "$2" >> `+said+`;; esac; shift; done`), scratch)
	if err != nil || tool.Version() != "1.2.3" {
		t.Fatalf("%v %v", tool, err)
	}
	if err := tool.Copy(t.Context(), end("1", "canary-one"), end("2", "canary-two")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(said)
	if err != nil || strings.Contains(string(text), "canary") || strings.Count(string(text), "\n600") != 2 || !strings.Contains(string(text), "docker://registry.example.com/team/app:1 ") {
		t.Errorf("%v: %s", err, text)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, folderPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// This machine's own settings of policies and signatures never matter: each copy has a policy that takes everything, since digests are
// what is believed, and an empty folder of places for signatures.
func TestSettingsOfTheMachineDoNotMatter(t *testing.T) {
	scratch := t.TempDir()
	said := filepath.Join(t.TempDir(), "said")
	tool, err := Open(t.Context(), fake(t, `echo "$@" > `+said+`; touch "$TMPDIR/layer"`), scratch)
	if err != nil {
		t.Fatal(err)
	}
	if err := tool.Copy(t.Context(), end("1", ""), end("2", "")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(said)
	policy, places := filepath.Join(scratch, "policy.json"), filepath.Join(scratch, "registries.d")
	if err != nil || !strings.HasPrefix(string(text), "--policy "+policy+" --registries.d "+places+" copy ") {
		t.Errorf("%v: %s", err, text)
	}
	if content, err := os.ReadFile(policy); err != nil || string(content) != `{"default":[{"type":"insecureAcceptAnything"}]}` {
		t.Errorf("%v: %s", err, content)
	}
	if content, err := os.ReadDir(places); err != nil || len(content) > 0 {
		t.Errorf("%v: %v", err, content)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "*", "layer")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

// dying is set in the process that TestKilled kills, to its scratch folder.
const dying = "DTH_TEST_DYING"

// A process that is killed in the middle of a copy leaves its sign-ins; the next one that opens the same folder removes them.
func TestKilled(t *testing.T) {
	if scratch := os.Getenv(dying); scratch != "" {
		tool, err := Open(t.Context(), os.Getenv(dying+"_TOOL"), scratch)
		if err != nil {
			t.Fatal(err)
		}
		t.Fatal(tool.Copy(t.Context(), end("1", "canary-one"), end("2", "canary-two")))
	}
	scratch, begun := t.TempDir(), filepath.Join(t.TempDir(), "begun")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), dying+"="+scratch, dying+"_TOOL="+fake(t, "echo $$ > "+begun+"; exec sleep 60"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for deadline := time.Now().Add(30 * time.Second); len(text) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(begun) // not there yet
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		p, err := os.FindProcess(pid)
		if err == nil {
			_ = p.Kill() // what stands in skopeo's place has outlived it
		}
	}
	files := func() []string {
		all, err := filepath.Glob(filepath.Join(scratch, folderPrefix+"*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if len(files()) != 2 {
		t.Fatalf("what was killed has left %v", files())
	}
	if _, err := Open(t.Context(), fake(t, "exit 0"), scratch); err != nil {
		t.Fatal(err)
	}
	if left := files(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a process that was killed has left is removed by the next; what one that lives uses is not.
func TestSignInsOfTheDeadAreRemoved(t *testing.T) {
	scratch := t.TempDir()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(scratch, folderPrefix+strconv.Itoa(gone.Process.Pid)+"-1")
	alive := filepath.Join(scratch, folderPrefix+strconv.Itoa(os.Getppid())+"-1")
	for _, dir := range []string{dead, alive} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), fake(t, "exit 0"), scratch); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("what the dead left is there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("what a living process uses is gone: %v", err)
	}
}

// What skopeo says is sorted, told without its frame, and holds no password.
func TestWhatSkopeoSays(t *testing.T) {
	for said, want := range map[string]failure.Class{
		`time="2026-11-24T01:02:03Z" level=fatal msg="initializing source docker://x: reading manifest 1 in x: manifest unknown: manifest unknown"`:            failure.NotFound,
		`level=fatal msg="copying system image from manifest list: writing blob: uploading layer chunked: connection reset by peer"`:                           failure.Network,
		`level=fatal msg="Error parsing manifest: toomanyrequests: You have reached your pull rate limit"`:                                                     failure.Throttled,
		`level=fatal msg="trying to reuse blob: checking whether a blob exists: unauthorized: authentication required"`:                                        failure.BadCredentials,
		`level=fatal msg="writing manifest: uploading manifest 1: denied: requested access to the resource is denied"`:                                         failure.AccessDenied,
		`level=fatal msg="copying image: Manifest list must be converted to type X, but we cannot modify it: 'Instructed to preserve digests'"`:                image.DigestChanged,
		`level=fatal msg="writing manifest: The image tag '1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable."`: image.Immutable,
		`level=fatal msg="reading blob: Digest did not match, expected sha256:a, got sha256:b"`:                                                                failure.Checksum,
		`level=fatal msg="pinging container registry x: received unexpected HTTP status: 503 Service Unavailable"`:                                             failure.Server,
		`level=fatal msg="pinging container registry x: Get \"https://x/v2/\": dial tcp: lookup x: no such host"`:                                              failure.Network,
		`something that nobody has seen, with secret-two in it`:                                                                                                failure.Other,
	} {
		script := "cat >&2 <<'END'\n" + said + "\nEND\nexit 1"
		tool, err := Open(t.Context(), fake(t, script), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		err = tool.Copy(t.Context(), end("1", "secret-one"), end("2", "secret-two"))
		if failure.ClassOf(err) != want || strings.Contains(err.Error(), "secret-two") || strings.Contains(err.Error(), "level=") {
			t.Errorf("%s: %s: %v", said, failure.ClassOf(err), err)
		}
	}
}

func TestWithoutSkopeo(t *testing.T) {
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir())
	if failure.ClassOf(err) != image.NoSkopeo || !strings.Contains(err.Error(), "install") {
		t.Errorf("%v", err)
	}
}
