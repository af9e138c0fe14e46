package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/image/imagetest"
)

// imagesRun runs dth images, and returns its exit code, what it printed, and its error's text.
func imagesRun(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = w
	read := make(chan string, 1)
	go func() { text, _ := io.ReadAll(r); read <- string(text) }() // the pipe is closed below
	root := newRoot()
	root.SetArgs(append([]string{"images"}, args...))
	err = root.ExecuteContext(t.Context())
	os.Stdout = before
	_ = w.Close()
	out = <-read
	var exit *command.ExitError
	if errors.As(err, &exit) {
		code = exit.Code
	} else if err != nil {
		code = -1
	}
	if err != nil {
		said = err.Error()
	}
	return code, out, said
}

// Images are planned, copied, compared, and found in agreement; what a list names in vain is told, and nothing is copied twice.
func TestImages(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not on this machine (Debian: apt-get install skopeo)")
	}
	from, to := imagetest.Plain(), imagetest.Plain()
	defer from.Close()
	defer to.Close()
	src, dst := strings.TrimPrefix(from.URL, "http://"), strings.TrimPrefix(to.URL, "http://")
	f, other := imagetest.Filler{Host: src, Base: 1000, Layer: 100}, imagetest.Filler{Host: dst, Base: 1000, Layer: 100}
	for n, tag := range []string{"1.0", "1.1", "2.0"} {
		if _, err := f.Write(t.Context(), "team/app", tag, uint64(n)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte("team/app:1.*\nteam/app:none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"plan", src, dst + "/copy"}, 0, []string{"copy  team/app 1.0", "0 the same, 3 to copy"}},
		{[]string{"verify", src, dst + "/copy"}, 1, []string{"differs  team/app 2.0"}},
		{[]string{"copy", src, dst + "/copy", "--src-image-list", "@" + list, "--json"}, 1, []string{`"copied": 2`, `"failed": 1`, "not_found"}},
		{[]string{"copy", src, dst + "/copy", "--json"}, 0, []string{`"copied": 1`, `"agree": true`}},
		{[]string{"copy", src, dst + "/copy", "--json"}, 0, []string{`"copied": 0`, `"agree": true`}},
		{[]string{"verify", src, dst + "/copy"}, 0, []string{"3 the same, 0 to copy"}},
		{[]string{"plan", src, dst + "/copy", "--delete-extraneous", "Yes", "--max-delete-share", "30"}, 0, []string{"delete  copy/team/app old", "1 only at the destination"}},
		{[]string{"verify", src, dst + "/copy", "--delete-extraneous", "Yes"}, 1, []string{"maxDeleteShare"}},
		{[]string{"copy", src, dst + "/copy", "--delete-extraneous", "Yes", "--json"}, 1, []string{`"tooMany": "deleteExtraneous would delete 1 of`, `"agree": false`}},
		{[]string{"copy", src, dst + "/copy", "--delete-extraneous", "Yes", "--max-delete-share", "30", "--json"}, 0, []string{`"deleted": 1`, `"agree": true`}},
		{[]string{"verify", src, dst + "/copy", "--delete-extraneous", "Yes"}, 0, []string{"3 the same, 0 to copy"}},
	} {
		if step.args[0] == "plan" && len(step.args) > 3 {
			if _, err := other.Write(t.Context(), "copy/team/app", "old", 9); err != nil {
				t.Fatal(err)
			}
		}
		code, out, said := imagesRun(t, step.args...)
		if code != step.code {
			t.Errorf("%v: exit code %d, want %d: %s\n%s", step.args, code, step.code, said, out)
		}
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not in\n%s", step.args, want, out)
			}
		}
	}
}

// What is wrong is told with its flag or address, and what is allowed; nothing is asked of anybody.
func TestImagesRefuse(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"one address":          {[]string{"plan", "ghcr.io"}, 2, "1 were given"},
		"no region":            {[]string{"plan", "ghcr.io", "ecr:nowhere", "--src-image-list", "a"}, 2, `DST: "ecr:nowhere"`},
		"a prefix of a source": {[]string{"plan", "ghcr.io/org", "localhost:5000"}, 2, "--src-image-list"},
		"a bad list":           {[]string{"plan", "ghcr.io", "localhost:5000", "--src-image-list", "a:b:c"}, 2, "--src-image-list"},
		"Docker Hub whole":     {[]string{"plan", "docker.io", "localhost:5000"}, 2, `SRC: "docker.io"`},
		"no such secret":       {[]string{"plan", "ghcr.io", "localhost:5000", "--src-image-list", "a", "--src-credential", "none", "--secrets", t.TempDir()}, 2, "DTH_SECRET_NONE"},
		"nobody there":         {[]string{"plan", "127.0.0.1:1", "localhost:1"}, 3, "127.0.0.1:1"},
		"no file":              {[]string{"plan", "ghcr.io", "localhost:5000", "--src-image-list", "@/none"}, 2, "/none"},
	} {
		if code, _, said := imagesRun(t, c.args...); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
	}
}

// A copy that is killed leaves its sign-ins in the one folder that every copy uses; the next one removes them.
func TestImagesAfterAKill(t *testing.T) {
	from, to := imagetest.Plain(), imagetest.Plain()
	defer from.Close()
	defer to.Close()
	src, dst := strings.TrimPrefix(from.URL, "http://"), strings.TrimPrefix(to.URL, "http://")
	f := imagetest.Filler{Host: src, Base: 100, Layer: 10}
	if _, err := f.Write(t.Context(), "app", "1", 1); err != nil {
		t.Fatal(err)
	}
	data, bin, secrets, begun := t.TempDir(), t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "begun")
	for path, text := range map[string]string{
		filepath.Join(bin, "skopeo"):       "#!/bin/sh\nif [ \"$1\" = --version ]; then echo skopeo version 1.2.3; exit 0; fi\necho $$ > " + begun + "\nexec sleep 60\n",
		filepath.Join(secrets, "nas.json"): `{"username":"someone","password":"canary-of-the-kill"}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(secrets, "nas.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := dth("images", "copy", src, dst, "--src-credential", "nas", "--secrets", secrets)
		cmd.Env = append(cmd.Env, "XDG_DATA_HOME="+data, "PATH="+bin+":"+os.Getenv("PATH"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	// copying waits until a copy is under way, and returns the process in skopeo's place.
	copying := func() *os.Process {
		for range 3000 {
			text, _ := os.ReadFile(begun) // not there yet
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				p, err := os.FindProcess(pid)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatal("nothing is copied")
		return nil
	}
	signIns := func() (found []string) {
		all, err := filepath.Glob(filepath.Join(data, "dth", "*", "auth-*", "src.json"))
		for _, path := range all {
			text, failed := os.ReadFile(path)
			if err = errors.Join(err, failed); strings.Contains(string(text), "auths") {
				found = append(found, path)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	killed := start()
	orphan := copying()
	if err := errors.Join(killed.Process.Kill(), orphan.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	left := signIns()
	if len(left) != 1 {
		t.Fatalf("what was killed has left %v", left)
	}
	if info, err := os.Stat(filepath.Dir(filepath.Dir(left[0]))); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v %v", info.Mode(), err)
	}
	if err := os.Remove(begun); err != nil {
		t.Fatal(err)
	}
	next := start()
	copying()
	if now := signIns(); len(now) != 1 || now[0] == left[0] {
		t.Errorf("while the next copies: %v", now)
	}
	if err := next.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = next.Wait() // it was told to stop
	if now := signIns(); len(now) != 0 {
		t.Errorf("afterwards: %v", now)
	}
}
