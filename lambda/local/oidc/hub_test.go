package oidc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/datatransferhub/dth/lambda/local/oidc"
)

// aKey is a signing key that tests share, since making one takes a while.
var aKey = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "dth-oidc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := oidc.New(options("http://127.0.0.1:8080", dir)); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "key.pem"))
})

func options(origin, folder string) oidc.Options {
	return oidc.Options{
		Origin: origin, Redirects: []string{origin + "/"}, Folder: folder,
		Person: oidc.Person{Subject: "1000", Name: "mia", Email: "mia@example.com", Groups: []string{"admin"}},
	}
}

// clock is set by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// log is what a provider has told.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// hub is a provider that is served, as a browser and a client see it.
type hub struct {
	t        *testing.T
	server   *httptest.Server
	options  oidc.Options
	provider *oidc.Provider
	clock    *clock
	log      *log
	browser  *http.Client // does not follow what leads to the client
}

// serve serves a provider, with TLS when it is to take a password.
func serve(t *testing.T, password string) *hub {
	t.Helper()
	h := &hub{t: t, clock: &clock{now: time.Now()}, log: &log{}}
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.provider.ServeHTTP(w, r) }))
	if password == "" {
		h.server.Start()
	} else {
		h.server.StartTLS()
	}
	t.Cleanup(h.server.Close)
	h.options = options(h.server.URL, t.TempDir())
	h.options.Now = h.clock.Now
	h.options.Log = slog.New(slog.NewTextHandler(h.log, nil))
	if password != "" {
		path := filepath.Join(h.options.Folder, "password")
		if err := oidc.WritePassword(path, password); err != nil {
			t.Fatal(err)
		}
		var err error
		if h.options.Password, err = oidc.OpenPassword(path); err != nil {
			t.Fatal(err)
		}
	}
	key, err := aKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.options.Folder, "key.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart()
	h.browser = h.newBrowser()
	return h
}

// restart opens the provider anew, as a start of the hub does.
func (h *hub) restart() {
	h.t.Helper()
	var err error
	if h.provider, err = oidc.New(h.options); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	b := *h.server.Client()
	b.Jar = jar
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &b
}

func (h *hub) get(address string) *http.Response {
	h.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = h.server.URL + address
	}
	r, err := h.browser.Get(address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { r.Body.Close() })
	return r
}

func (h *hub) post(path string, form url.Values) *http.Response {
	h.t.Helper()
	r, err := h.browser.PostForm(h.server.URL+path, form)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { r.Body.Close() })
	return r
}

func (h *hub) signIn() {
	h.t.Helper()
	address, _ := h.provider.NewLink()
	if r := h.get(address); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/" {
		h.t.Fatalf("the link answers %s, %q", r.Status, r.Header.Get("Location"))
	}
}

// rp is the independent client of the tests.
type rp struct {
	context  context.Context
	provider *client.Provider
	oauth    oauth2.Config
	verifier string
}

func (h *hub) rp() *rp {
	h.t.Helper()
	ctx := client.ClientContext(h.t.Context(), h.server.Client())
	p, err := client.NewProvider(ctx, h.provider.Issuer())
	if err != nil {
		h.t.Fatal(err)
	}
	return &rp{context: ctx, provider: p, verifier: oauth2.GenerateVerifier(), oauth: oauth2.Config{
		ClientID: oidc.ClientID, Endpoint: p.Endpoint(), RedirectURL: h.server.URL + "/", Scopes: []string{"openid", "profile", "email"},
	}}
}

func (c *rp) ask() string {
	return c.oauth.AuthCodeURL("state-1", oauth2.S256ChallengeOption(c.verifier), client.Nonce("nonce-1"))
}

// code has the browser ask for a code.
func (h *hub) code(c *rp) string {
	h.t.Helper()
	r := h.get(c.ask())
	to, err := r.Location()
	if err != nil {
		h.t.Fatalf("no code: %s, %s", r.Status, body(h.t, r))
	}
	q := to.Query()
	if q.Get("code") == "" || q.Get("state") != "state-1" || q.Get("iss") != h.provider.Issuer() || !strings.HasPrefix(to.String(), h.server.URL+"/?") {
		h.t.Fatalf("the browser is led to %s", to)
	}
	return q.Get("code")
}

func (h *hub) tokens(c *rp) *oauth2.Token {
	h.t.Helper()
	token, err := c.oauth.Exchange(c.context, h.code(c), oauth2.VerifierOption(c.verifier))
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func idOf(t *oauth2.Token) string {
	id, _ := t.Extra("id_token").(string)
	return id
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// problem is the error of an answer in the form of RFC 6749.
func problem(t *testing.T, r *http.Response) string {
	t.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(body(t, r)), &e); err != nil || e.Description == "" {
		t.Errorf("%s is no error in the form of RFC 6749: %+v, %v", r.Status, e, err)
	}
	return e.Error
}
