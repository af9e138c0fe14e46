package s3sim

import (
	"crypto/x509"

	"github.com/datatransferhub/dth/worker/s3sim/loopback"
)

// Start listens on a free port of 127.0.0.1 and returns the address as a URL. Close ends it.
func (s *Sim) Start() (string, error) { return s.server.Start("127.0.0.1:0") }

// StartAt is Start on an address of the caller's choice.
func (s *Sim) StartAt(address string) (string, error) { return s.server.Start(address) }

// StartTLS is Start with TLS. The certificate, which names 127.0.0.1, localhost and Options.Domain with all
// buckets in it, is in the pool that is returned.
func (s *Sim) StartTLS() (string, *x509.CertPool, error) {
	if d := s.options.Domain; d != "" {
		s.server.Names = []string{d, "*." + d}
	}
	return s.server.StartTLS("127.0.0.1:0")
}

// URL returns the address, empty before Start.
func (s *Sim) URL() string { return s.server.URL() }

// Close ends the server, its connections and whatever stalls, and returns when no request is handled any more.
func (s *Sim) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.server.Close()
	})
}

// Run starts a store for the length of a test.
func Run(t loopback.T, o Options) *Sim {
	t.Helper()
	s := New(o)
	if _, err := s.Start(); err != nil {
		t.Fatalf("start the simulated store: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}
