// Package loopback gives a simulator an address on this machine and counts the connections to it.
package loopback

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is an HTTP server that is started once. The zero value with a Handler is ready.
type Server struct {
	Handler http.Handler
	// Names are the host names of the certificate beside 127.0.0.1 and localhost.
	Names []string

	http     http.Server
	url      string
	done     chan struct{}
	handlers handlers

	opened, open, peak atomic.Int64
}

// Connections are figures since the start.
type Connections struct {
	Opened, Open, Peak int64
}

// Connections returns the figures.
func (s *Server) Connections() Connections {
	return Connections{s.opened.Load(), s.open.Load(), s.peak.Load()}
}

// Start listens at an address such as 127.0.0.1:0 and returns it as a URL. Close ends it.
func (s *Server) Start(address string) (string, error) { return s.listen(address, nil) }

// StartTLS is Start with TLS. The certificate is in the pool that is returned.
func (s *Server) StartTLS(address string) (string, *x509.CertPool, error) {
	cert, err := certificate(s.Names)
	if err != nil {
		return "", nil, fmt.Errorf("make a certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	url, err := s.listen(address, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	return url, pool, err
}

func (s *Server) listen(address string, config *tls.Config) (string, error) {
	if s.url != "" {
		return "", errors.New("the server listens already at " + s.url)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for a simulator: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	if config != nil {
		s.url = "https://" + l.Addr().String()
		l = tls.NewListener(l, config)
	}
	s.http = http.Server{
		Handler: s, ConnState: s.connection, ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // broken connections are what a simulator is there for
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // ends with ErrServerClosed
	}()
	return s.url, nil
}

// URL returns the address, empty before Start.
func (s *Server) URL() string { return s.url }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.handlers.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.handlers.end()
	s.Handler.ServeHTTP(w, r)
}

// connection follows the state of the connections.
func (s *Server) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.opened.Add(1)
		Raise(&s.peak, s.open.Add(1))
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

// Raise lifts a peak to a value that may be above it.
func Raise(peak *atomic.Int64, to int64) {
	for {
		was := peak.Load()
		if to <= was || peak.CompareAndSwap(was, to) {
			return
		}
	}
}

// Close ends the server and its connections, and returns when no request is handled any more.
func (s *Server) Close() {
	if s.done != nil {
		_ = s.http.Close() // connections that are left are cut
		<-s.done
	}
	s.handlers.close()
}

// handlers counts the requests that are being handled.
type handlers struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   sync.Cond
}

func (h *handlers) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.n++
	return true
}

func (h *handlers) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n--; h.n == 0 && h.closed {
		h.idle.Broadcast()
	}
}

// close admits nothing more and waits for what is there.
func (h *handlers) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.idle.L = &h.mu
	for h.n > 0 {
		h.idle.Wait()
	}
}

// T is what a helper needs of a test to start a simulator for its length.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

func certificate(names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulator"},
		DNSNames: append([]string{"localhost", "*.localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
