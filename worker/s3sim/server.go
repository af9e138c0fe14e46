package s3sim

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
	"time"
)

type server struct {
	http http.Server
	url  string
	done chan struct{}
}

// Start listens on a free port of 127.0.0.1 and returns the address as a URL. Close ends it.
func (s *Sim) Start() (string, error) { return s.listen("127.0.0.1:0", nil) }

// StartAt is Start on an address of the caller's choice.
func (s *Sim) StartAt(address string) (string, error) { return s.listen(address, nil) }

// StartTLS is Start with TLS. The certificate, which names 127.0.0.1, localhost and Options.Domain with all
// buckets in it, is in the pool that is returned.
func (s *Sim) StartTLS() (string, *x509.CertPool, error) {
	cert, err := s.certificate()
	if err != nil {
		return "", nil, fmt.Errorf("make a certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	url, err := s.listen("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	return url, pool, err
}

func (s *Sim) listen(address string, config *tls.Config) (string, error) {
	if s.server != nil {
		return "", errors.New("the store listens already at " + s.server.url)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for the simulated store: %w", err)
	}
	v := &server{url: "http://" + l.Addr().String(), done: make(chan struct{})}
	if config != nil {
		v.url = "https://" + l.Addr().String()
		l = tls.NewListener(l, config)
	}
	v.http = http.Server{
		Handler: s, ConnState: s.counters.connection, ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // broken connections are what it is there for
	}
	s.server = v
	go func() {
		defer close(v.done)
		_ = v.http.Serve(l) // ends with ErrServerClosed
	}()
	return v.url, nil
}

// URL returns the address, empty before Start.
func (s *Sim) URL() string {
	if s.server == nil {
		return ""
	}
	return s.server.url
}

// Close ends the server, its connections and whatever stalls, and returns when no request is handled any more.
func (s *Sim) Close() {
	s.once.Do(func() {
		close(s.closing)
		if s.server != nil {
			_ = s.server.http.Close() // connections that are left are cut
			<-s.server.done
		}
		s.handlers.close()
	})
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

// T is what Run needs of a test.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Run starts a store for the length of a test.
func Run(t T, o Options) *Sim {
	t.Helper()
	s := New(o)
	if _, err := s.Start(); err != nil {
		t.Fatalf("start the simulated store: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Sim) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	names := []string{"localhost", "*.localhost"}
	if d := s.options.Domain; d != "" {
		names = append(names, d, "*."+d)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "s3sim"}, DNSNames: names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
