// Package doctor looks at what dth needs of a machine, and says of each finding what to do about it. It changes nothing, and asks
// no host but those that the person names, here or in the AWS configuration.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/units"
)

// Result says how a finding is to be taken.
type Result string

// The results.
const (
	OK      Result = "ok"
	Note    Result = "note"    // something does not work that not everybody needs
	Problem Result = "problem" // has to be mended
)

// Finding is what a check found.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"` // what to do; of those that are not OK
}

// Machine is what is looked at.
type Machine struct {
	Data        string // folder of the hub's records; it need not exist
	Listen      string // address of the hub
	Hub         string // address that a hub of the data folder has, or had; "": there was none
	Endpoints   []string
	Sample      func() (path string, err error)                      // finds the sample's servers
	Credentials func(ctx context.Context) (source string, err error) // says where AWS credentials come from; ErrNone
	HTTP        *http.Client                                         // asks the hub and the endpoints
	Now         func() time.Time
}

// ErrNone says that there are no credentials, which is no mistake.
var ErrNone = errors.New("there are none")

// How much room the records should have, and how many files may be open at once.
const (
	lowSpace = 1 << 30
	fewFiles = 1024
)

// patience is how long one thing is waited for.
const patience = 10 * time.Second

// Examine makes all checks.
func (m *Machine) Examine(ctx context.Context) []Finding {
	found := []Finding{m.folder(), m.private(), m.listen(ctx), openFiles(), m.sample(), skopeo(ctx), m.credentials(ctx)}
	return append(found, m.endpoints(ctx)...)
}

// folder looks whether records can be written.
func (m *Machine) folder() Finding {
	f := Finding{Check: "data folder", Result: OK, Says: m.Data}
	at := m.Data
	for { // the nearest that is there: the rest is made
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	file, err := os.CreateTemp(at, ".doctor-*")
	if err == nil {
		err = errors.Join(file.Close(), os.Remove(file.Name()))
	}
	if err != nil {
		return f.problem(fmt.Sprintf("%s cannot be written to: %v", at, err), "choose another folder with --data, or let this user write there")
	}
	if at != m.Data {
		f.Says += " (not there yet)"
	} else if info, err := os.Stat(at); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		f = f.note(fmt.Sprintf("%s: others on this machine may read the records", at), "chmod 700 "+at)
	}
	free, known := freeSpace(at)
	if !known {
		return f
	}
	f.Says += "; " + units.FormatSize(free) + " free"
	if free < lowSpace {
		return f.problem(f.Says, "make room, or choose another folder with --data: copies stop when it is full")
	}
	return f
}

func (f Finding) problem(says, remedy string) Finding {
	f.Result, f.Says, f.Remedy = Problem, says, remedy
	return f
}

func (f Finding) note(says, remedy string) Finding {
	f.Result, f.Says, f.Remedy = Note, says, remedy
	return f
}

// private looks whether secrets are their owner's alone, and can be read.
func (m *Machine) private() Finding {
	f := Finding{Check: "secrets", Result: OK}
	secrets := 0
	var open, broken []string
	for _, pattern := range []string{"token", "secrets/*.json", "signin/*"} {
		paths, _ := filepath.Glob(filepath.Join(m.Data, pattern)) // the pattern is right
		for _, path := range paths {
			info, err := os.Stat(path)
			switch {
			case errors.Is(err, fs.ErrNotExist) || (err == nil && info.IsDir()):
				continue
			case err != nil:
				broken = append(broken, path)
				continue
			case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows": // where modes say nothing
				open = append(open, path)
			}
			if pattern == "secrets/*.json" {
				secrets++
				if !isObject(path) {
					broken = append(broken, path)
				}
			}
		}
	}
	switch {
	case len(open) > 0:
		return f.problem("others on this machine may read "+strings.Join(open, ", "), "chmod 600 "+strings.Join(open, " ")+"; and change what is in it, if others use this machine")
	case len(broken) > 0:
		return f.problem("no JSON object: "+strings.Join(broken, ", "), `a secret is a file such as {"access_key_id": "...", "secret_access_key": "..."}`)
	case secrets == 0:
		f.Says = "none in " + filepath.Join(m.Data, "secrets")
	default:
		f.Says = fmt.Sprintf("%d in %s", secrets, filepath.Join(m.Data, "secrets"))
	}
	return f
}

func isObject(path string) bool {
	text, err := os.ReadFile(path)
	var object map[string]any
	return err == nil && json.Unmarshal(text, &object) == nil && object != nil
}

// listen looks whether a hub is there, or could be.
func (m *Machine) listen(ctx context.Context) Finding {
	f := Finding{Check: "hub", Result: OK}
	if m.Hub != "" {
		if version, err := m.health(ctx); err == nil {
			f.Says = fmt.Sprintf("version %s serves %s", version, m.Hub)
			return f
		}
	}
	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return f.problem(fmt.Sprintf("none runs, and %s cannot be listened on: %v", m.Listen, err), "give dth local another address, such as --listen 127.0.0.1:0 for any port that is free")
	}
	f.Says = fmt.Sprintf("none runs; %s is free", l.Addr())
	_ = l.Close()
	return f
}

func (m *Machine) health(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.Hub+"/healthz", nil)
	if err != nil {
		return "", err
	}
	resp, err := m.HTTP.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var said struct{ Status, Version string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 64<<10)).Decode(&said); err != nil || said.Status != "ok" {
		return "", fmt.Errorf("it is no hub: HTTP %d", resp.StatusCode)
	}
	return said.Version, nil
}

func openFiles() Finding {
	f := Finding{Check: "open files", Result: OK, Says: "as many as it takes"}
	limit, known := fileLimit()
	if !known {
		return f
	}
	f.Says = fmt.Sprintf("%d at once", limit)
	if limit < fewFiles {
		return f.note(f.Says+"; many copies at once need more", fmt.Sprintf("raise the limit: ulimit -n %d", fewFiles))
	}
	return f
}

func (m *Machine) sample() Finding {
	f := Finding{Check: "dth-sample", Result: OK}
	path, err := m.Sample()
	if err != nil {
		return f.note("not found: dth local --sample does not work", "put it beside dth, as releases do, or build both with make build")
	}
	f.Says = path
	return f
}

// skopeo copies images.
func skopeo(ctx context.Context) Finding {
	f := Finding{Check: "skopeo", Result: OK}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "skopeo", "--version").Output()
	if err != nil {
		return f.note("not found, or it does not start: container images cannot be copied", "install it: "+installSkopeo())
	}
	f.Says = strings.TrimSpace(strings.TrimPrefix(string(out), "skopeo version"))
	return f
}

func installSkopeo() string {
	if runtime.GOOS == "darwin" {
		return "brew install skopeo"
	}
	return "apt-get install skopeo, dnf install skopeo, or what your system has"
}

func (m *Machine) credentials(ctx context.Context) Finding {
	f := Finding{Check: "AWS credentials", Result: OK}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	source, err := m.Credentials(ctx)
	switch {
	case errors.Is(err, ErrNone):
		return f.note("none: ends on Amazon S3 need keys of their own", "aws configure, or a profile with --profile; ends elsewhere need none")
	case err != nil:
		return f.problem(err.Error(), "aws sts get-caller-identity says more; sign in again, or name another profile with --profile")
	}
	f.Says = source
	return f
}

// Worst returns the worst result of findings.
func Worst(all []Finding) Result {
	rank := map[Result]int{OK: 0, Note: 1, Problem: 2}
	worst := OK
	for _, f := range all {
		if rank[f.Result] > rank[worst] {
			worst = f.Result
		}
	}
	return worst
}
