package oidc_test

import (
	"encoding/json"
	"net/http"
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

// An independent client goes through the whole flow: discovery, sign-in, code, tokens, their verification, UserInfo, refreshing.
func TestFlow(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	if r := h.get(c.ask()); r.StatusCode != http.StatusOK || !strings.Contains(body(t, r), oidc.NewLinkCommand) {
		t.Fatalf("before the sign-in the answer is %s", r.Status)
	}
	h.signIn()
	token := h.tokens(c)
	id, err := c.provider.Verifier(&client.Config{ClientID: oidc.ClientID, Now: h.clock.Now}).Verify(c.context, idOf(token))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Name, Email string
		Groups      []string
	}
	if err := id.Claims(&said); err != nil {
		t.Fatal(err)
	}
	if id.Subject != "1000" || id.Nonce != "nonce-1" || said.Name != "mia" || said.Email != "mia@example.com" || len(said.Groups) != 1 || said.Groups[0] != "admin" {
		t.Errorf("the ID token says %+v, %+v", id, said)
	}
	info, err := c.provider.UserInfo(c.context, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != "1000" || info.Email != "mia@example.com" {
		t.Errorf("UserInfo says %+v, %v", info, err)
	}
	for kind, shown := range map[string]string{"ID": idOf(token), "access": token.AccessToken} {
		person, err := h.provider.Identify(shown)
		if err != nil || person.Subject != "1000" || person.Name != "mia" || len(person.Groups) != 1 || person.Groups[0] != "admin" {
			t.Errorf("by the %s token the hub knows %+v, %v", kind, person, err)
		}
	}
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	next, err := c.oauth.TokenSource(c.context, &old).Token()
	if err != nil || next.RefreshToken == token.RefreshToken || next.RefreshToken == "" {
		t.Fatalf("refreshed is %v, %v", next != nil, err)
	}
	if _, err := h.provider.Identify(idOf(next)); err != nil {
		t.Errorf("after refreshing: %v", err)
	}
}

// Key, sessions and refresh tokens are there after a restart; what was made before it and not used is not.
func TestRestart(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	token := h.tokens(c)
	unused := h.code(c)
	h.restart()
	if _, err := h.provider.Identify(idOf(token)); err != nil {
		t.Errorf("an ID token of before: %v", err)
	}
	if r := h.refresh(token.RefreshToken); r.StatusCode != http.StatusOK {
		t.Errorf("a refresh token of before: %s", r.Status)
	}
	h.code(c) // the session is known
	if _, err := c.oauth.Exchange(c.context, unused, oauth2.VerifierOption(c.verifier)); err == nil {
		t.Error("a code of before the restart holds")
	}
}

func (h *hub) refresh(token string) *http.Response {
	h.t.Helper()
	return h.post(oidc.PathToken, url.Values{"grant_type": {"refresh_token"}, "client_id": {oidc.ClientID}, "refresh_token": {token}})
}

// A refresh token that is used again takes its whole family with it.
func TestRefreshTokenIsUsedTwice(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	first, other := h.tokens(c), h.tokens(c)
	r := h.refresh(first.RefreshToken)
	next := refreshed(t, r)
	h.clock.pass(10 * time.Second)
	if r := h.refresh(first.RefreshToken); r.StatusCode != http.StatusBadRequest || problem(t, r) != "invalid_grant" {
		t.Errorf("used: %s", r.Status)
	}
	if r := h.refresh(next); r.StatusCode != http.StatusBadRequest {
		t.Errorf("the token after the one that was used twice: %s", r.Status)
	}
	if r := h.refresh(other.RefreshToken); r.StatusCode != http.StatusOK {
		t.Errorf("a token of another family: %s", r.Status)
	}
	if !strings.Contains(h.log.String(), "a refresh token was used a second time") {
		t.Errorf("the log says %s", h.log)
	}
}

func refreshed(t *testing.T, r *http.Response) string {
	t.Helper()
	var next struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body(t, r)), &next); err != nil || next.Refresh == "" {
		t.Fatalf("%s: %v", r.Status, err)
	}
	return next.Refresh
}

// Two tabs of which one was duplicated renew at the same second with the same token, and go on without each other.
func TestDuplicatedTab(t *testing.T) {
	h := serve(t, "")
	h.signIn()
	token := h.tokens(h.rp()).RefreshToken
	one := refreshed(t, h.refresh(token))
	h.restart()
	other := refreshed(t, h.refresh(token))
	h.clock.pass(10 * time.Minute)
	one, other = refreshed(t, h.refresh(one)), refreshed(t, h.refresh(other))
	h.clock.pass(10 * time.Minute)
	if r := h.refresh(token); r.StatusCode != http.StatusBadRequest {
		t.Errorf("the first token, later: %s", r.Status)
	}
	refreshed(t, h.refresh(other))
	if r := h.refresh(one + "x"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a token that never was: %s", r.Status)
	}
}

// What cannot be kept is not given, and the browser is not signed out by it.
func TestSessionsCannotBeKept(t *testing.T) {
	h := serve(t, "")
	h.signIn()
	c := h.rp()
	token := h.tokens(c).RefreshToken
	away := h.options.Folder + "-away"
	if err := os.Rename(h.options.Folder, away); err != nil {
		t.Fatal(err)
	}
	exchange := url.Values{"grant_type": {"authorization_code"}, "client_id": {oidc.ClientID}, "code": {h.code(c)}, "redirect_uri": {h.server.URL + "/"}, "code_verifier": {c.verifier}}
	link, _ := h.provider.NewLink()
	for name, r := range map[string]*http.Response{"refresh": h.refresh(token), "exchange": h.post(oidc.PathToken, exchange), "sign in": h.get(link), "sign out": h.post(oidc.PathSignOut, nil)} {
		if r.StatusCode != http.StatusInternalServerError || problem(t, r) != "server_error" || len(r.Cookies()) > 0 {
			t.Errorf("%s: %s", name, r.Status)
		}
	}
	if err := os.Rename(away, h.options.Folder); err != nil {
		t.Fatal(err)
	}
	refreshed(t, h.refresh(token))
}

// A code that is used again takes with it what it gave.
func TestCodeIsUsedTwice(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	code := h.code(c)
	token, err := c.oauth.Exchange(c.context, code, oauth2.VerifierOption(c.verifier))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.oauth.Exchange(c.context, code, oauth2.VerifierOption(c.verifier)); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("the second time: %v", err)
	}
	if r := h.refresh(token.RefreshToken); r.StatusCode != http.StatusBadRequest {
		t.Errorf("what it gave: %s", r.Status)
	}
}

// Of many who use a code or a link at once, one succeeds.
func TestOneOfMany(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	code := h.code(c)
	link, _ := h.provider.NewLink()
	exchange := url.Values{"grant_type": {"authorization_code"}, "client_id": {oidc.ClientID}, "code": {code}, "redirect_uri": {h.server.URL + "/"}, "code_verifier": {c.verifier}}
	for name, try := range map[string]func() bool{
		"code": func() bool { return h.tryForm(exchange) },
		"link": func() bool {
			w := httptest.NewRecorder()
			h.provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
			return w.Code == http.StatusSeeOther
		},
	} {
		t.Run(name, func(t *testing.T) {
			var held sync.Map
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					if try() {
						held.Store(i, true)
					}
				})
			}
			all.Wait()
			n := 0
			held.Range(func(any, any) bool { n++; return true })
			if n != 1 {
				t.Errorf("%d succeeded", n)
			}
		})
	}
}

func (h *hub) tryForm(form url.Values) bool {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, oidc.PathToken, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.provider.ServeHTTP(w, r)
	return w.Code == http.StatusOK
}

// No secret is in the log, nor in what is kept, but for the key.
func TestNoSecretIsToldOrKept(t *testing.T) {
	h := serve(t, "correct horse battery")
	c := h.rp()
	link, _ := h.provider.NewLink()
	h.get(link)
	h.get(link)
	h.post(oidc.PathSignIn, url.Values{"password": {"wrong canary password"}})
	h.post(oidc.PathSignIn, url.Values{"password": {"correct horse battery"}})
	code := h.code(c)
	token, err := c.oauth.Exchange(c.context, code, oauth2.VerifierOption(c.verifier))
	if err != nil {
		t.Fatal(err)
	}
	h.refresh(token.RefreshToken)
	h.clock.pass(time.Minute)
	h.refresh(token.RefreshToken)
	address, _ := url.Parse(h.server.URL + "/oidc/")
	secrets := []string{link[strings.Index(link, "=")+1:], "wrong canary password", "correct horse battery", code, token.AccessToken, token.RefreshToken, idOf(token), c.verifier}
	for _, cookie := range h.browser.Jar.Cookies(address) {
		secrets = append(secrets, cookie.Value)
	}
	kept := h.log.String()
	for _, name := range []string{"sessions.json", "password"} {
		path := filepath.Join(h.options.Folder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept += string(text)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if len(secrets) != 9 {
		t.Fatalf("%d secrets are looked for", len(secrets))
	}
	for i, s := range secrets {
		_, part, _ := strings.Cut(s, ".")
		if strings.Contains(kept, s) || (len(part) > 20 && strings.Contains(kept, part)) {
			t.Errorf("secret %d is in\n%s", i, kept)
		}
	}
	if !strings.Contains(kept, "a password was refused") || !strings.Contains(kept, "somebody signed in") {
		t.Errorf("the log lacks what happened: %s", h.log)
	}
}
