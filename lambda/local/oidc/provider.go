// Package oidc is the OpenID provider of a hub on one machine. It signs in one person, the owner of the machine, so that the
// console has the same way to sign in everywhere: the authorization code with PKCE.
//
// A person is known by a link that can be used once, which the hub prints, or by a password where the hub is served with TLS. Both
// begin a session, which a cookie names; a session gives codes, codes give tokens. What is implemented of the standards: OpenID
// Connect Core 1.0 (code flow, UserInfo), Discovery 1.0, RP-Initiated Logout 1.0, RFC 6749 with RFC 7636 (S256 alone), RFC 9207,
// and of RFC 9700 the rotation of refresh tokens.
package oidc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// How long things hold.
const (
	linkLife    = time.Hour
	codeLife    = time.Minute
	tokenLife   = 10 * time.Minute
	lateness    = 10 * time.Second   // how long a refresh token that was used may come again
	sessionLife = 7 * 24 * time.Hour // since the sign-in; refreshing does not prolong it
)

// Bounds of what is kept. The oldest makes room.
const (
	maxLinks    = 8
	maxCodes    = 64
	maxSessions = 64
	maxGrants   = 16   // of a session: refresh tokens, of tabs and browsers
	maxBody     = 64e3 // bytes of a request
)

// Path is below the hub's origin what a Provider answers.
const Path = "/oidc/"

// The paths of its endpoints.
const (
	PathDiscovery = "/oidc/.well-known/openid-configuration"
	PathKeys      = "/oidc/keys"
	PathAuthorize = "/oidc/authorize"
	PathToken     = "/oidc/token"
	PathUserInfo  = "/oidc/userinfo"
	PathSignIn    = "/oidc/signin" // where links lead, and passwords are sent
	PathSignOut   = "/oidc/signout"
	pathStyle     = "/oidc/signin.css"
)

// ClientID is the id of the one client, the hub's console. It is public: it has no secret.
const ClientID = "dth-console"

// Person is who signs in.
type Person struct {
	Subject string // never changes
	Name    string
	Email   string // "": the claim is left out
	Groups  []string
}

// Options describe a provider.
type Options struct {
	Origin    string           // the hub's: SCHEME://HOST[:PORT]
	Redirects []string         // where sign-in may lead back to, exactly; each below the origin. Sign-out leads to the same
	Folder    string           // keeps the signing key and the sessions, for the owner alone; made when it is not there
	Person    Person           // who signs in
	Password  *Password        // may be used in place of a link; nil: there is none. Needs an origin with TLS
	Log       *slog.Logger     // is told of sign-ins and of what was refused, never of a secret; nil: nobody is
	Now       func() time.Time // nil: time.Now
}

// Provider is an OpenID provider. Its methods may be called at once by several callers.
type Provider struct {
	options    Options
	redirect   map[string]bool
	signer     *signer
	sessions   *sessions
	secure     bool // served with TLS
	cookieName string
	mux        *http.ServeMux

	mu      sync.Mutex // of what follows, none of which outlives the process
	links   []link
	codes   []code
	guesses guesses
}

// New returns a provider with the key and the sessions of a folder. Errors name the option or the file.
func New(o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provider{options: o, redirect: map[string]bool{}}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := ownFolder(o.Folder); err != nil {
		return nil, fmt.Errorf("the folder of the sign-in: %w", err)
	}
	key, err := openKey(filepath.Join(o.Folder, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("the key that signs tokens: %w", err)
	}
	if p.signer, err = newSigner(key); err != nil {
		return nil, fmt.Errorf("the key that signs tokens: %w", err)
	}
	if p.sessions, err = openSessions(filepath.Join(o.Folder, "sessions.json"), o.Now); err != nil {
		return nil, fmt.Errorf("the sessions: %w", err)
	}
	p.route()
	return p, nil
}

// check refuses options that would make an unsafe provider.
func (p *Provider) check() error {
	o := p.options
	origin, err := url.Parse(o.Origin)
	if err != nil || origin.Host == "" || (origin.Scheme != "http" && origin.Scheme != "https") || origin.Scheme+"://"+origin.Host != o.Origin {
		return fmt.Errorf("origin %q: allowed is SCHEME://HOST[:PORT], such as http://127.0.0.1:8080", o.Origin)
	}
	p.secure = origin.Scheme == "https"
	p.cookieName = cookieName(origin)
	if o.Password != nil && !p.secure {
		return fmt.Errorf("origin %q: a password is taken with TLS only; leave it out, or serve https", o.Origin)
	}
	if o.Person.Subject == "" || o.Person.Name == "" {
		return errors.New("the person who signs in needs a subject and a name")
	}
	if len(o.Redirects) == 0 {
		return errors.New("there is no address to which sign-in leads back")
	}
	for _, r := range o.Redirects {
		if !strings.HasPrefix(r, o.Origin+"/") || strings.ContainsAny(r, "#\\ \r\n") {
			return fmt.Errorf("sign-in leads back to %q: allowed are addresses below %s/, without a fragment", r, o.Origin)
		}
		p.redirect[r] = true
	}
	return nil
}

// Issuer is the address under which clients find the provider. It has a path, since browsers add a slash to an origin that is
// written as an address, and issuers are compared letter by letter.
func (p *Provider) Issuer() string { return p.options.Origin + strings.TrimSuffix(Path, "/") }

// ServeHTTP answers what is below Path. Whoever serves it has checked Host and Origin.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	p.mux.ServeHTTP(w, r)
}

func (p *Provider) route() {
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET "+PathDiscovery, p.discovery)
	p.mux.HandleFunc("GET "+PathKeys, p.keys)
	p.mux.HandleFunc("GET "+PathAuthorize, p.authorize)
	p.mux.HandleFunc("POST "+PathToken, p.token)
	p.mux.HandleFunc("GET "+PathUserInfo, p.userInfo)
	p.mux.HandleFunc("GET "+PathSignIn, p.signInByLink)
	p.mux.HandleFunc("POST "+PathSignIn, p.signInByPassword)
	p.mux.HandleFunc("GET "+PathSignOut, p.signOut)
	p.mux.HandleFunc("POST "+PathSignOut, p.signOut)
	p.mux.HandleFunc("GET "+pathStyle, serveStyle)
	p.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "invalid_request", "there is nothing here; "+PathDiscovery+" says what there is")
	})
}

// discovery answers as OpenID Connect Discovery 1.0, section 3, has it.
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	at := func(path string) string { return p.options.Origin + path }
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         p.Issuer(),
		"authorization_endpoint":                         at(PathAuthorize),
		"token_endpoint":                                 at(PathToken),
		"userinfo_endpoint":                              at(PathUserInfo),
		"jwks_uri":                                       at(PathKeys),
		"end_session_endpoint":                           at(PathSignOut),
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{string(algorithm)},
		"scopes_supported":                               []string{"openid", "profile", "email", "offline_access"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"code_challenge_methods_supported":               []string{"S256"},
		"claims_supported":                               []string{"sub", "name", "preferred_username", "email", "groups", "sid", "auth_time", "nonce"},
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"authorization_response_iss_parameter_supported": true,
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, p.signer.public)
}
