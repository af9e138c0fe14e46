// Package front is the HTTP side of the hub on one machine: who may speak to it, and what it answers where.
//
//	/            the console's files; a path without an extension is one of its pages
//	/config.json tells the console where it is
//	/graphql     the API, for whoever shows a token
//	/oidc/       the sign-in, package oidc
//	/healthz     answers everybody
package front

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/local/oidc"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// Options describe a front.
type Options struct {
	Origin  string         // under which browsers know the hub: SCHEME://HOST[:PORT]
	Hosts   []string       // that requests may name, HOST[:PORT] in small letters; that of the origin is always among them
	Token   string         // that programs of the same person show as a bearer token
	Owner   string         // name of the person whom the token stands for
	GraphQL http.Handler   // finds who asks in the request's context
	SignIn  *oidc.Provider // signs people in at the console
	Console fs.FS          // the console's files; nil: this build has none, and a page says so
	Version string
}

// PathLink is where a program that shows the token gets a sign-in link, by POST: {"link": ADDRESS, "ends": TIME}.
const PathLink = "/oidc/link"

// pathAPI is where the API is.
const pathAPI = "/graphql"

// New returns the handler of everything that the hub serves.
func New(o Options) http.Handler {
	f := &front{Options: o, hosts: map[string]bool{}, origins: map[string]bool{}}
	scheme, own, _ := strings.Cut(o.Origin, "://")
	f.own = strings.ToLower(own)
	for _, host := range append(slices.Clone(o.Hosts), f.own) {
		f.hosts[host], f.origins[scheme+"://"+host] = true, true
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", f.health)
	mux.HandleFunc("GET /"+wiring.ConfigKey, f.configuration)
	mux.HandleFunc("POST "+PathLink, f.link)
	mux.HandleFunc(pathAPI, f.api)
	mux.Handle(oidc.Path, o.SignIn)
	mux.Handle("/", newSite(o.Console))
	return f.guarded(mux)
}

type front struct {
	Options
	own     string // host of the origin
	hosts   map[string]bool
	origins map[string]bool
}

// guarded refuses what a page of another site asks for in a browser of this machine. Such a page may have had its own name point
// here, so the name that a request is for is looked at, too.
func (f *front) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		host, origin := strings.ToLower(r.Host), r.Header.Get("Origin")
		switch {
		case !f.hosts[host]:
			refuse(w, http.StatusForbidden, fmt.Sprintf("the request names the host %.200q; this hub answers to %s", r.Host, f.Origin))
		case origin != "" && !f.origins[strings.ToLower(origin)]:
			refuse(w, http.StatusForbidden, fmt.Sprintf("pages of %.200q may not speak to this hub", origin))
		case host != f.own && isPage(r):
			// The sign-in leads back to one address, and browsers keep what belongs to another apart.
			h.Set("Cache-Control", "no-store")
			http.Redirect(w, r, f.Origin+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isPage reports whether a request is for something that a person looks at.
func isPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != pathAPI && r.URL.Path != "/healthz"
}

// api lets those through to the API who show a token: the one of the file, or one that the sign-in gave.
func (f *front) api(w http.ResponseWriter, r *http.Request) {
	shown := shownBy(r)
	caller := task.Caller{Name: f.Owner, Role: task.Admin}
	if !f.isOwner(shown) {
		person, err := f.SignIn.Identify(shown)
		if err != nil {
			nobody(w, err)
			return
		}
		caller = task.Caller{Name: person.Name, Role: task.Highest(person.Groups)}
	}
	f.GraphQL.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), caller)))
}

// shownBy returns the token of a request. The console sends it bare, as AppSync takes it.
func shownBy(r *http.Request) string {
	shown := r.Header.Get("Authorization")
	if kind, token, found := strings.Cut(shown, " "); found && strings.EqualFold(kind, "Bearer") {
		return token
	}
	return shown
}

func (f *front) isOwner(shown string) bool {
	return f.Token != "" && subtle.ConstantTimeCompare([]byte(shown), []byte(f.Token)) == 1
}

func nobody(w http.ResponseWriter, err error) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="dth"`)
	refuse(w, http.StatusUnauthorized, fmt.Sprintf("nobody is signed in: %v; sign in at the console, or show what the file token in the hub's data folder has as a bearer token", err))
}

// link gives a sign-in link to programs that can read the hub's data folder.
func (f *front) link(w http.ResponseWriter, r *http.Request) {
	if !f.isOwner(shownBy(r)) {
		nobody(w, errors.New("links are for who can read the hub's data folder"))
		return
	}
	address, ends := f.SignIn.NewLink()
	answer(w, http.StatusOK, map[string]string{"link": address, "ends": ends.UTC().Format(time.RFC3339)})
}

// configuration tells the console where it is, as the site configuration of a hub in the cloud does.
func (f *front) configuration(w http.ResponseWriter, _ *http.Request) {
	home := f.Origin + "/"
	answer(w, http.StatusOK, map[string]any{
		"mode": "local", "version": f.Version, "region": "", "partition": "", "hub": "", "api": f.Origin + pathAPI,
		"signIn": map[string]string{
			"issuer": f.SignIn.Issuer(), "clientId": oidc.ClientID, "scope": "openid profile email", "groupsClaim": "groups",
			"redirectUri": home, "logoutUri": home, "logoutEndpoint": "",
		},
	})
}

func (f *front) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok", "version": f.Version})
}

// refuse answers in the form of GraphQL errors, which callers of any path can read.
func refuse(w http.ResponseWriter, status int, message string) {
	code := task.Invalid
	switch status {
	case http.StatusUnauthorized:
		code = task.Unauthenticated
	case http.StatusForbidden:
		code = task.Forbidden
	case http.StatusNotFound:
		code = task.NotFound
	}
	answer(w, status, map[string]any{"errors": []any{map[string]any{"message": message, "extensions": map[string]string{"code": string(code)}}}})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that went away needs no answer
}
