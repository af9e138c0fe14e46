// Package front is the HTTP side of the hub on one machine: who may speak to it, and what it answers where.
package front

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
)

// Options describe a front.
type Options struct {
	Address string       // that is listened on, host:port: requests have to name it
	Token   string       // that programs of the same person show as a bearer token
	Owner   string       // name of the person whom the token stands for
	GraphQL http.Handler // finds who asks in the request's context
	Version string
}

// New returns the handler of everything that the hub serves.
func New(o Options) http.Handler {
	f := &front{Options: o, hosts: hosts(o.Address)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", f.health)
	mux.Handle("/graphql", f.signedIn(o.GraphQL))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.200q; the API is at /graphql, and dth task speaks to it", r.URL.Path))
	})
	return f.guarded(mux)
}

type front struct {
	Options
	hosts map[string]bool
}

// hosts are the names under which a server on an address may be asked. A page of another site that had its name point here
// would send its own.
func hosts(address string) map[string]bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return map[string]bool{address: true}
	}
	names := map[string]bool{address: true}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		names["localhost:"+port], names["127.0.0.1:"+port], names["[::1]:"+port] = true, true, true
	}
	return names
}

// guarded refuses requests that a page of another site makes in a browser of this machine.
func (f *front) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !f.hosts[strings.ToLower(r.Host)] {
			refuse(w, http.StatusForbidden, fmt.Sprintf("the request names the host %.200q; this hub answers to %s", r.Host, f.Address))
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			from, err := url.Parse(origin)
			if err != nil || !f.hosts[strings.ToLower(from.Host)] {
				refuse(w, http.StatusForbidden, fmt.Sprintf("pages of %.200q may not speak to this hub", origin))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// signedIn lets those through who show the token.
func (f *front) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer || subtle.ConstantTimeCompare([]byte(shown), []byte(f.Token)) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="dth"`)
			refuse(w, http.StatusUnauthorized, "nobody is signed in; show the token of the file token in the hub's data folder as a bearer token")
			return
		}
		next.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), task.Caller{Name: f.Owner, Role: task.Admin})))
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

// Server returns a server with bounds for slow and silent callers.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}

// Listen opens the address. One that others on the network could reach is refused, and one that is taken is named.
func Listen(address, flag string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %q: allowed is HOST:PORT, such as 127.0.0.1:8080: %w", flag, address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s: %q: others on the network could reach it; allowed are loopback addresses, such as 127.0.0.1:8080", flag, address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %s cannot be listened on, perhaps another program has the port; choose another, such as 127.0.0.1:0 for any that is free: %w", flag, address, err)
	}
	return l, nil
}

// Token returns the token in a file that only its owner may read, and makes it at first.
func Token(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		if token := strings.TrimSpace(string(text)); len(token) >= 32 {
			return token, nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("token of the hub: %w", err)
	}
	token := rand.Text() + rand.Text()
	file, err := os.CreateTemp(filepath.Dir(path), ".token-*") // which only its owner may read
	if err != nil {
		return "", fmt.Errorf("token of the hub: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(token + "\n")
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("token of the hub: %w", err)
	}
	return token, nil
}
