package doctor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/cmd/internal/doctor"
)

// now is the hour of the servers of these tests, whose clocks go by the header Date.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func healthy(t *testing.T) *doctor.Machine {
	t.Helper()
	data := t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	return &doctor.Machine{
		Data: data, Listen: "127.0.0.1:0", Sample: func() (string, error) { return "/bin/dth-sample", nil },
		Credentials: func(context.Context) (string, error) { return "from a profile", nil },
		HTTP:        &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Now: func() time.Time { return now },
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// of returns the finding of a check.
func of(t *testing.T, m *doctor.Machine, check string) doctor.Finding {
	t.Helper()
	all := m.Examine(t.Context())
	i := slices.IndexFunc(all, func(f doctor.Finding) bool { return f.Check == check })
	if i < 0 {
		t.Fatalf("there is no check %q: %+v", check, all)
	}
	return all[i]
}

// What can be wrong with the machine itself, and what to do.
func TestMachine(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, m *doctor.Machine)
		check  string
		result doctor.Result
		says   string
		remedy string
	}{
		"a folder":                   {func(*testing.T, *doctor.Machine) {}, "data folder", doctor.OK, "free", ""},
		"a folder that is to come":   {func(_ *testing.T, m *doctor.Machine) { m.Data += "/a/b" }, "data folder", doctor.OK, "not there yet", ""},
		"a folder that is a file":    {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/f", "", 0o600); m.Data += "/f" }, "data folder", doctor.Problem, "cannot be written", "--data"},
		"a folder that others enter": {func(t *testing.T, m *doctor.Machine) { chmod(t, m.Data, 0o755) }, "data folder", doctor.Note, "others", "chmod 700"},
		"no secrets":                 {func(*testing.T, *doctor.Machine) {}, "secrets", doctor.OK, "none", ""},
		"a secret":                   {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/secrets/nas.json", "{}", 0o600) }, "secrets", doctor.OK, "1 in", ""},
		"a secret that others read":  {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/secrets/nas.json", "{}", 0o640) }, "secrets", doctor.Problem, "nas.json", "chmod 600"},
		"a token that others read":   {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/token", "t", 0o644) }, "secrets", doctor.Problem, "token", "chmod 600"},
		"a key that others read":     {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/signin/key.pem", "k", 0o604) }, "secrets", doctor.Problem, "key.pem", "chmod 600"},
		"a secret that is none":      {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/secrets/nas.json", "canary", 0o600) }, "secrets", doctor.Problem, "nas.json", "access_key_id"},
		"a secret that is null":      {func(t *testing.T, m *doctor.Machine) { write(t, m.Data+"/secrets/nas.json", "null", 0o600) }, "secrets", doctor.Problem, "nas.json", "access_key_id"},
		"a free port":                {func(*testing.T, *doctor.Machine) {}, "hub", doctor.OK, "is free", ""},
		"a hub":                      {func(t *testing.T, m *doctor.Machine) { m.Hub = serveHub(t, `{"status":"ok","version":"1.2.3"}`) }, "hub", doctor.OK, "version 1.2.3 serves", ""},
		"another program there": {func(t *testing.T, m *doctor.Machine) {
			m.Hub = serveHub(t, `<html>`)
			m.Listen = m.Hub[len("http://"):]
		}, "hub", doctor.Problem, "cannot be listened on", "--listen"},
		"a hub of before": {func(_ *testing.T, m *doctor.Machine) { m.Hub = "http://127.0.0.1:1" }, "hub", doctor.OK, "none runs", ""},
		"no sample": {func(_ *testing.T, m *doctor.Machine) {
			m.Sample = func() (string, error) { return "", errors.New("no") }
		}, "dth-sample", doctor.Note, "--sample", "make build"},
		"no skopeo":                  {func(t *testing.T, _ *doctor.Machine) { t.Setenv("PATH", t.TempDir()) }, "skopeo", doctor.Note, "images", "install"},
		"a skopeo":                   {func(t *testing.T, _ *doctor.Machine) { t.Setenv("PATH", program(t, "echo skopeo version 1.2.3")) }, "skopeo", doctor.OK, "1.2.3", ""},
		"a skopeo that breaks":       {func(t *testing.T, _ *doctor.Machine) { t.Setenv("PATH", program(t, "exit 1")) }, "skopeo", doctor.Note, "images", "install"},
		"credentials":                {func(*testing.T, *doctor.Machine) {}, "AWS credentials", doctor.OK, "from a profile", ""},
		"no credentials":             {fails(doctor.ErrNone), "AWS credentials", doctor.Note, "none", "aws configure"},
		"credentials that are wrong": {fails(errors.New("the token has expired")), "AWS credentials", doctor.Problem, "expired", "--profile"},
		"a clock without a host":     {func(*testing.T, *doctor.Machine) {}, "clock", doctor.Note, "not compared", "name an endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			m := healthy(t)
			tt.change(t, m)
			expect(t, of(t, m, tt.check), tt.result, tt.says, tt.remedy)
		})
	}
}

func expect(t *testing.T, f doctor.Finding, result doctor.Result, says, remedy string) {
	t.Helper()
	if f.Result != result || !strings.Contains(f.Says, says) || !strings.Contains(f.Remedy, remedy) || (result == doctor.OK) != (f.Remedy == "") || strings.Contains(f.Says, "canary") {
		t.Errorf("found %+v; want %s, %q, %q", f, result, says, remedy)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func fails(err error) func(*testing.T, *doctor.Machine) {
	return func(_ *testing.T, m *doctor.Machine) {
		m.Credentials = func(context.Context) (string, error) { return "", err }
	}
}

// program returns a folder with a skopeo that is a script.
func program(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "skopeo"), "#!/bin/sh\n"+script+"\n", 0o700)
	return dir
}

func serveHub(t *testing.T, answer string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	t.Cleanup(s.Close)
	return s.URL
}

// What can be wrong with an endpoint, or with the clock beside its own.
func TestEndpoints(t *testing.T) {
	var skew time.Duration
	dated := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now.Add(-skew).Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	})
	plain, secure := httptest.NewServer(dated), httptest.NewTLSServer(dated)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	timeless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	t.Cleanup(timeless.Close)
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	trusted := secure.Client().Transport
	untrusted := &http.Transport{DisableKeepAlives: true}
	for name, tt := range map[string]struct {
		address   string
		transport http.RoundTripper
		skew      time.Duration
		result    doctor.Result
		says      string
		remedy    string
		clock     doctor.Result
		told      string
	}{
		"answers":              {plain.URL, untrusted, 0, doctor.OK, "answers in", "", doctor.OK, "agrees"},
		"answers with TLS":     {secure.URL, trusted, 0, doctor.OK, "TLS 1.3", "", doctor.OK, "agrees"},
		"is a path":            {plain.URL + "/bucket?x", untrusted, 0, doctor.OK, "answers in", "", doctor.OK, "agrees"},
		"a little ahead":       {plain.URL, untrusted, 2 * time.Minute, doctor.OK, "answers in", "", doctor.Note, "2m0s ahead"},
		"far behind":           {plain.URL, untrusted, -20 * time.Minute, doctor.OK, "answers in", "", doctor.Problem, "20m0s behind"},
		"tells no time":        {timeless.URL, untrusted, 0, doctor.OK, "answers in", "", doctor.Note, "no endpoint told"},
		"of another authority": {secure.URL, untrusted, 0, doctor.Problem, "authority", "SSL_CERT_FILE", doctor.Note, ""},
		"of other names":       {"https://localhost:" + port, trusted, 0, doctor.Problem, "other names", "use one", doctor.Note, ""},
		"without TLS":          {strings.Replace(plain.URL, "http:", "https:", 1), untrusted, 0, doctor.Problem, "without TLS", "http://127", doctor.Note, ""},
		"nothing there":        {"http://127.0.0.1:1", untrusted, 0, doctor.Problem, "nothing listens", "port", doctor.Note, ""},
		"no host":              {"nosuch.invalid", untrusted, 0, doctor.Problem, "name", "name servers", doctor.Note, ""},
		"no address":           {"ftp://x", untrusted, 0, doctor.Problem, "no address", "https://HOST", doctor.Note, ""},
	} {
		t.Run(name, func(t *testing.T) {
			skew = tt.skew
			m := healthy(t)
			m.Endpoints, m.HTTP = []string{tt.address}, &http.Client{Transport: tt.transport}
			all := m.Examine(t.Context())
			expect(t, all[len(all)-1], tt.result, tt.says, tt.remedy)
			expect(t, of(t, m, "clock"), tt.clock, tt.told, "")
		})
	}
}

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		all  []doctor.Result
		want doctor.Result
	}{{nil, doctor.OK}, {[]doctor.Result{doctor.OK, doctor.Note, doctor.OK}, doctor.Note}, {[]doctor.Result{doctor.Problem, doctor.Note}, doctor.Problem}} {
		var found []doctor.Finding
		for _, r := range tt.all {
			found = append(found, doctor.Finding{Result: r})
		}
		if got := doctor.Worst(found); got != tt.want {
			t.Errorf("the worst of %v is %s", tt.all, got)
		}
	}
}
