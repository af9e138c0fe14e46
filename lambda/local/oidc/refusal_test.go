package oidc_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/datatransferhub/dth/lambda/local/oidc"
)

// Each thing that is wrong with a request for a code.
func TestAuthorizationIsRefused(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	for _, test := range []struct {
		name   string
		change func(q url.Values)
		error  string
		led    bool // to the client, which is told; otherwise the browser stays here
	}{
		{"another client", func(q url.Values) { q.Set("client_id", "other") }, "invalid_client", false},
		{"two clients", func(q url.Values) { q.Add("client_id", "other") }, "invalid_client", false},
		{"no redirect URI", func(q url.Values) { q.Del("redirect_uri") }, "invalid_request", false},
		{"a redirect URI of somebody else", func(q url.Values) { q.Set("redirect_uri", "https://example.com/") }, "invalid_request", false},
		{"a redirect URI that begins alike", func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"x") }, "invalid_request", false},
		{"a redirect URI in another spelling", func(q url.Values) { q.Set("redirect_uri", strings.TrimSuffix(q.Get("redirect_uri"), "/")) }, "invalid_request", false},
		{"two redirect URIs", func(q url.Values) { q.Add("redirect_uri", "https://example.com/") }, "invalid_request", false},
		{"a token is asked for", func(q url.Values) { q.Set("response_type", "id_token") }, "unsupported_response_type", true},
		{"hybrid flow", func(q url.Values) { q.Set("response_type", "code id_token") }, "unsupported_response_type", true},
		{"another response mode", func(q url.Values) { q.Set("response_mode", "fragment") }, "invalid_request", true},
		{"no openid", func(q url.Values) { q.Set("scope", "email") }, "invalid_scope", true},
		{"no challenge", func(q url.Values) { q.Del("code_challenge") }, "invalid_request", true},
		{"a challenge that is no SHA-256", func(q url.Values) { q.Set("code_challenge", "short") }, "invalid_request", true},
		{"plain PKCE", func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request", true},
		{"no method", func(q url.Values) { q.Del("code_challenge_method") }, "invalid_request", true},
		{"two nonces", func(q url.Values) { q.Add("nonce", "another") }, "invalid_request", true},
		{"a long nonce", func(q url.Values) { q.Set("nonce", strings.Repeat("n", 2000)) }, "invalid_request", true},
		{"a request object", func(q url.Values) { q.Set("request", "e30") }, "request_not_supported", true},
		{"a request by reference", func(q url.Values) { q.Set("request_uri", "https://example.com/r") }, "request_uri_not_supported", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, err := url.Parse(c.ask())
			if err != nil {
				t.Fatal(err)
			}
			q := address.Query()
			test.change(q)
			address.RawQuery = q.Encode()
			r := h.get(address.String())
			to, err := r.Location()
			if !test.led {
				if err == nil || r.StatusCode != http.StatusBadRequest || problem(t, r) != test.error {
					t.Errorf("%s, led to %v", r.Status, to)
				}
				return
			}
			if err != nil || to.Query().Get("error") != test.error || to.Query().Get("state") != "state-1" || to.Query().Has("code") {
				t.Errorf("%s, led to %v, want the error %s", r.Status, to, test.error)
			}
		})
	}
}

// What prompt and max_age ask for.
func TestPrompt(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	ended := func(more string) (status int, problem string, code bool) {
		r := h.get(c.ask() + more)
		to, err := r.Location()
		if err != nil {
			return r.StatusCode, "", false
		}
		return r.StatusCode, to.Query().Get("error"), to.Query().Has("code")
	}
	if _, problem, _ := ended("&prompt=none"); problem != "login_required" {
		t.Errorf("prompt=none without a session: %q", problem)
	}
	h.signIn()
	for _, more := range []string{"", "&prompt=none", "&prompt=login", "&max_age=60"} {
		if _, _, code := ended(more); !code {
			t.Errorf("after the sign-in %q gives no code", more)
		}
	}
	h.clock.pass(2 * time.Minute)
	for more, want := range map[string]bool{"": true, "&max_age=60": false, "&prompt=login": false, "&max_age=600": true, "&max_age=x": false} {
		if status, _, code := ended(more); code != want || (!want && status != http.StatusOK) {
			t.Errorf("later %q: %d, a code is given: %v", more, status, code)
		}
	}
}

// Each thing that is wrong with the exchange of a code.
func TestExchangeIsRefused(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	for _, test := range []struct {
		name   string
		change func(form url.Values)
		error  string
	}{
		{"wrong verifier", func(f url.Values) { f.Set("code_verifier", oauth2.GenerateVerifier()) }, "invalid_grant"},
		{"no verifier", func(f url.Values) { f.Del("code_verifier") }, "invalid_grant"},
		{"the challenge for a verifier", func(f url.Values) { f.Set("code_verifier", oauth2.S256ChallengeFromVerifier(c.verifier)) }, "invalid_grant"},
		{"another redirect URI", func(f url.Values) { f.Set("redirect_uri", "https://example.com/") }, "invalid_grant"},
		{"no redirect URI", func(f url.Values) { f.Del("redirect_uri") }, "invalid_grant"},
		{"another code", func(f url.Values) { f.Set("code", f.Get("code")+"x") }, "invalid_grant"},
		{"no code", func(f url.Values) { f.Del("code") }, "invalid_grant"},
		{"two codes", func(f url.Values) { f.Add("code", "x") }, "invalid_request"},
		{"expired", func(url.Values) { h.clock.pass(time.Minute) }, "invalid_grant"},
		{"another client", func(f url.Values) { f.Set("client_id", "other") }, "invalid_client"},
		{"no client", func(f url.Values) { f.Del("client_id") }, "invalid_client"},
		{"a secret", func(f url.Values) { f.Set("client_secret", "x") }, "invalid_client"},
		{"another grant", func(f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			right := url.Values{
				"grant_type": {"authorization_code"}, "client_id": {oidc.ClientID}, "code": {h.code(c)}, "redirect_uri": {h.server.URL + "/"}, "code_verifier": {c.verifier},
			}
			wrong := maps.Clone(right)
			test.change(wrong)
			r := h.post(oidc.PathToken, wrong)
			if got := problem(t, r); got != test.error || r.StatusCode < 400 {
				t.Errorf("%s, %s; want %s", r.Status, got, test.error)
			}
			if strings.Contains(test.name, "verifier") {
				if r := h.post(oidc.PathToken, right); r.StatusCode != http.StatusBadRequest {
					t.Errorf("after a wrong verifier the right one is taken: %s", r.Status)
				}
			}
		})
	}
	r, err := http.Post(h.server.URL+oidc.PathToken, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if problem(t, r) != "invalid_request" {
		t.Errorf("JSON: %s", r.Status)
	}
}

// forged makes a token with a header and claims of somebody's choice, signed by sign over "header.payload".
func forged(t *testing.T, header, payload map[string]any, sign func(text string) []byte) string {
	t.Helper()
	var parts []string
	for _, v := range []any{header, payload} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	text := strings.Join(parts, ".")
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

func decoded(t *testing.T, part string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Each thing that is wrong with a token that is shown to the hub.
func TestTokenIsRefused(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	token := h.tokens(c)
	parts := strings.Split(idOf(token), ".")
	header, payload := decoded(t, parts[0]), decoded(t, parts[1])
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	byStranger := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, stranger, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	with := func(m map[string]any, name string, v any) map[string]any {
		m = maps.Clone(m)
		m[name] = v
		return m
	}
	unsigned := func(string) []byte { return nil }
	signature := func(string) []byte {
		text, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, text := range map[string]string{
		"none":                            forged(t, with(header, "alg", "none"), payload, unsigned),
		"none, signed":                    forged(t, with(header, "alg", "none"), payload, signature),
		"HS256":                           forged(t, with(header, "alg", "HS256"), payload, unsigned),
		"wrong key":                       forged(t, header, payload, byStranger),
		"a key of its own":                forged(t, with(header, "jwk", map[string]any{"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(stranger.N.Bytes())}), payload, byStranger),
		"tampered":                        forged(t, header, with(payload, "sub", "0"), signature),
		"no signature":                    parts[0] + "." + parts[1] + ".",
		"two parts":                       parts[0] + "." + parts[1],
		"empty":                           "",
		"an access token, as an ID token": forged(t, header, decoded(t, strings.Split(token.AccessToken, ".")[1]), signature),
		"a refresh token":                 token.RefreshToken,
		"long":                            strings.Repeat("a", 9000),
		"JSON serialization":              `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
	} {
		if who, err := h.provider.Identify(text); err == nil {
			t.Errorf("%s: taken as %+v", name, who)
		} else if len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error has the token: %v", name, err)
		}
	}
	if _, err := h.provider.Identify(idOf(token)); err != nil {
		t.Errorf("the token itself: %v", err)
	}
	h.clock.pass(-time.Hour)
	if _, err := h.provider.Identify(idOf(token)); err == nil {
		t.Error("a token of the future is taken")
	}
	h.clock.pass(time.Hour + 11*time.Minute)
	if _, err := h.provider.Identify(idOf(token)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
	other := serve(t, "") // which has the same key, and is another hub
	other.signIn()
	if _, err := h.provider.Identify(idOf(other.tokens(other.rp()))); err == nil {
		t.Error("a token of another issuer is taken")
	}
}

// A link signs in once, within an hour; a browser that looks ahead does not use it up.
func TestLink(t *testing.T) {
	h := serve(t, "")
	address, ends := h.provider.NewLink()
	if want := h.clock.Now().Add(time.Hour); !ends.Equal(want) {
		t.Errorf("it ends %s, want %s", ends, want)
	}
	ahead := httptest.NewRequest(http.MethodGet, address, nil)
	ahead.Header.Set("Sec-Purpose", "prefetch;prerender")
	for _, r := range []*http.Request{ahead, httptest.NewRequest(http.MethodHead, address, nil)} {
		w := httptest.NewRecorder()
		if h.provider.ServeHTTP(w, r); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("looking ahead by %s: %d", r.Method, w.Code)
		}
	}
	r := h.get(address)
	cookies := r.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Path != "/oidc/" || cookies[0].Domain != "" {
		t.Fatalf("%s, cookies %v", r.Status, cookies)
	}
	if r := h.get(address); r.StatusCode != http.StatusSeeOther {
		t.Errorf("the signed-in browser opens it again: %s", r.Status)
	}
	h.browser = h.newBrowser()
	for name, link := range map[string]string{
		"used": address, "unknown": h.server.URL + oidc.PathSignIn + "?link=x", "none": h.server.URL + oidc.PathSignIn,
		"expired": func() string { l, _ := h.provider.NewLink(); h.clock.pass(time.Hour); return l }(),
	} {
		if r := h.get(link); r.StatusCode != http.StatusForbidden || len(r.Cookies()) > 0 {
			t.Errorf("%s: %s, cookies %v", name, r.Status, r.Cookies())
		}
	}
}

// Sessions end after a week, and when somebody signs out; what was given in them ends with them.
func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(h *hub, id string){
		"a week":    func(h *hub, _ string) { h.clock.pass(7 * 24 * time.Hour) },
		"by client": func(h *hub, id string) { h.get(oidc.PathSignOut + "?id_token_hint=" + id) },
		"by client, later": func(h *hub, id string) {
			h.clock.pass(time.Hour)
			h.get(oidc.PathSignOut + "?id_token_hint=" + id)
			h.clock.pass(-time.Hour)
		},
		"by hand":                 func(h *hub, _ string) { h.post(oidc.PathSignOut, nil) },
		"by the next link":        func(h *hub, _ string) { h.signIn(); h.browser = h.newBrowser() },
		"by hand, then a restart": func(h *hub, _ string) { h.post(oidc.PathSignOut, nil); h.restart() },
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, "")
			c := h.rp()
			h.signIn()
			token := h.tokens(c)
			end(h, idOf(token))
			if _, err := h.provider.Identify(idOf(token)); err == nil {
				t.Error("the ID token holds")
			}
			if r := h.refresh(token.RefreshToken); r.StatusCode != http.StatusBadRequest {
				t.Errorf("the refresh token: %s", r.Status)
			}
			if r := h.get(c.ask()); r.StatusCode != http.StatusOK {
				t.Errorf("the session gives a code: %s", r.Status)
			}
		})
	}
}

// Where signing out leads, and what does not sign out.
func TestSignOut(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	h.signIn()
	id := idOf(h.tokens(c))
	if r := h.get(oidc.PathSignOut); r.StatusCode != http.StatusOK || !strings.Contains(body(t, r), "<form") {
		t.Errorf("without a hint: %s", r.Status)
	}
	if r := h.get(oidc.PathSignOut + "?post_logout_redirect_uri=https://example.com/&id_token_hint=" + id); problem(t, r) != "invalid_request" {
		t.Errorf("to somewhere else: %s", r.Status)
	}
	if _, err := h.provider.Identify(id); err != nil {
		t.Fatalf("the session has ended: %v", err)
	}
	w := httptest.NewRecorder() // led here by another site, a browser leaves the cookie at home
	if h.provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, oidc.PathSignOut, nil)); w.Code != http.StatusOK || len(w.Result().Cookies()) > 0 {
		t.Errorf("without a hint and a cookie: %d, cookies %v", w.Code, w.Result().Cookies())
	}
	r := h.get(oidc.PathSignOut + "?state=s&id_token_hint=" + id + "&post_logout_redirect_uri=" + url.QueryEscape(h.server.URL+"/"))
	if to, err := r.Location(); err != nil || to.String() != h.server.URL+"/?state=s" {
		t.Errorf("%s, led to %v", r.Status, to)
	}
	if len(r.Cookies()) != 1 || r.Cookies()[0].MaxAge >= 0 {
		t.Errorf("cookies %v", r.Cookies())
	}
}

// A password signs in and leads on to what was asked for; guessing is slowed down.
func TestPassword(t *testing.T) {
	const right = "correct horse battery"
	h := serve(t, right)
	c := h.rp()
	page := body(t, h.get(c.ask()))
	if !strings.Contains(page, `type="password"`) {
		t.Fatalf("no password is asked for: %s", page)
	}
	next := strings.SplitN(c.ask(), "?", 2)[1]
	for i := range 3 {
		r := h.post(oidc.PathSignIn, url.Values{"password": {"guess"}, "next": {next}})
		if r.StatusCode != http.StatusForbidden || len(r.Cookies()) > 0 || !strings.Contains(body(t, r), "code_challenge_method=S256") {
			t.Errorf("guess %d: %s", i, r.Status)
		}
	}
	if r := h.post(oidc.PathSignIn, url.Values{"password": {right}}); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("after three guesses: %s", r.Status)
	}
	h.clock.pass(time.Minute)
	r := h.post(oidc.PathSignIn, url.Values{"password": {right}, "next": {next}})
	to, err := r.Location()
	if err != nil || to.Path != oidc.PathAuthorize {
		t.Fatalf("%s, led to %v", r.Status, to)
	}
	if cookies := r.Cookies(); len(cookies) != 1 || !cookies[0].Secure || !strings.HasPrefix(cookies[0].Name, "__Secure-") {
		t.Errorf("cookies %v", cookies)
	}
	if r := h.get(to.String()); r.StatusCode != http.StatusSeeOther {
		t.Errorf("what was asked for: %s", r.Status)
	}
	for name, password := range map[string]string{"short": "elevenbytes", "long": strings.Repeat("x", 1025)} {
		if err := oidc.WritePassword(filepath.Join(t.TempDir(), "password"), password); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Options and files that would make an unsafe provider.
func TestOptionsAreRefused(t *testing.T) {
	key, err := aKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(o *oidc.Options)
		want   string
	}{
		"a path in the origin":       {func(o *oidc.Options) { o.Origin += "/hub" }, "SCHEME://HOST"},
		"no origin":                  {func(o *oidc.Options) { o.Origin = "" }, "SCHEME://HOST"},
		"a redirect to others":       {func(o *oidc.Options) { o.Redirects = []string{"http://example.com/"} }, "example.com"},
		"a redirect that looks like": {func(o *oidc.Options) { o.Redirects = []string{o.Origin + ".example.com/"} }, "example.com"},
		"no redirect":                {func(o *oidc.Options) { o.Redirects = nil }, "leads back"},
		"nobody":                     {func(o *oidc.Options) { o.Person = oidc.Person{} }, "subject"},
		"a password without TLS":     {func(o *oidc.Options) { o.Password = &oidc.Password{} }, "TLS"},
		"a key that others read":     {func(o *oidc.Options) { file(t, o.Folder, "key.pem", string(key), 0o644) }, "0644"},
		"a key that is none":         {func(o *oidc.Options) { file(t, o.Folder, "key.pem", "x", 0o600) }, "key.pem"},
		"sessions that others read":  {func(o *oidc.Options) { file(t, o.Folder, "sessions.json", "[]", 0o640) }, "0640"},
		"sessions that are damaged":  {func(o *oidc.Options) { file(t, o.Folder, "sessions.json", `[{"id":"x"}]`, 0o600) }, "sessions.json"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options("http://127.0.0.1:8080", t.TempDir())
			file(t, o.Folder, "key.pem", string(key), 0o600)
			test.change(&o)
			if _, err := oidc.New(o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want it to name %q", err, test.want)
			}
		})
	}
}

func file(t testing.TB, folder, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever it was before, and whatever the umask
		t.Fatal(err)
	}
}

// The pages have nothing inline, and are there in both languages.
func TestPages(t *testing.T) {
	h := serve(t, "")
	c := h.rp()
	for language, want := range map[string]string{"en": "Sign in", "zh-CN,zh;q=0.9": "登录", "fr": "Sign in"} {
		r := httptest.NewRequest(http.MethodGet, c.ask(), nil)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		h.provider.ServeHTTP(w, r)
		page := w.Body.String()
		if !strings.Contains(page, want) || strings.Contains(page, "<style") || strings.Contains(page, "<script") || strings.Contains(page, "style=") {
			t.Errorf("%s: %s", language, page)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", language, policy)
		}
	}
	if r := h.get("/oidc/signin.css"); r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the style: %s", r.Status)
	}
}
