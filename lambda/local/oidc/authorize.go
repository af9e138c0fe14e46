package oidc

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// code is an authorization code that was given, and what it is bound to.
type code struct {
	hash      string
	ends      time.Time
	session   string
	grant     string // id of the refresh tokens that it leads to
	redirect  string
	challenge string
	nonce     string
	scope     string
	used      bool
}

// challengeForm is that of BASE64URL(SHA256(verifier)), RFC 7636, section 4.2.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

const maxParameter = 1024 // bytes of state and nonce

// authorize is the authorization endpoint. A request whose client or redirect URI is wrong is answered here; whatever else is
// wrong the client is told.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the query cannot be read")
		return
	}
	redirect := q.Get("redirect_uri")
	switch {
	case len(q["client_id"]) != 1 || q.Get("client_id") != ClientID:
		refuse(w, http.StatusBadRequest, "invalid_client", "client_id: this hub knows the client "+ClientID+" only")
		return
	case len(q["redirect_uri"]) != 1 || !p.redirect[redirect]:
		refuse(w, http.StatusBadRequest, "invalid_request", "redirect_uri: allowed is exactly "+strings.Join(p.options.Redirects, ", "))
		return
	}
	back := url.Values{"iss": {p.Issuer()}}
	if state := q.Get("state"); state != "" && len(state) <= maxParameter {
		back.Set("state", state)
	}
	if problem, description := wrong(q); problem != "" {
		back.Set("error", problem)
		back.Set("error_description", description)
		lead(w, r, redirect, back)
		return
	}
	of, signedIn := p.signedIn(r)
	if signedIn && !p.recent(q, of) {
		signedIn = false
	}
	if !signedIn {
		if slices.Contains(strings.Fields(q.Get("prompt")), "none") {
			back.Set("error", "login_required")
			lead(w, r, redirect, back)
			return
		}
		p.askToSignIn(w, r, http.StatusOK, "")
		return
	}
	back.Set("code", p.giveCode(q, of))
	lead(w, r, redirect, back)
}

// wrong says what is wrong with an authorization request, in the words of RFC 6749, section 4.1.2.1.
func wrong(q url.Values) (problem, description string) {
	for name, values := range q {
		if len(values) > 1 {
			return "invalid_request", "a parameter is there twice: " + printable(name)
		}
	}
	switch {
	case q.Has("request"):
		return "request_not_supported", "parameters are taken from the query only"
	case q.Has("request_uri"):
		return "request_uri_not_supported", "parameters are taken from the query only"
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "response_type: allowed is code"
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return "invalid_request", "response_mode: allowed is query"
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return "invalid_scope", "scope: openid has to be among them"
	case q.Get("code_challenge_method") != "S256":
		return "invalid_request", "code_challenge_method: allowed is S256"
	case !challengeForm.MatchString(q.Get("code_challenge")):
		return "invalid_request", "code_challenge: 43 characters of base64url are needed"
	case len(q.Get("state")) > maxParameter || len(q.Get("nonce")) > maxParameter:
		return "invalid_request", "state, nonce: allowed are 1024 bytes"
	}
	return "", ""
}

// recent reports whether a session fits max_age and prompt=login of a request. Who comes from signing in anew comes without a
// prompt, by the sign-in page's own link.
func (p *Provider) recent(q url.Values, of session) bool {
	age := p.options.Now().Sub(of.SignedIn)
	if slices.Contains(strings.Fields(q.Get("prompt")), "login") && age > codeLife {
		return false
	}
	if !q.Has("max_age") {
		return true
	}
	most, err := time.ParseDuration(q.Get("max_age") + "s")
	return err == nil && age <= most
}

// giveCode makes a code for a request.
func (p *Provider) giveCode(q url.Values, of session) string {
	secret := newSecret()
	now := p.options.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes = slices.DeleteFunc(p.codes, func(c code) bool { return !now.Before(c.ends) })
	if len(p.codes) >= maxCodes {
		p.codes = p.codes[1:]
	}
	p.codes = append(p.codes, code{
		hash: hash(secret), ends: now.Add(codeLife), session: of.ID, grant: rand.Text(), redirect: q.Get("redirect_uri"),
		challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), scope: known(q.Get("scope")),
	})
	return secret
}

// known leaves the scopes that mean something here.
func known(scope string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(scope), func(s string) bool {
		return !slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s)
	}), " ")
}

// lead sends the browser back to the client.
func lead(w http.ResponseWriter, r *http.Request, redirect string, with url.Values) {
	mark := "?"
	if strings.Contains(redirect, "?") {
		mark = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, redirect+mark+with.Encode(), http.StatusSeeOther)
}

// printable makes a name fit for an error_description, RFC 6749, section 4.1.2.1.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '.'
		}
		return r
	}, name[:min(len(name), 40)])
}
