package siteconfig_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/siteconfig"
)

// site keeps what it is told, and fails at the call that breaks names.
type site struct {
	releases map[string][]byte
	files    map[string]siteconfig.File
	calls    []string
	breaks   string
}

func (s *site) call(name string) error {
	s.calls = append(s.calls, name)
	if s.breaks != "" && strings.HasPrefix(name, s.breaks) {
		return errors.New("out of order")
	}
	return nil
}

func (s *site) Get(_ context.Context, bucket, key string) ([]byte, error) {
	if err := s.call("get " + bucket + "/" + key); err != nil {
		return nil, err
	}
	if content, ok := s.releases[bucket+"/"+key]; ok {
		return content, nil
	}
	return nil, siteconfig.ErrMissing
}

func (s *site) Put(_ context.Context, _ string, f siteconfig.File) error {
	s.files[f.Key] = f
	return s.call("put " + f.Key)
}

func (s *site) Keys(context.Context, string) ([]string, error) {
	var keys []string
	for key := range s.files {
		keys = append(keys, key)
	}
	return keys, s.call("keys")
}

func (s *site) Remove(_ context.Context, _ string, keys []string) error {
	for _, key := range keys {
		delete(s.files, key)
	}
	return s.call("remove")
}

func (s *site) Invalidate(_ context.Context, distribution, token string) error {
	return s.call("invalidate " + distribution + " " + token)
}

func (s *site) Secure(_ context.Context, headers, policy string) error {
	return s.call("secure " + headers + " " + policy)
}

// bundle is a zip of files by name.
func bundle(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil && !strings.HasSuffix(name, "/") {
			_, err = w.Write([]byte("content of " + name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const released = "releases-eu-west-1/data-transfer-hub/1.2.3/console.zip"

func event(more string) customresource.Event {
	return customresource.Event{RequestId: "r1", PhysicalResourceId: "console/config.json", ResourceProperties: json.RawMessage(
		`{"ServiceToken":"x","Bucket":"console","Distribution":"E1","ReleasesBucket":"releases-eu-west-1","Version":"1.2.3","Configuration":{"api":"https://api.example.com/graphql"}` + more + `}`)}
}

// Files come before the page that names them, the configuration before the page that reads it, and copies are forgotten last.
func TestTheConsoleIsWritten(t *testing.T) {
	s := &site{files: map[string]siteconfig.File{}, releases: map[string][]byte{released: bundle(t, "index.html", "assets/app-1a2b.js", "assets/", "favicon.ico")}}
	r, err := siteconfig.Resource{Site: s}.Create(t.Context(), event(`,"HeadersPolicy":"H1","ContentSecurity":"default-src 'none'"`))
	if err != nil || r.ID != "console/config.json" || r.Note != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []string{
		"get " + released, "put assets/app-1a2b.js", "put favicon.ico", "put config.json", "put index.html",
		"secure H1 default-src 'none'", "invalidate E1 r1",
	}
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls %q, want %q", s.calls, want)
	}
	for key, want := range map[string][2]string{
		"assets/app-1a2b.js": {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"favicon.ico":        {"image/x-icon", "no-cache"},
		"index.html":         {"text/html; charset=utf-8", "no-store"},
		"config.json":        {"application/json", "no-store"},
	} {
		if f := s.files[key]; f.ContentType != want[0] || f.CacheControl != want[1] {
			t.Errorf("%s: %s, %s", key, f.ContentType, f.CacheControl)
		}
	}
	var config struct{ API string }
	if err := json.Unmarshal(s.files["config.json"].Content, &config); err != nil || config.API != "https://api.example.com/graphql" {
		t.Errorf("configuration %s: %v", s.files["config.json"].Content, err)
	}
}

// With a new version go the files that neither it has nor the version before, whose page people may have open. An update that
// changes no version removes nothing, and what cannot be tidied up is told, and fails nothing.
func TestStaleFiles(t *testing.T) {
	releases := map[string][]byte{}
	for version, asset := range map[string]string{"1.2.1": "assets/old.js", "1.2.2": "assets/before.js", "1.2.3": "assets/new.js"} {
		releases["releases-eu-west-1/data-transfer-hub/"+version+"/console.zip"] = bundle(t, "index.html", asset)
	}
	from := func(version string) customresource.Event {
		e := event("")
		e.OldResourceProperties = json.RawMessage(`{"Bucket":"console","ReleasesBucket":"releases-eu-west-1","Version":"` + version + `"}`)
		return e
	}
	for name, c := range map[string]struct {
		before       string
		breaks, note string
		stays        []string
	}{
		"the next version":        {"1.2.2", "", "", []string{"assets/before.js", "assets/new.js", "config.json", "index.html"}},
		"the same version":        {"1.2.3", "", "", []string{"assets/before.js", "assets/new.js", "assets/old.js", "config.json", "index.html"}},
		"one that is not there":   {"1.0.0", "", "1.0.0 is not published", []string{"assets/before.js", "assets/new.js", "assets/old.js", "config.json", "index.html"}},
		"a bucket that holds out": {"1.2.2", "keys", "out of order", []string{"assets/before.js", "assets/new.js", "assets/old.js", "config.json", "index.html"}},
	} {
		s := &site{releases: releases, breaks: c.breaks, files: map[string]siteconfig.File{"index.html": {}, "assets/old.js": {}, "assets/before.js": {}}}
		r, err := siteconfig.Resource{Site: s}.Update(t.Context(), from(c.before))
		if err != nil || !strings.Contains(r.Note, c.note) || c.note == "" && r.Note != "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if got := slices.Sorted(maps.Keys(s.files)); !slices.Equal(got, c.stays) {
			t.Errorf("%s: there are %q", name, got)
		}
	}
}

// Without a published console there is a page that says so; one that is there already stays.
func TestNoConsoleIsPublished(t *testing.T) {
	s := &site{files: map[string]siteconfig.File{}}
	r, err := siteconfig.Resource{Site: s}.Create(t.Context(), event(""))
	if err != nil || !strings.Contains(r.Note, "s3://"+released+" is not published") || !strings.Contains(string(s.files["index.html"].Content), "not published") {
		t.Fatalf("%+v, %v, %s", r, err, s.files["index.html"].Content)
	}
	s.files["index.html"] = siteconfig.File{Key: "index.html", Content: []byte("mine")}
	r, err = siteconfig.Resource{Site: s}.Update(t.Context(), event(""))
	if err != nil || !strings.Contains(r.Note, "stays") || string(s.files["index.html"].Content) != "mine" {
		t.Errorf("%+v, %v, %s", r, err, s.files["index.html"].Content)
	}
}

// Whatever fails, fails the deployment, and says at what.
func TestFailures(t *testing.T) {
	for breaks, want := range map[string]string{
		"get": "reading the console", "put assets": "assets/a.js", "put config": "config.json", "secure": "content security policy", "invalidate": "invalidating",
	} {
		s := &site{files: map[string]siteconfig.File{}, breaks: breaks, releases: map[string][]byte{released: bundle(t, "index.html", "assets/a.js")}}
		_, err := siteconfig.Resource{Site: s}.Create(t.Context(), event(`,"HeadersPolicy":"H1","ContentSecurity":"x"`))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%s: %v", breaks, err)
		}
	}
	for name, content := range map[string][]byte{
		"no zip": []byte("x"), "no page": bundle(t, "a.js"), "a way out": bundle(t, "index.html", "../x"), "a root": bundle(t, "index.html", "/x"),
		"the configuration": bundle(t, "index.html", "config.json"), "a duplicate": bundle(t, "index.html", "index.html"), "backslashes": bundle(t, "index.html", `a\b`),
	} {
		s := &site{files: map[string]siteconfig.File{}, releases: map[string][]byte{released: content}}
		if _, err := (siteconfig.Resource{Site: s}).Create(t.Context(), event("")); err == nil || len(s.files) > 0 {
			t.Errorf("%s: %v; %d files written", name, err, len(s.files))
		}
	}
}

func TestProperties(t *testing.T) {
	s := &site{files: map[string]siteconfig.File{}}
	for properties, want := range map[string]string{
		`{}`:   "Bucket, Configuration, Distribution, ReleasesBucket, Version",
		`nope`: "cannot be read",
		`{"Bucket":"b","Distribution":"d","ReleasesBucket":"r","Version":"v","Configuration":{}}`:                             "Configuration",
		`{"Bucket":"b","Distribution":"d","ReleasesBucket":"r","Version":"v","Configuration":{"a":"b"},"HeadersPolicy":"H1"}`: "ContentSecurity",
	} {
		_, err := siteconfig.Resource{Site: s}.Create(t.Context(), customresource.Event{ResourceProperties: json.RawMessage(properties)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", properties, err)
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("calls %q", s.calls)
	}
}

// When the stack goes, the bucket is emptied, so that it can go, too.
func TestDelete(t *testing.T) {
	s := &site{files: map[string]siteconfig.File{"index.html": {}, "assets/a.js": {}}}
	for range 2 {
		if r, err := (siteconfig.Resource{Site: s}).Delete(t.Context(), event("")); err != nil || r.ID != "console/config.json" || len(s.files) > 0 {
			t.Errorf("%+v, %v, %d files left", r, err, len(s.files))
		}
	}
}

// Whatever bytes a bundle has, either all of it is files of a console, or nothing is written.
func FuzzBundle(f *testing.F) {
	f.Add(bundle(f, "index.html", "assets/a.js"))
	f.Add(bundle(f, "index.html", "../x"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s := &site{files: map[string]siteconfig.File{}, releases: map[string][]byte{released: content}}
		if _, err := (siteconfig.Resource{Site: s}).Create(t.Context(), event("")); err != nil {
			if len(s.files) > 0 {
				t.Errorf("%v, and %d files are written", err, len(s.files))
			}
			return
		}
		for key, file := range s.files {
			if strings.HasPrefix(key, "/") || strings.HasPrefix(key, "..") || file.ContentType == "" || file.CacheControl == "" {
				t.Errorf("%q: %q, %q", key, file.ContentType, file.CacheControl)
			}
		}
	})
}
