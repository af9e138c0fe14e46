package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// speech knows whether a registry is spoken to without TLS.
type speech struct {
	host         string
	plain, local bool // as told; on a loopback address

	mu    sync.Mutex
	known bool // what a local server speaks
	tls   bool
}

// localAnswer bounds how long a local server is waited for.
const localAnswer = 2 * time.Second

// isPlain returns what was told, or how a local server speaks itself. One that does not answer is asked again the next time.
func (s *speech) isPlain() bool {
	if s.plain || !s.local {
		return s.plain
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.known, s.tls = speaksTLS(s.host)
	}
	return !s.tls
}

// speaksTLS makes the first step of a connection by TLS with a server on this machine. Nothing is sent to it, and its certificate is
// judged later, by whoever speaks with it.
func speaksTLS(host string) (known, speaks bool) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "443")
	}
	ctx, cancel := context.WithTimeout(context.Background(), localAnswer)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it is only looked whether this is TLS
	err = client.HandshakeContext(ctx)
	if err == nil {
		return true, true
	}
	// A server that speaks TLS may want something else of its clients, and says so by TLS.
	var alert tls.AlertError
	return true, errors.As(err, &alert)
}

// loopback reports whether a host is this machine itself.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && a.IsLoopback()
}

// guard sees to it that nothing is said plainly to a registry that is to be spoken to by TLS. The library below falls back to plain
// HTTP at hosts whose names look private (10.x, 172.16.x, 192.168.x, .local), with the password.
// https://github.com/google/go-containerregistry/blob/main/pkg/name/registry.go
type guard struct {
	next  http.RoundTripper
	host  string // that requests to the registry itself go to
	plain func() bool
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.plain() {
		return g.next.RoundTrip(req)
	}
	asked := req.URL.Scheme
	if asked == "http" && req.URL.Host != g.host {
		return nil, fmt.Errorf("registry %s names %s, which is spoken to without TLS; it is not asked", g.host, req.URL.Host)
	}
	out := req.Clone(req.Context())
	out.URL.Scheme = "https"
	resp, err := g.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	// The library compares the scheme of a page's link with the one that it believes in.
	told := *req
	address := *req.URL
	told.URL = &address
	if at, err := name.NewRegistry(g.host); err == nil && req.URL.Host == g.host {
		told.URL.Scheme = at.Scheme()
	}
	resp.Request = &told
	return resp, nil
}
