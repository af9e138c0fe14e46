package pass_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/pass"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/registry"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/retry"
)

// canary is a password that may be nowhere but where it is needed.
const canary = "canary-4711-password"

// need skips a test on machines without the programs, and says so.
func need(t *testing.T) {
	t.Helper()
	if why := imagetest.Missing(); why != "" {
		t.Skip(why)
	}
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not on this machine (Debian: apt-get install skopeo)")
	}
}

func server(t *testing.T) *imagetest.Server {
	t.Helper()
	s, err := imagetest.Start(t.Context(), t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// door stands in front of a registry, and asks for a password. deny answers requests in its place.
type door struct {
	*httptest.Server
	deny atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func newDoor(t *testing.T, behind string) *door {
	t.Helper()
	target, err := url.Parse("http://" + behind)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "someone" || password != canary {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if deny := d.deny.Load(); deny != nil && (*deny)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) host() string { return strings.TrimPrefix(d.URL, "http://") }

func signedIn(context.Context) (image.Login, error) {
	return image.Login{User: "someone", Password: canary}, nil
}

func open(t *testing.T, host string, login func(context.Context) (image.Login, error)) *registry.Registry {
	t.Helper()
	r, err := registry.Open(host, registry.Options{Login: login})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hand is a whole transfer between two registries.
type hand struct {
	config  pass.Config
	records *recordsqlite.Records
	scratch string
	log     *lines
}

// lines keeps a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newRecords(t *testing.T) *recordsqlite.Records {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	records, err := recordsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func newHand(t *testing.T, from, to image.Registry) *hand {
	t.Helper()
	h := &hand{scratch: t.TempDir(), log: &lines{}, records: newRecords(t)}
	tool, err := skopeo.Open(t.Context(), "", h.scratch)
	if err != nil {
		t.Fatal(err)
	}
	quick := retry.Policy{Attempts: 3, Base: time.Millisecond, Cap: 10 * time.Millisecond}
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	h.config = pass.Config{
		Plan:    plan.Config{Source: from, Destination: to, Untagged: true, Referrers: true, Retry: quick, Log: log, BatchImages: 3},
		Copier:  &copier.Copier{Source: from, Destination: to, Tool: tool, Records: h.records, Referrers: true, RunID: "run1", Pause: quick, Log: log},
		Batches: 2, Prove: true,
	}
	return h
}

func (h *hand) run(t *testing.T, runID string) *pass.Result {
	t.Helper()
	h.config.Copier.RunID = runID
	r, err := pass.Run(t.Context(), h.config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fill writes repositories with tags, images for two architectures, a shared base, a signature and an SBOM with a signature of its
// own. It returns digests by repository and reference.
func fill(t *testing.T, host string) map[string]string {
	t.Helper()
	f := imagetest.Filler{Host: host, Base: 200 << 10, Layer: 4 << 10}
	all := map[string]string{}
	put := func(repository, tag string, digest string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		if tag == "" {
			tag = digest
		}
		all[repository+" "+tag] = digest
		return digest
	}
	ctx := t.Context()
	for n, repository := range []string{"team/app", "team/web", "base"} {
		for i := range 4 {
			tag := fmt.Sprintf("1.%d", i)
			digest, err := f.Write(ctx, repository, tag, uint64(10*n+i))
			put(repository, tag, digest, err)
		}
	}
	digest, err := f.WriteIndex(ctx, "team/multi", "2", 50, false)
	multi := put("team/multi", "2", digest, err)
	digest, err = f.WriteIndex(ctx, "team/multi", "odd", 60, true)
	put("team/multi", "odd", digest, err)
	digest, err = f.Refer(ctx, "team/multi", multi, "application/vnd.example.signature")
	put("team/multi", "", digest, err)
	digest, err = f.Refer(ctx, "team/multi", multi, "application/vnd.example.sbom")
	sbom := put("team/multi", "", digest, err)
	digest, err = f.Refer(ctx, "team/multi", sbom, "application/vnd.example.signature")
	put("team/multi", "", digest, err)
	return all
}

func agree(t *testing.T, to image.Registry, prefix string, all map[string]string) {
	t.Helper()
	for name, digest := range all {
		repository, reference, _ := strings.Cut(name, " ")
		d, err := to.Head(t.Context(), prefix+repository, reference)
		if err != nil || d.Digest != digest {
			t.Errorf("%s: %s at the source, %s at the destination, %v", name, digest, d.Digest, err)
		}
	}
}

// Everything arrives with its digest, a second run copies nothing, a signature that comes later is brought, and the password is in
// no argument, log or record, and in no file afterwards.
func TestTwoRegistries(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	front := newDoor(t, source.Host)
	all := fill(t, source.Host)
	to := open(t, destination.Host, nil)
	h := newHand(t, open(t, front.host(), signedIn), to)
	h.config.Plan.Prefix = "copy/"
	spied := spy(t, h)

	r := h.run(t, "run1")
	if !r.Agree() || r.Failed != 0 || r.Copied+r.Unchanged != r.Plan.Images() || r.Copied < 14 {
		t.Fatalf("first run: %+v\n%s", r, h.log)
	}
	agree(t, to, "copy/", all)
	if r = h.run(t, "run2"); !r.Agree() || r.Copied != 0 || r.Plan.Images() != 0 {
		t.Errorf("second run: %+v", r)
	}

	f := imagetest.Filler{Host: source.Host, Base: 200 << 10, Layer: 4 << 10}
	digest, err := f.Refer(t.Context(), "team/app", all["team/app 1.0"], "application/vnd.example.late")
	if err != nil {
		t.Fatal(err)
	}
	all["team/app "+digest] = digest
	if r = h.run(t, "run3"); !r.Agree() || r.Plan.Images() == 0 {
		t.Errorf("third run: %+v\n%s", r, h.log)
	}
	agree(t, to, "copy/", all)
	searchCanary(t, h, spied)
}

// spy puts a program in skopeo's place that writes down its arguments and its environment, and goes on as skopeo.
func spy(t *testing.T, h *hand) (file string) {
	t.Helper()
	real, err := exec.LookPath("skopeo")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file = filepath.Join(dir, "said")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\nenv >> %s\nexec %s \"$@\"\n", file, file, real)
	path := filepath.Join(dir, "skopeo")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	tool, err := skopeo.Open(t.Context(), path, h.scratch)
	if err != nil {
		t.Fatal(err)
	}
	h.config.Copier.Tool = tool
	return file
}

func searchCanary(t *testing.T, h *hand, spied string) {
	t.Helper()
	said, err := os.ReadFile(spied)
	if err != nil || !strings.Contains(string(said), "--src-authfile") {
		t.Fatalf("skopeo was not watched: %v", err)
	}
	page, err := h.records.List(t.Context(), "", 1000, "")
	if err != nil || len(page.Records) == 0 {
		t.Fatal(err)
	}
	records, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"arguments and environment": string(said), "log": h.log.String(), "records": string(records)} {
		if strings.Contains(text, canary) {
			t.Errorf("the password is in the %s", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(h.scratch, "auth-*")); err != nil || len(left) > 0 {
		t.Errorf("sign-ins are left: %v %v", left, err)
	}
}

// A list chooses; what it names and the source does not have is told, and stops nothing.
func TestList(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	all := fill(t, source.Host)
	h := newHand(t, open(t, source.Host, nil), open(t, destination.Host, nil))
	entries, err := imagelist.Parse("team/app:semver(>=1.2), base:1.0, team/m*:2, base@" + all["base 1.3"] + "\nbase:none, nowhere/x:ALL_TAGS, team/web:/9.*/")
	if err != nil {
		t.Fatal(err)
	}
	h.config.Plan.List = entries
	r := h.run(t, "run1")
	if r.Absent != 3 || r.Agree() || r.Named+r.Newer+r.Left != 0 || r.Failed != 0 {
		t.Errorf("%+v\n%s", r, h.log)
	}
	for _, name := range []string{"team/web 1.0", "team/multi odd", "team/app 1.1", "base 1.1", "base 1.2"} {
		repository, tag, _ := strings.Cut(name, " ")
		if _, err := h.config.Plan.Destination.Head(t.Context(), repository, tag); !failure.Is(err, failure.NotFound) {
			t.Errorf("%s was not chosen, and is there: %v", name, err)
		}
		delete(all, name)
	}
	for _, name := range []string{"team/app 1.0", "team/web 1.1", "team/web 1.2", "team/web 1.3", "base 1.3"} {
		delete(all, name)
	}
	agree(t, h.config.Plan.Destination, "", all)
}

// A moved tag is copied as it is now, and a tag that is overwritten at the destination is put right.
func TestMovedTags(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	f := imagetest.Filler{Host: source.Host, Base: 1000, Layer: 100}
	h := newHand(t, open(t, source.Host, nil), open(t, destination.Host, nil))
	for n := range 3 {
		digest, err := f.Write(t.Context(), "app", "latest", uint64(n+1))
		if err != nil {
			t.Fatal(err)
		}
		if r := h.run(t, fmt.Sprint("run", n)); !r.Agree() || r.Copied != 1 {
			t.Errorf("%+v", r)
		}
		agree(t, h.config.Plan.Destination, "", map[string]string{"app latest": digest})
	}
}

// A registry that has had enough is waited for until it says that it serves, whoever hears of it: skopeo tells no times.
func TestRateLimit(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	front := newDoor(t, source.Host)
	all := fill(t, source.Host)
	h := newHand(t, open(t, front.host(), signedIn), open(t, destination.Host, nil))
	entries, err := imagelist.Parse("base:1.0")
	if err != nil {
		t.Fatal(err)
	}
	h.config.Plan.List = entries
	var denied atomic.Int64
	var served atomic.Pointer[time.Time] // when it serves again: once we have asked it, after skopeo has given up
	deny := func(w http.ResponseWriter, r *http.Request) bool {
		ours := strings.Contains(r.UserAgent(), "data-transfer-hub")
		switch until := served.Load(); {
		case until != nil && time.Now().After(*until), until == nil && ours && denied.Load() == 0, until == nil && !ours && !strings.Contains(r.URL.Path, "/blobs/"):
			return false
		case until == nil && ours:
			at := time.Now().Add(900 * time.Millisecond)
			served.Store(&at)
		}
		denied.Add(1)
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}`))
		return true
	}
	front.deny.Store(&deny)
	r := h.run(t, "run1")
	on, err := h.records.Get(t.Context(), []record.Key{{Image: "base", Tag: "1.0"}})
	if one := on[record.Key{Image: "base", Tag: "1.0"}]; err != nil || r.Copied != 1 || one.Status != record.Done || one.Attempts < 2 || denied.Load() < 5 {
		t.Errorf("%+v %+v %v, denied %d times", r, one, err, denied.Load())
	}
	if !strings.Contains(h.log.String(), "waiting until it serves again") {
		t.Errorf("nobody is told of the wait: %s", h.log)
	}
	agree(t, h.config.Plan.Destination, "", map[string]string{"base 1.0": all["base 1.0"]})
}

// changing is a skopeo that copies something else than it was told.
type changing struct {
	copier.Tool
	destination *imagetest.Filler
}

func (c changing) Copy(ctx context.Context, _, to skopeo.End) error {
	_, err := c.destination.Write(ctx, to.Repository, to.Reference, 999)
	return err
}

// A copy with another digest is never agreement, whatever the tool says.
func TestChangedDigestIsAFailure(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	f := imagetest.Filler{Host: source.Host, Base: 1000, Layer: 100}
	if _, err := f.Write(t.Context(), "app", "1", 1); err != nil {
		t.Fatal(err)
	}
	h := newHand(t, open(t, source.Host, nil), open(t, destination.Host, nil))
	h.config.Copier.Tool = changing{h.config.Copier.Tool, &imagetest.Filler{Host: destination.Host, Base: 10, Layer: 10}}
	r := h.run(t, "run1")
	if r.Agree() || r.Failed != 1 || r.Named != 1 {
		t.Errorf("%+v", r)
	}
	on, err := h.records.List(t.Context(), record.Failed, 10, "")
	if err != nil || len(on.Records) != 1 || on.Records[0].ErrorClass != string(image.DigestChanged) || !strings.Contains(on.Records[0].ErrorMessage, "skopeo") {
		t.Errorf("%+v %v", on, err)
	}
}

// layersOf returns the digests of what only this image has: its own layer.
func layersOf(t *testing.T, at image.Registry, repository, tag string) (own string) {
	t.Helper()
	_, content, err := at.Manifest(t.Context(), repository, tag)
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(content, &m); err != nil || len(m.Layers) != 2 {
		t.Fatalf("%v: %s", err, content)
	}
	return m.Layers[1].Digest
}

// A registry that drops connections is tried three times, one that has lost a layer says so; both images are named with the reason, all
// others are copied, and the next run brings what was missing.
func TestFaults(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	front := newDoor(t, source.Host)
	all := fill(t, source.Host)
	from := open(t, front.host(), signedIn)
	h := newHand(t, from, open(t, destination.Host, nil))
	dropped, lost := layersOf(t, from, "base", "1.1"), layersOf(t, from, "team/web", "1.2")
	deny := func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, dropped):
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		case strings.HasSuffix(r.URL.Path, lost):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`))
		default:
			return false
		}
		return true
	}
	front.deny.Store(&deny)
	r := h.run(t, "run1")
	if r.Failed != 2 || r.Named != 2 || r.Left != 0 || r.Agree() {
		t.Errorf("%+v\n%s", r, h.log)
	}
	for key, want := range map[record.Key]struct {
		class    failure.Class
		attempts int
	}{{Image: "base", Tag: "1.1"}: {failure.Network, copier.Tries}, {Image: "team/web", Tag: "1.2"}: {failure.NotFound, 1}} {
		on, err := h.records.Get(t.Context(), []record.Key{key})
		if one := on[key]; err != nil || one.Status != record.Failed || one.ErrorClass != string(want.class) || one.Attempts != want.attempts || one.ErrorMessage == "" {
			t.Errorf("%s: %+v %v", key, one, err)
		}
		delete(all, key.Image+" "+key.Tag)
	}
	agree(t, h.config.Plan.Destination, "", all)
	front.deny.Store(nil)
	if r = h.run(t, "run2"); r.Copied != 2 || !r.Agree() {
		t.Errorf("%+v", r)
	}
}
