package oidc

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/jwt"
)

// verifierForm is that of a code verifier, RFC 7636, section 4.1.
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// token is the token endpoint, RFC 6749, sections 4.1.3 and 6.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body has to be of type application/x-www-form-urlencoded")
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body cannot be read")
		return
	}
	form := r.PostForm
	for name, values := range form {
		if len(values) > 1 {
			refuse(w, http.StatusBadRequest, "invalid_request", "a parameter is there twice: "+printable(name))
			return
		}
	}
	if r.Header.Get("Authorization") != "" || form.Has("client_secret") || form.Get("client_id") != ClientID {
		refuse(w, http.StatusUnauthorized, "invalid_client", "allowed is the client_id "+ClientID+" in the body, without a secret")
		return
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		p.exchange(w, form)
	case "refresh_token":
		p.refresh(w, form)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type: allowed are authorization_code, refresh_token")
	}
}

// exchange gives tokens for a code. Whatever is wrong, the code does not hold a second time.
func (p *Provider) exchange(w http.ResponseWriter, form url.Values) {
	const refused = "the code does not hold, or was used before; sign in again"
	c, again, found := p.takeCode(form.Get("code"))
	if again { // so one of the two was not the client: RFC 6749, section 4.1.2
		p.options.Log.Warn("an authorization code was used a second time; what it gave is revoked")
		if err := p.sessions.revoke(c.grant); err != nil {
			refuse(w, http.StatusInternalServerError, "server_error", "what was given for the code could not be revoked; sign out")
			return
		}
	}
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case !found || again || form.Get("redirect_uri") != c.redirect:
		refuse(w, http.StatusBadRequest, "invalid_grant", refused)
		return
	case !verifierForm.MatchString(verifier) || !equal(base64.RawURLEncoding.EncodeToString(sum[:]), c.challenge):
		refuse(w, http.StatusBadRequest, "invalid_grant", "code_verifier: it is not that of the code's challenge; sign in again")
		return
	}
	refresh, err := p.sessions.grant(c.session, c.grant, c.scope)
	of, alive := p.sessions.get(c.session)
	switch {
	case err != nil && !errors.Is(err, errNoGrant):
		p.failed(w, err)
		return
	case err != nil || !alive:
		refuse(w, http.StatusBadRequest, "invalid_grant", refused)
		return
	}
	p.give(w, of, c.scope, c.nonce, refresh)
}

// takeCode uses a code up. A code that was used is known until it would have ended.
func (p *Provider) takeCode(shown string) (c code, again, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := hash(shown)
	i := slices.IndexFunc(p.codes, func(c code) bool { return equal(c.hash, want) && p.options.Now().Before(c.ends) })
	if i < 0 {
		return code{}, false, false
	}
	again = p.codes[i].used
	p.codes[i].used = true
	return p.codes[i], again, true
}

// refresh gives tokens for a refresh token, the next refresh token among them.
func (p *Provider) refresh(w http.ResponseWriter, form url.Values) {
	next, of, g, err := p.sessions.refresh(form.Get("refresh_token"))
	if errors.Is(err, errUsed) {
		p.options.Log.Warn("a refresh token was used a second time; those of its family are revoked")
	}
	switch {
	case errors.Is(err, errNoGrant):
		refuse(w, http.StatusBadRequest, "invalid_grant", errNoGrant.Error())
		return
	case err != nil: // the disk is full, say: the token still holds
		p.failed(w, err)
		return
	}
	p.give(w, of, g.Scope, "", next) // whatever scope was asked for: the answer says what was given
}

// give answers with tokens: RFC 6749, section 5.1, and OpenID Connect Core 1.0, section 3.1.3.3.
func (p *Provider) give(w http.ResponseWriter, of session, scope, nonce, refresh string) {
	now := p.options.Now()
	common := claims{
		Issuer: p.Issuer(), Issued: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife)), Session: of.ID,
		SignedIn: jwt.NewNumericDate(of.SignedIn),
	}
	id := common
	id.Audience, id.Nonce, id.profile = jwt.Audience{ClientID}, nonce, profileOf(p.options.Person)
	access := common
	access.Audience, access.Client, access.Scope, access.ID = jwt.Audience{p.Issuer()}, ClientID, scope, rand.Text()
	access.Subject, access.Name, access.Groups = p.options.Person.Subject, p.options.Person.Name, p.options.Person.Groups
	idToken, err := p.signer.sign(typeID, id)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", "no token could be signed")
		return
	}
	accessToken, err := p.signer.sign(typeAccess, access)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", "no token could be signed")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": accessToken, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "scope": scope, "id_token": idToken, "refresh_token": refresh,
	})
}

// bearer is the token of a request's Authorization header; "" without one.
func bearer(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return token
}

// refuse answers an error in the form of RFC 6749, section 5.2.
func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that went away needs no answer
}
