package front

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Way says how the hub is to be reached.
type Way struct {
	Listen           string // HOST:PORT; port 0 is any that is free
	Certificate, Key string // PEM files; "": without TLS
	Password         bool   // the owner has set one
}

// Door is where the hub is reached.
type Door struct {
	Origin      string   // SCHEME://HOST[:PORT] under which browsers know it
	Hosts       []string // that requests may name, HOST[:PORT] in small letters
	Certificate []byte   // PEM, the chain that it shows; nil: without TLS

	listener net.Listener
	tls      *tls.Config
}

// Open listens. An address that others on the network could reach needs a certificate and a password, and the error says so;
// one that is taken is named. Errors name the flags and commands of dth local.
func Open(way Way) (*Door, error) {
	host, _, err := net.SplitHostPort(way.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %q: allowed is HOST:PORT, such as 127.0.0.1:8080: %w", way.Listen, err)
	}
	if !loopback(host) {
		var lacks []string
		if way.Certificate == "" {
			lacks = append(lacks, "a certificate (--tls-cert, --tls-key)")
		}
		if !way.Password {
			lacks = append(lacks, "a password (dth local password)")
		}
		if len(lacks) > 0 {
			return nil, fmt.Errorf("--listen: %q: others on the network could reach it, so it needs %s; or listen on loopback, such as 127.0.0.1:8080",
				way.Listen, strings.Join(lacks, " and "))
		}
	}
	d := &Door{}
	var leaf *x509.Certificate
	if way.Certificate != "" || way.Key != "" {
		if leaf, err = d.secure(way); err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
	}
	if d.listener, err = net.Listen("tcp", way.Listen); err != nil {
		return nil, fmt.Errorf("--listen: %s cannot be listened on, perhaps another program has the port; choose another, such as 127.0.0.1:0 for any that is free: %w", way.Listen, err)
	}
	if err := d.name(host, leaf); err != nil {
		return nil, errors.Join(fmt.Errorf("--tls-cert, --tls-key: %w", err), d.listener.Close())
	}
	return d, nil
}

// loopback reports whether only this machine reaches a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// secure reads the certificate.
func (d *Door) secure(way Way) (*x509.Certificate, error) {
	if way.Certificate == "" || way.Key == "" {
		return nil, errors.New("both files are needed")
	}
	pair, err := tls.LoadX509KeyPair(way.Certificate, way.Key)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		return nil, fmt.Errorf("the certificate holds from %s to %s, and now is %s; get a new one, or set the clock",
			pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	d.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	for _, one := range pair.Certificate {
		d.Certificate = append(d.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one})...)
	}
	return pair.Leaf, nil
}

// name finds the names under which the hub may be asked for. A page of another site that had its name point here would ask for
// its own. With a certificate they are those of it, since browsers take no others.
func (d *Door) name(host string, leaf *x509.Certificate) error {
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		return err
	}
	scheme, usual := "http", "80"
	var names []string
	switch {
	case leaf != nil:
		scheme, usual = "https", "443"
		if names = certified(leaf, host); len(names) == 0 {
			return errors.New("the certificate names no host; it needs a DNS name without a wildcard, or an IP address")
		}
	default:
		own, _, _ := net.SplitHostPort(d.listener.Addr().String()) // split before
		names = []string{own, "127.0.0.1", "localhost", "::1"}
	}
	for _, name := range names {
		d.Hosts = append(d.Hosts, strings.ToLower(net.JoinHostPort(name, port)))
		if port == usual {
			d.Hosts = append(d.Hosts, bracketed(strings.ToLower(name)))
		}
	}
	d.Origin = scheme + "://" + d.Hosts[0]
	if port == usual {
		d.Origin = scheme + "://" + d.Hosts[1] // browsers leave the usual port out
	}
	return nil
}

func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// certified returns the hosts that a certificate names, the one that is listened on first.
func certified(leaf *x509.Certificate, host string) []string {
	names := slices.DeleteFunc(slices.Clone(leaf.DNSNames), func(name string) bool { return strings.Contains(name, "*") })
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if host != "" && !slices.Contains(names, host) && leaf.VerifyHostname(bracketed(host)) == nil { // by a wildcard
		names = append(names, host)
	}
	if i := slices.Index(names, host); i > 0 {
		names[0], names[i] = names[i], names[0]
	}
	return names
}

// Address is what is listened on.
func (d *Door) Address() string { return d.listener.Addr().String() }

// Serve answers until the server is shut down, http.ErrServerClosed, or something breaks.
func (d *Door) Serve(s *http.Server) error {
	if d.tls == nil {
		return s.Serve(d.listener)
	}
	s.TLSConfig = d.tls
	return s.ServeTLS(d.listener, "", "")
}

// Close stops listening.
func (d *Door) Close() error { return d.listener.Close() }

// Server returns a server with bounds for slow and silent callers.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}
