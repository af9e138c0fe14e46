package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	relying "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// browser is what a person opens the console with: it keeps cookies, and follows links within the hub.
type browser struct {
	t    *testing.T
	hub  string
	http *http.Client
}

func newBrowser(t *testing.T, h *hubProcess) *browser {
	t.Helper()
	address, err := os.ReadFile(filepath.Join(h.data, addressFile))
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if certificate, err := os.ReadFile(filepath.Join(h.data, certificateFile)); err == nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(certificate)
	}
	return &browser{t, strings.TrimSpace(string(address)), &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open follows an address; where it is led to is "" when a page is shown.
func (b *browser) open(address string, form url.Values) (status int, to string) {
	b.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.hub)
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if location, err := resp.Location(); err == nil {
		to = location.String()
	}
	return resp.StatusCode, to
}

// token goes the console's way; "" when the hub asks to sign in.
func (b *browser) token() string {
	b.t.Helper()
	ctx := context.WithValue(b.t.Context(), oauth2.HTTPClient, b.http)
	p, err := relying.NewProvider(ctx, b.hub+"/oidc")
	if err != nil {
		b.t.Fatal(err)
	}
	c := oauth2.Config{ClientID: "dth-console", Endpoint: p.Endpoint(), RedirectURL: b.hub + "/", Scopes: []string{"openid"}}
	verifier := oauth2.GenerateVerifier()
	_, to := b.open(c.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), nil)
	if to == "" {
		return ""
	}
	at, err := url.Parse(to)
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := c.Exchange(ctx, at.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		b.t.Fatal(err)
	}
	id, _ := token.Extra("id_token").(string)
	return id
}

// may reports whether the API knows a token.
func (b *browser) may(token string) bool {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.hub+"/graphql", strings.NewReader(`{"query":"{ hub { version } }"}`))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", token)
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

var printedLink = regexp.MustCompile(`http\S+/oidc/signin\?link=\S+`)

// A person signs in by the link that dth local prints, or another one; kill -9 ends no session, and a link of before holds no more.
func TestSignInByLink(t *testing.T) {
	h := newHubProcess(t)
	b := newBrowser(t, h)
	h.listen = []string{"--listen", strings.TrimPrefix(b.hub, "http://")} // where browsers know it
	if b.token() != "" {
		t.Fatal("nobody signed in, and there is a token")
	}
	if status, to := b.open(printedLink.FindString(h.out.String()), nil); status != http.StatusSeeOther || to != b.hub+"/" {
		t.Fatalf("the printed link: %d, to %s\n%s", status, to, h.out)
	}
	id := b.token()
	if !b.may(id) || b.may(id+"x") {
		t.Error("the API does not know who signed in, or knows somebody else")
	}
	unused := strings.TrimSpace(h.say("local", "link"))
	h.again()
	if !b.may(id) || !b.may(b.token()) {
		t.Error("after kill -9 the person is signed out")
	}
	stranger := newBrowser(t, h)
	if status, _ := stranger.open(unused, nil); status != http.StatusForbidden || stranger.token() != "" {
		t.Errorf("a link of before kill -9: %d", status)
	}
	if status, _ := stranger.open(strings.TrimSpace(h.say("local", "link")), nil); status != http.StatusSeeOther || !stranger.may(stranger.token()) {
		t.Errorf("a new link: %d", status)
	}
	if strings.Contains(h.out.String(), id) {
		t.Error("a token is printed")
	}
	h.kill()
	if r := runDTH(t, "local", "link", "--data", h.data); r.code != 3 || !strings.Contains(r.stderr, "dth local") {
		t.Errorf("a link of a hub that does not run: %d %s", r.code, r.stderr)
	}
}

// say returns what a command about the hub prints.
func (h *hubProcess) say(args ...string) string {
	h.t.Helper()
	out, err := dth(append(args, "--data", h.data)...).Output()
	if err != nil {
		h.t.Fatalf("dth %v: %v", args, err)
	}
	return string(out)
}

// With a certificate and a password the hub is open to the network; dth task knows its certificate from the data folder.
func TestSignInByPassword(t *testing.T) {
	const password = "canary of the password"
	h := newHubProcess(t)
	cert, key := h.certificate()
	h.kill()
	h.listen = []string{"--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key}
	if r := runDTH(t, append([]string{"local", "--data", h.data}, h.listen...)...); r.code != 2 || !strings.Contains(r.stderr, "dth local password") {
		t.Fatalf("without a password: %d %s", r.code, r.stderr)
	}
	for _, tt := range []struct {
		text string
		code int
	}{{"short\n", 2}, {"", 2}, {password, 0}, {password + "\n", 0}} {
		cmd := dth("local", "password", "--data", h.data)
		cmd.Stdin = strings.NewReader(tt.text)
		if r := finish(t, cmd); r.code != tt.code || strings.Contains(r.stderr, "canary") {
			t.Errorf("setting %q: %d %s", tt.text, r.code, r.stderr)
		}
	}
	h.start()
	b := newBrowser(t, h)
	if !strings.HasPrefix(b.hub, "https://localhost:") {
		t.Fatalf("it is at %s", b.hub)
	}
	if status, _ := b.open(b.hub+"/oidc/signin", url.Values{"password": {"another password"}}); status != http.StatusForbidden || b.token() != "" {
		t.Errorf("another password: %d", status)
	}
	if status, _ := b.open(b.hub+"/oidc/signin", url.Values{"password": {password}}); status != http.StatusSeeOther || !b.may(b.token()) {
		t.Errorf("the password: %d", status)
	}
	h.task(0, "list")
	if strings.Contains(h.out.String(), "canary") {
		t.Errorf("the password is shown: %s", h.out)
	}
}

// certificate makes one for this machine.
func (h *hubProcess) certificate() (cert, key string) {
	h.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		h.t.Fatal(err)
	}
	pemOf := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return h.write("hub.pem", pemOf("CERTIFICATE", signed)), h.write("hub.key", pemOf("PRIVATE KEY", text))
}
