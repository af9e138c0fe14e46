package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sandbox is a machine as the scripts see it: folders below a temporary one; programs of the system that note how they are
// called; S3, the instance metadata and CloudFormation played by a local server.
type sandbox struct {
	t      *testing.T
	root   string
	server *httptest.Server

	mu       sync.Mutex
	engine   string // what the bucket holds
	broken   int    // how many downloads fail
	nameless bool   // the instance's id is not told
	tags     map[string]string
	signals  []map[string]string
}

// The programs that the scripts call. Those of the network go to the local server; what they do is theirs, not the test's.
var stubs = map[string]string{
	"aws": `echo "aws $*" >>"$ROOT/calls"
case "$1 $2" in
"s3 cp") /usr/bin/curl -sS --fail -o "$7" "$SERVER/s3/${6#s3://}" ;;
esac`,
	"curl": `args=()
for a in "$@"; do args+=("${a/http:\/\/169.254.169.254/$SERVER\/imds}"); done
exec /usr/bin/curl "${args[@]}"`,
	"systemctl": `echo "systemctl $*" >>"$ROOT/calls"
case "$*" in "is-active "*) test -e "$ROOT/active" ;; esac`,
	"sleep": `echo "sleep $*" >>"$ROOT/calls"`,
}

func newSandbox(t *testing.T, engine string) *sandbox {
	t.Helper()
	if _, err := os.Stat("/usr/bin/curl"); err != nil {
		t.Skip("skipped: the scripts of instances need curl; install curl")
	}
	s := &sandbox{t: t, root: t.TempDir(), engine: engine}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	for _, dir := range []string{"bin", "opt", "etc/systemd/system"} {
		s.must(os.MkdirAll(filepath.Join(s.root, dir), 0o755))
	}
	for name, body := range stubs {
		s.must(os.WriteFile(filepath.Join(s.root, "bin", name), []byte("#!/bin/bash\n"+body+"\n"), 0o755))
	}
	s.write("active", "")
	return s
}

func (s *sandbox) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// set changes what the server answers.
func (s *sandbox) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// told are the signals that CloudFormation got.
func (s *sandbox) told() []map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.signals)
}

func (s *sandbox) write(name, text string) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o644))
}

// read returns a file, nothing when there is none.
func (s *sandbox) read(name string) string {
	text, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return ""
	}
	return string(text)
}

func (s *sandbox) calls() []string {
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(s.read("calls"), s.root, "")), "\n")
}

func (s *sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch path := r.URL.Path; {
	case path == "/s3/files/v1/engine" && s.broken > 0:
		s.broken--
		w.WriteHeader(http.StatusServiceUnavailable)
	case path == "/s3/files/v1/engine":
		_, _ = io.WriteString(w, s.engine)
	case path == "/imds/latest/api/token" && r.Method == http.MethodPut:
		_, _ = io.WriteString(w, "token")
	case strings.HasPrefix(path, "/imds/") && r.Header.Get("X-aws-ec2-metadata-token") != "token":
		w.WriteHeader(http.StatusUnauthorized)
	case path == "/imds/latest/meta-data/instance-id" && s.nameless:
		w.WriteHeader(http.StatusInternalServerError)
	case path == "/imds/latest/meta-data/instance-id":
		_, _ = io.WriteString(w, "i-0123456789abcdef0")
	case strings.HasPrefix(path, "/imds/latest/meta-data/tags/instance/") && s.tags[filepath.Base(path)] != "":
		_, _ = io.WriteString(w, s.tags[filepath.Base(path)])
	case path == "/handle" && r.Method == http.MethodPut:
		var signal map[string]string
		if err := json.NewDecoder(r.Body).Decode(&signal); err != nil {
			s.t.Errorf("CloudFormation cannot read the signal: %v", err)
		}
		s.signals = append(s.signals, signal)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// boot runs the script of an instance. sum is the hash that the template pins; "" is the right one.
func (s *sandbox) boot(kind, sum string) (code int, output string) {
	s.t.Helper()
	if sum == "" {
		h := sha256.Sum256([]byte(s.engine)) // no request is under way
		sum = hex.EncodeToString(h[:])
	}
	var variables []variable
	for _, v := range [][2]string{
		{"stack", "task"},
		{"region", "eu-west-1"},
		{"program", "engine"},
		{"bucket", "files"},
		{"key", "v1/engine"},
		{"sha256", sum},
		{"config", "ssm:/dth/task"},
		{"logs", "/dth/task/logs"},
		{"handle", s.server.URL + "/handle"},
		{"group", "task-workers"},
		{"boot", "boot"},
		{"drain", "drain"},
	} {
		variables = append(variables, variable{v[0], &v[1]})
	}
	return s.run("/bin/bash", "-c", s.moved(script(kind, variables)))
}

// moved lets a script work below the sandbox's root.
func (s *sandbox) moved(text string) string {
	for _, dir := range []string{"/opt/dth", "/etc/systemd/system"} {
		text = strings.ReplaceAll(text, dir, s.root+dir)
	}
	return text
}

func (s *sandbox) run(name string, args ...string) (code int, output string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + s.root + "/bin:/usr/bin:/bin", "ROOT=" + s.root, "SERVER=" + s.server.URL}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

const goodEngine = "#!/bin/bash\necho \"engine $*\" >>\"$ROOT/calls\"\n"

// logged is how a program is told to ship its log: to a stream of its instance, over a spool that outlives the process.
const logged = "--log-group /dth/task/logs --log-stream i-0123456789abcdef0 --log-spool /var/lib/dth/log"

func TestFinderBoots(t *testing.T) {
	s := newSandbox(t, goodEngine)
	s.set(func() { s.broken = 2 })
	code, out := s.boot("finder", "")
	calls := s.calls()
	for _, want := range []string{
		"aws s3 cp --only-show-errors --region eu-west-1 s3://files/v1/engine /opt/dth/engine.new",
		"engine --config ssm:/dth/task --check --no-probe", "systemctl daemon-reload", "systemctl start dth-finder.service",
	} {
		if !slices.Contains(calls, want) {
			t.Errorf("%q was not called", want)
		}
	}
	if code != 0 || len(s.told()) != 1 || s.told()[0]["Status"] != "SUCCESS" || s.told()[0]["UniqueId"] != "i-0123456789abcdef0" {
		t.Errorf("exit code %d, signals %v\n%s\n%q", code, s.told(), out, calls)
	}
	unit := s.read("etc/systemd/system/dth-finder.service")
	for _, want := range []string{"/opt/dth/pass " + s.root + "/opt/dth/engine --config ssm:/dth/task " + logged + " --holder i-0123456789abcdef0 --close-empty --auto-scaling-group task-workers\n", "ExecStopPost=+/usr/bin/systemctl --no-block poweroff\n", "DynamicUser=yes\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit does not say %q:\n%s", want, unit)
		}
	}
}

// What the template did not pin is never started, and the instance does not stay.
func TestWrongEngineIsRefused(t *testing.T) {
	for kind, ends := range map[string]string{"finder": "systemctl --no-block poweroff", "worker": "ABANDON"} {
		for name, prepare := range map[string]func(*sandbox) (sum string){
			"other content": func(*sandbox) string { return strings.Repeat("0", 64) },
			"no content":    func(s *sandbox) string { s.set(func() { s.engine = "" }); return strings.Repeat("0", 64) },
			"unreachable":   func(s *sandbox) string { s.set(func() { s.broken = 99 }); return "" },
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				s := newSandbox(t, goodEngine)
				code, out := s.boot(kind, prepare(s))
				calls := strings.Join(s.calls(), "\n")
				if code == 0 || !strings.Contains(calls, ends) {
					t.Errorf("exit code %d, %q was not called:\n%s\n%s", code, ends, calls, out)
				}
				if strings.Contains(calls, "engine --config") || strings.Contains(calls, " start ") || strings.Contains(calls, "enable") || s.read("opt/dth/engine") != "" {
					t.Errorf("something was started or is in place:\n%s", calls)
				}
				if kind == "finder" && (len(s.told()) != 1 || s.told()[0]["Status"] != "FAILURE") {
					t.Errorf("signals %v", s.told())
				}
			})
		}
	}
}

// Whatever does not work on the way, the stack or the group is told, once.
func TestWhatBreaksIsTold(t *testing.T) {
	for kind, ends := range map[string]string{"finder": "systemctl --no-block poweroff", "worker": strings.Replace(continued, "CONTINUE", "ABANDON", 1)} {
		for _, program := range []string{"install", "chmod", "mv", "instance-id"} {
			t.Run(kind+" "+program, func(t *testing.T) {
				s := newSandbox(t, goodEngine)
				s.write("bin/"+program, "#!/bin/bash\nexit 1\n")
				s.must(os.Chmod(filepath.Join(s.root, "bin", program), 0o755))
				s.set(func() { s.nameless = program == "instance-id" })
				if s.nameless {
					ends = strings.ReplaceAll(ends, "i-0123456789abcdef0", "")
				}
				code, out := s.boot(kind, "")
				told := 0
				for _, call := range s.calls() {
					if call == ends {
						told++
					}
				}
				if code == 0 || told != 1 {
					t.Errorf("exit code %d, %q was called %d times:\n%q\n%s", code, ends, told, s.calls(), out)
				}
				if kind == "finder" && (len(s.told()) != 1 || s.told()[0]["Status"] != "FAILURE") {
					t.Errorf("signals %v", s.told())
				}
				if kind == "finder" && !slices.Contains(s.calls(), alarmed) {
					t.Errorf("no alarm: %q", s.calls())
				}
			})
		}
	}
}

const alarmed = "aws cloudwatch put-metric-data --region eu-west-1 --namespace DataTransferHub --metric-name FailedPasses --dimensions StackName=task --value 1"

// What an instance does is in its tags, which nothing but names may come from.
func TestFinderDoesWhatItsTagsSay(t *testing.T) {
	for _, tt := range []struct {
		tags map[string]string
		want string // behind the configuration; "": refused
	}{
		{nil, " --close-empty --auto-scaling-group task-workers"},
		{map[string]string{"DthMode": "pass"}, " --close-empty --auto-scaling-group task-workers"},
		{map[string]string{"DthMode": "pass", "DthRun": "20260101T000000Z-1.x"}, " --close-empty --auto-scaling-group task-workers --run-id 20260101T000000Z-1.x"},
		{map[string]string{"DthMode": "close", "DthRun": "next"}, " --close next"},
		{map[string]string{"DthMode": "plan"}, " --plan"},
		{map[string]string{"DthMode": "check"}, " --check"},
		{map[string]string{"DthMode": "check", "DthRequest": "r-1"}, " --check --answer r-1"},
		{map[string]string{"DthMode": "plan", "DthRequest": "r-2"}, " --plan --answer r-2"},
		{map[string]string{"DthMode": "plan", "DthRequest": "x; reboot"}, ""},
		{map[string]string{"DthMode": "close", "DthRun": "x; reboot"}, ""},
		{map[string]string{"DthMode": "close", "DthRun": "x\nExecStart=/bin/sh"}, ""},
	} {
		s := newSandbox(t, goodEngine)
		s.set(func() { s.tags = tt.tags })
		code, out := s.boot("finder", "")
		unit := s.read("etc/systemd/system/dth-finder.service")
		if tt.want == "" && (code == 0 || unit != "") || tt.want != "" && !strings.Contains(unit, "--config ssm:/dth/task "+logged+" --holder i-0123456789abcdef0"+tt.want+"\n") {
			t.Errorf("%v: exit code %d, unit:\n%s\n%s", tt.tags, code, unit, out)
		}
	}
}

func TestFinderSaysWhatIsWrong(t *testing.T) {
	s := newSandbox(t, "#!/bin/bash\n[ \"$3\" != --check ] || { printf 'source: \"access\" denied\\nsee srcCredentials\\\\\\n' >&2; exit 3; }\n")
	code, out := s.boot("finder", "")
	if code != 0 || len(s.told()) != 1 || s.told()[0]["Status"] != "FAILURE" || !strings.Contains(s.told()[0]["Reason"], "access  denied see srcCredentials") {
		t.Errorf("exit code %d, signals %q\n%s", code, s.told(), out)
	}
	if !slices.Contains(s.calls(), "systemctl start dth-finder.service") {
		t.Error("the pass that puts the failure on record was not made")
	}
}

func TestPass(t *testing.T) {
	for _, tt := range []struct {
		name, engine string
		code, tries  int
		mode         string
		alarm        bool
	}{
		{"done", "exit 0", 0, 1, "pass", false},
		{"failed", "exit 3", 3, 1, "pass", true},
		{"killed once", `[ "$(wc -l <"$ROOT/calls")" -gt 1 ] || kill -9 $$`, 0, 2, "pass", false},
		{"killed always", "kill -9 $$", 137, 3, "pass", true},
		{"closed with failed objects", "exit 1", 1, 1, "close", false},
		{"not closed", "exit 3", 3, 1, "close", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSandbox(t, goodEngine)
			s.set(func() { s.tags = map[string]string{"DthMode": tt.mode, "DthRun": "r"} })
			if code, out := s.boot("finder", ""); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			s.must(os.Remove(filepath.Join(s.root, "calls")))
			engine := filepath.Join(s.root, "opt/dth/engine")
			s.must(os.WriteFile(engine, []byte(goodEngine+tt.engine+"\n"), 0o755))
			code, out := s.run(filepath.Join(s.root, "opt/dth/pass"), engine, "--config", "x")
			tries := 0
			for _, call := range s.calls() {
				if call == "engine --config x" {
					tries++
				}
			}
			if code != tt.code || tries != tt.tries || slices.Contains(s.calls(), alarmed) != tt.alarm {
				t.Errorf("exit code %d after %d tries, want %d after %d; calls %q\n%s", code, tries, tt.code, tt.tries, s.calls(), out)
			}
		})
	}
}

const continued = "aws autoscaling complete-lifecycle-action --region eu-west-1 --auto-scaling-group-name task-workers --lifecycle-hook-name boot --instance-id i-0123456789abcdef0 --lifecycle-action-result CONTINUE"

func TestWorkerBoots(t *testing.T) {
	s := newSandbox(t, goodEngine)
	code, out := s.boot("worker", "")
	calls := s.calls()
	if code != 0 || calls[len(calls)-1] != continued || !slices.Contains(calls, "systemctl enable --now dth-worker.service") {
		t.Errorf("exit code %d, calls %q\n%s", code, calls, out)
	}
	if unit := s.read("etc/systemd/system/dth-worker.service"); !strings.Contains(unit, "Restart=always\n") || !strings.Contains(unit, "--config ssm:/dth/task "+logged+" --auto-scaling-group task-workers --lifecycle-hook drain\n") {
		t.Errorf("unit:\n%s", unit)
	}
}

func TestWorkerThatEndsAtOnceIsGivenUp(t *testing.T) {
	s := newSandbox(t, goodEngine)
	s.must(os.Remove(filepath.Join(s.root, "active")))
	code, out := s.boot("worker", "")
	calls := s.calls()
	if code == 0 || calls[len(calls)-1] != strings.Replace(continued, "CONTINUE", "ABANDON", 1) {
		t.Errorf("exit code %d, calls %q\n%s", code, calls, out)
	}
}

// Every script is accepted by the shell that will read it.
func TestScriptsAreShell(t *testing.T) {
	files, err := filepath.Glob("boot/*.sh")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if out, err := exec.Command("/bin/bash", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
