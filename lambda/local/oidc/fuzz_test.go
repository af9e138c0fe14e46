package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/local/oidc"
)

// fuzzed is a provider in a folder of its own, in which nobody has signed in.
func fuzzed(f *testing.F) *oidc.Provider {
	o := options("http://127.0.0.1:8080", f.TempDir())
	key, err := aKey()
	if err != nil {
		f.Fatal(err)
	}
	file(f, o.Folder, "key.pem", string(key), 0o600)
	p, err := oidc.New(o)
	if err != nil {
		f.Fatal(err)
	}
	return p
}

// No request gives a token, a session or a fault to somebody who holds nothing, and none leads anywhere but to the client.
func FuzzRequests(f *testing.F) {
	f.Add(http.MethodGet, oidc.PathAuthorize, "client_id=dth-console&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F&scope=openid&response_type=code", "", "")
	f.Add(http.MethodPost, oidc.PathToken, "", "grant_type=refresh_token&client_id=dth-console&refresh_token=a.b", "")
	f.Add(http.MethodPost, oidc.PathToken, "", "grant_type=authorization_code&client_id=dth-console&code=c&code_verifier=v", "")
	f.Add(http.MethodPost, oidc.PathSignIn, "", "password=x&next=%0d%0a", "")
	f.Add(http.MethodGet, oidc.PathSignIn, "link=x", "", "dth-session-8080=x")
	f.Add(http.MethodGet, oidc.PathSignOut, "id_token_hint=e30.e30.e30&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F&state=%0d%0aX%3A1", "", "")
	p := fuzzed(f)
	f.Fuzz(func(t *testing.T, method, path, query, body, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080/", strings.NewReader(body))
		if method == http.MethodPost {
			r.Method = method
		}
		r.URL = &url.URL{Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code >= 500 || strings.Contains(w.Body.String(), "id_token\":") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		to := w.Header().Get("Location")
		if to != "" && !strings.HasPrefix(to, "http://127.0.0.1:8080/") && strings.HasPrefix(path, "/oidc/") {
			t.Errorf("led to %q", to)
		}
		for _, c := range w.Result().Cookies() {
			if c.Value != "" {
				t.Error("a session began")
			}
		}
	})
}

func FuzzIdentify(f *testing.F) {
	f.Add("e30.e30.e30")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMDAwIn0.")
	f.Add(`{"payload":"e30","signatures":[]}`)
	p := fuzzed(f)
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := p.Identify(token); err == nil {
			t.Errorf("taken as %+v", who)
		}
	})
}
