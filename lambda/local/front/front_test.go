package front_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	client "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/datatransferhub/dth/lambda/local/front"
	"github.com/datatransferhub/dth/lambda/local/oidc"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/wiring"
)

const ownerToken = "the-token-of-the-file-of-this-hub"

// hub is a front that is served, with a real sign-in, and an API that says who asks.
type hub struct {
	t       *testing.T
	server  *httptest.Server
	front   http.Handler
	signIn  *oidc.Provider
	browser *http.Client
}

var console = fstest.MapFS{
	"index.html":              {Data: []byte("<!doctype html><title>console</title>" + strings.Repeat("<p>text</p>", 100))},
	"icon.svg":                {Data: []byte("<svg/>")},
	"assets/index-1a2b.js":    {Data: []byte(strings.Repeat("console.log(1);", 200))},
	"assets/built-1a2b.js":    {Data: []byte(strings.Repeat("console.log(2);", 200))},
	"assets/built-1a2b.js.gz": {Data: []byte("packed when it was built")},
	"assets/font-1a2b.woff2":  {Data: []byte(strings.Repeat("f", 2000))},
	".keep":                   {},
	"config.json":             {Data: []byte(`{"mode":"aws"}`)},
}

func serve(t *testing.T, files fs.FS, groups ...string) *hub {
	t.Helper()
	h := &hub{t: t}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.front.ServeHTTP(w, r) }))
	t.Cleanup(h.server.Close)
	var err error
	h.signIn, err = oidc.New(oidc.Options{
		Origin: h.server.URL, Redirects: []string{h.server.URL + "/"}, Folder: t.TempDir(), Person: oidc.Person{Subject: "1", Name: "mia", Groups: groups},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, host, _ := strings.Cut(h.server.URL, "://")
	h.front = front.New(front.Options{
		Origin: h.server.URL, Hosts: []string{host, strings.Replace(host, "127.0.0.1", "localhost", 1)}, Token: ownerToken, Owner: "owner", SignIn: h.signIn,
		Console: files, Version: "1.2.3",
		GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := task.CallerOf(r.Context())
			_, _ = io.WriteString(w, c.Name+" "+string(c.Role))
		}),
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.browser = &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(h.browser.CloseIdleConnections)
	return h
}

// ask makes a request, with headers as NAME: VALUE; Host among them.
func (h *hub) ask(method, path string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	resp, err := h.browser.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(text)
}

// settings are those of /config.json, as the console reads them.
type settings struct {
	Mode, Version, Region, Partition, Hub, API string
	SignIn                                     struct {
		Issuer, ClientID, Scope, GroupsClaim, RedirectURI, LogoutURI, LogoutEndpoint string
	}
}

func (h *hub) settings() (s settings) {
	h.t.Helper()
	_, text := h.ask(http.MethodGet, "/config.json")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	return s
}

// tokens goes the console's way, by what the configuration says alone: authorization code with PKCE.
func (h *hub) tokens() *oauth2.Token {
	h.t.Helper()
	s := h.settings()
	ctx := h.t.Context()
	p, err := client.NewProvider(ctx, s.SignIn.Issuer)
	if err != nil {
		h.t.Fatal(err)
	}
	verifier := oauth2.GenerateVerifier()
	c := oauth2.Config{ClientID: s.SignIn.ClientID, Endpoint: p.Endpoint(), RedirectURL: s.SignIn.RedirectURI, Scopes: strings.Fields(s.SignIn.Scope)}
	resp, _ := h.ask(http.MethodGet, strings.TrimPrefix(c.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), h.server.URL))
	to, err := resp.Location()
	if err != nil {
		h.t.Fatalf("no code: %s", resp.Status)
	}
	token, err := c.Exchange(ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func (h *hub) link() string {
	h.t.Helper()
	resp, text := h.ask(http.MethodPost, front.PathLink, "Authorization: Bearer "+ownerToken)
	var got struct{ Link, Ends string }
	if err := json.Unmarshal([]byte(text), &got); err != nil || !strings.HasPrefix(got.Link, h.server.URL) || got.Ends == "" {
		h.t.Fatalf("%s: %s", resp.Status, text)
	}
	return strings.TrimPrefix(got.Link, h.server.URL)
}

// A person comes by the link, and the API knows who it is by what the console was given; a role is what the groups say.
func TestSignIn(t *testing.T) {
	for _, tt := range []struct {
		groups []string
		want   string
	}{{[]string{"admin"}, "mia admin"}, {[]string{"viewer", "others"}, "mia viewer"}, {nil, "mia "}} {
		h := serve(t, console, tt.groups...)
		if resp, _ := h.ask(http.MethodGet, h.link()); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
			t.Fatalf("the link answers %s", resp.Status)
		}
		token := h.tokens()
		id, _ := token.Extra("id_token").(string)
		for how, header := range map[string]string{"bare": id, "as a bearer token": "Bearer " + id, "an access token": "bearer " + token.AccessToken} {
			if resp, who := h.ask(http.MethodPost, "/graphql", "Authorization: "+header); resp.StatusCode != http.StatusOK || who != tt.want {
				t.Errorf("%s: %s, %q, want %q", how, resp.Status, who, tt.want)
			}
		}
		other := serve(t, console, "admin")
		if resp, _ := other.ask(http.MethodPost, "/graphql", "Authorization: "+id); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a token of another hub: %s", resp.Status)
		}
		h.ask(http.MethodPost, oidc.PathSignOut)
		if resp, text := h.ask(http.MethodPost, "/graphql", "Authorization: "+id); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(text, string(task.Unauthenticated)) {
			t.Errorf("after signing out: %s %s", resp.Status, text)
		}
	}
}

// The configuration has every field of the one that a hub in the cloud writes.
func TestConfiguration(t *testing.T) {
	h := serve(t, nil)
	s := h.settings()
	at := h.server.URL
	if s.Mode != "local" || s.Version != "1.2.3" || s.API != at+"/graphql" || s.SignIn.Issuer != at+"/oidc" || s.SignIn.ClientID == "" || s.SignIn.RedirectURI != at+"/" || s.SignIn.LogoutURI != at+"/" {
		t.Errorf("it says %+v", s)
	}
	_, text := h.ask(http.MethodGet, "/config.json")
	var all struct {
		SignIn map[string]any `json:"signIn"`
	}
	var top map[string]any
	if json.Unmarshal([]byte(text), &all) != nil || json.Unmarshal([]byte(text), &top) != nil {
		t.Fatal(text)
	}
	if got := slices.Sorted(maps.Keys(top)); !slices.Equal(got, []string{"api", "hub", "mode", "partition", "region", "signIn", "version"}) {
		t.Errorf("its fields are %v", got)
	}
	if got := slices.Sorted(maps.Keys(all.SignIn)); !slices.Equal(got, []string{"clientId", "groupsClaim", "issuer", "logoutEndpoint", "logoutUri", "redirectUri", "scope"}) {
		t.Errorf("those of the sign-in are %v", got)
	}
}

// Who may speak to the hub, and who may not.
func TestRefused(t *testing.T) {
	h := serve(t, console)
	_, host, _ := strings.Cut(h.server.URL, "://")
	token := "Authorization: Bearer " + ownerToken
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"the owner's token", "POST", "/graphql", []string{token}, 200},
		{"the owner's token, by another name of this machine", "POST", "/graphql", []string{token, "Host: " + strings.Replace(host, "127.0.0.1", "LOCALHOST", 1)}, 200},
		{"from its own page", "POST", "/graphql", []string{token, "Origin: " + h.server.URL}, 200},
		{"no token", "POST", "/graphql", nil, 401},
		{"an empty token", "POST", "/graphql", []string{"Authorization: Bearer "}, 401},
		{"a part of the token", "POST", "/graphql", []string{"Authorization: Bearer " + ownerToken[1:]}, 401},
		{"another scheme", "POST", "/graphql", []string{"Authorization: Basic " + ownerToken}, 401},
		{"another host", "POST", "/graphql", []string{token, "Host: evil.example.com"}, 403},
		{"another port", "POST", "/graphql", []string{token, "Host: 127.0.0.1:1"}, 403},
		{"another origin", "POST", "/graphql", []string{token, "Origin: https://evil.example.com"}, 403},
		{"another origin of this machine", "POST", "/graphql", []string{token, "Origin: http://127.0.0.1:1"}, 403},
		{"its own origin with TLS", "POST", "/graphql", []string{token, "Origin: https://" + host}, 403},
		{"no origin at all", "POST", "/graphql", []string{token, "Origin: null"}, 403},
		{"a file for another host", "GET", "/icon.svg", []string{"Host: evil.example.com"}, 403},
		{"a sign-in for another host", "GET", "/oidc/signin", []string{"Host: evil.example.com"}, 403},
		{"tokens for another origin", "POST", "/oidc/token", []string{"Origin: https://evil.example.com"}, 403},
		{"a link without the token", "POST", front.PathLink, nil, 401},
		{"a link by looking", "GET", front.PathLink, []string{token}, 404},
		{"health", "GET", "/healthz", nil, 200},
		{"a page is sent", "POST", "/tasks", []string{token}, 405},
		{"a file that is not there", "GET", "/assets/other.js", nil, 404},
		{"a hidden file", "GET", "/.keep", nil, 404},
		{"a packed file", "GET", "/assets/built-1a2b.js.gz", nil, 404},
		{"a way out", "GET", "/assets/..%2f..%2fetc%2fpasswd.txt", nil, 404},
		{"the folder", "GET", "/assets/", nil, 200}, // is a page of the console, which says that there is none
	} {
		resp, text := h.ask(tt.method, tt.path, tt.headers...)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d: %s", tt.name, resp.Status, tt.want, text)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("X-Frame-Options") != "DENY" || resp.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: headers %v", tt.name, resp.Header)
		}
	}
}

// Whoever comes by another name of the machine is led to the one that the sign-in knows, with the way kept.
func TestOtherNameLeads(t *testing.T) {
	h := serve(t, console)
	other := "Host: " + strings.Replace(strings.TrimPrefix(h.server.URL, "http://"), "127.0.0.1", "localhost", 1)
	for _, path := range []string{"/", "/tasks/t-1?tab=runs", "/oidc/signin?link=x", "//evil.example.com/x"} {
		if resp, _ := h.ask(http.MethodGet, path, other); resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Location") != h.server.URL+path {
			t.Errorf("%s: %s, to %q", path, resp.Status, resp.Header.Get("Location"))
		}
	}
}

// How the console's files go out.
func TestFiles(t *testing.T) {
	h := serve(t, console)
	for _, tt := range []struct {
		path, accept, kind, cache, encoding string
		of                                  string
	}{
		{"/", "", "text/html; charset=utf-8", "no-store", "", "index.html"},
		{"/", "gzip, br", "text/html; charset=utf-8", "no-store", "gzip", "index.html"},
		{"/tasks/t-1", "", "text/html; charset=utf-8", "no-store", "", "index.html"},
		{"/tasks/new?type=S3", "", "text/html; charset=utf-8", "no-store", "", "index.html"},
		{"/icon.svg", "gzip", "image/svg+xml", "no-cache", "", "icon.svg"},
		{"/assets/index-1a2b.js", "", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "", "assets/index-1a2b.js"},
		{"/assets/index-1a2b.js", "br;q=1.0, gzip;q=0.8", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "gzip", "assets/index-1a2b.js"},
		{"/assets/index-1a2b.js", "gzip;q=0", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "", "assets/index-1a2b.js"},
		{"/assets/font-1a2b.woff2", "gzip", "font/woff2", "public, max-age=31536000, immutable", "", "assets/font-1a2b.woff2"},
	} {
		resp, text := h.ask(http.MethodGet, tt.path, "Accept-Encoding: "+tt.accept)
		if resp.Header.Get("Content-Encoding") == "gzip" {
			text = unpacked(t, text)
		}
		hd := resp.Header
		if resp.StatusCode != http.StatusOK || hd.Get("Content-Type") != tt.kind || hd.Get("Cache-Control") != tt.cache || hd.Get("Content-Encoding") != tt.encoding {
			t.Errorf("%s by %q: %s, %v", tt.path, tt.accept, resp.Status, hd)
		}
		if text != string(console[tt.of].Data) {
			t.Errorf("%s by %q: the content is %.60q", tt.path, tt.accept, text)
		}
		if hd.Get("Content-Security-Policy") != wiring.ContentSecurity || strings.Contains(wiring.ContentSecurity, "unsafe") {
			t.Errorf("%s: policy %q", tt.path, hd.Get("Content-Security-Policy"))
		}
		if again, text := h.ask(http.MethodGet, tt.path, "Accept-Encoding: "+tt.accept, "If-None-Match: "+hd.Get("ETag")); again.StatusCode != http.StatusNotModified || text != "" {
			t.Errorf("%s by %q, which is known: %s", tt.path, tt.accept, again.Status)
		}
	}
	if _, text := h.ask(http.MethodGet, "/assets/built-1a2b.js", "Accept-Encoding: gzip"); text != "packed when it was built" {
		t.Errorf("what was packed when it was built goes out as %.60q", text)
	}
	if resp, text := h.ask(http.MethodHead, "/tasks"); resp.StatusCode != http.StatusOK || text != "" {
		t.Errorf("HEAD: %s %q", resp.Status, text)
	}
}

func unpacked(t *testing.T, text string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// A build without a console says what to do, in both languages, and its sign-in and API work.
func TestNoConsole(t *testing.T) {
	h := serve(t, nil, "admin")
	resp, text := h.ask(http.MethodGet, "/tasks/t-1")
	if resp.StatusCode != http.StatusNotFound || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(text, "make build") || !strings.Contains(text, "控制台") {
		t.Errorf("%s: %s", resp.Status, text)
	}
	if resp, _ := h.ask(http.MethodGet, "/icon.svg"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a file: %s", resp.Status)
	}
	if resp, _ := h.ask(http.MethodGet, h.link()); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("the link: %s", resp.Status)
	}
}

// No path and no encoding makes the site fail, or give what is not a file of the console.
func FuzzSite(f *testing.F) {
	f.Add("/", "gzip")
	f.Add("/assets/../index.html", "gzip;q=x")
	f.Add("/assets/built-1a2b.js", "*;q=0.1,")
	f.Add("//%00/..", ";;=")
	signIn, err := oidc.New(oidc.Options{Origin: "http://127.0.0.1:1", Redirects: []string{"http://127.0.0.1:1/"}, Folder: f.TempDir(), Person: oidc.Person{Subject: "1", Name: "mia"}})
	if err != nil {
		f.Fatal(err)
	}
	hub := front.New(front.Options{Origin: "http://127.0.0.1:1", SignIn: signIn, Console: console, GraphQL: http.NotFoundHandler()})
	f.Fuzz(func(t *testing.T, path, accept string) {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
		r.URL = &url.URL{Path: "/" + path}
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		hub.ServeHTTP(w, r)
		if w.Code >= 500 || strings.Contains(w.Body.String(), `"aws"`) {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
	})
}
