package front_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/local/front"
)

// certificate writes a certificate and its key, for names and IP addresses.
func certificate(t *testing.T, from, to time.Time, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hub"}, NotBefore: from, NotAfter: to}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			about.IPAddresses = append(about.IPAddresses, ip)
		} else {
			about.DNSNames = append(about.DNSNames, name)
		}
	}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return write(t, dir, "hub.pem", "CERTIFICATE", signed), write(t, dir, "hub.key", "PRIVATE KEY", text)
}

func write(t *testing.T, dir, name, kind string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Ways by which the hub would be open to others, or not reached at all.
func TestDoorIsRefused(t *testing.T) {
	now := time.Now()
	cert, key := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "hub.example.com")
	old, oldKey := certificate(t, now.Add(-2*time.Hour), now.Add(-time.Hour), "hub.example.com")
	nameless, namelessKey := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "*.example.com")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		way  front.Way
		want []string
	}{
		"no port":                       {front.Way{Listen: "127.0.0.1"}, []string{"--listen", "HOST:PORT"}},
		"the network":                   {front.Way{Listen: "0.0.0.0:0"}, []string{"--tls-cert", "dth local password", "loopback"}},
		"all addresses":                 {front.Way{Listen: ":0"}, []string{"--tls-cert", "dth local password"}},
		"a name of the network":         {front.Way{Listen: "hub.example.com:0"}, []string{"--tls-cert"}},
		"the network, without password": {front.Way{Listen: "0.0.0.0:0", Certificate: cert, Key: key}, []string{"dth local password"}},
		"the network, without TLS":      {front.Way{Listen: "0.0.0.0:0", Password: true}, []string{"--tls-cert"}},
		"a certificate without its key": {front.Way{Listen: "127.0.0.1:0", Certificate: cert}, []string{"--tls-key", "both"}},
		"the key of another":            {front.Way{Listen: "127.0.0.1:0", Certificate: cert, Key: oldKey}, []string{"--tls-cert", "match"}},
		"one that has ended":            {front.Way{Listen: "127.0.0.1:0", Certificate: old, Key: oldKey}, []string{"clock"}},
		"one that names no host":        {front.Way{Listen: "127.0.0.1:0", Certificate: nameless, Key: namelessKey}, []string{"wildcard"}},
		"a port that is taken":          {front.Way{Listen: taken.Addr().String()}, []string{taken.Addr().String(), "choose another"}},
	} {
		d, err := front.Open(tt.way)
		if err == nil {
			t.Errorf("%s: it is open", name)
			_ = d.Close()
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error lacks %q: %v", name, want, err)
			}
		}
	}
}

// Under which names the hub is reached.
func TestDoorNames(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		listen string
		cert   []string
		origin string
		hosts  []string
	}{
		"loopback":               {"127.0.0.1:0", nil, "http://127.0.0.1:PORT", []string{"localhost:PORT", "[::1]:PORT", "127.0.0.1:PORT"}},
		"localhost":              {"localhost:0", nil, "http://127.0.0.1:PORT", []string{"localhost:PORT"}},
		"another of loopback":    {"127.0.0.2:0", nil, "http://127.0.0.2:PORT", []string{"127.0.0.2:PORT"}},
		"all, by a certificate":  {"0.0.0.0:0", []string{"hub.example.com", "10.0.0.7"}, "https://hub.example.com:PORT", []string{"hub.example.com:PORT", "10.0.0.7:PORT"}},
		"one of a certificate's": {"127.0.0.1:0", []string{"hub.example.com", "127.0.0.1"}, "https://127.0.0.1:PORT", []string{"hub.example.com:PORT"}},
		"by a wildcard":          {"0.0.0.0:0", []string{"*.example.com", "::1"}, "https://[::1]:PORT", []string{"[::1]:PORT"}},
	} {
		way := front.Way{Listen: tt.listen, Password: true}
		if tt.cert != nil {
			way.Certificate, way.Key = certificate(t, now.Add(-time.Hour), now.Add(time.Hour), tt.cert...)
		}
		d, err := front.Open(way)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		defer d.Close()
		_, port, _ := net.SplitHostPort(d.Address())
		fill := func(s string) string { return strings.ReplaceAll(s, "PORT", port) }
		if d.Origin != fill(tt.origin) {
			t.Errorf("%s: the origin is %s", name, d.Origin)
		}
		for _, want := range tt.hosts {
			if !slices.Contains(d.Hosts, fill(want)) {
				t.Errorf("%s: the hosts are %v, want %s among them", name, d.Hosts, fill(want))
			}
		}
		if (d.Certificate != nil) != (tt.cert != nil) {
			t.Errorf("%s: the certificate is %q", name, d.Certificate)
		}
	}
}

// A hub with a certificate answers those who know it, by TLS alone.
func TestDoorServesTLS(t *testing.T) {
	now := time.Now()
	cert, key := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1")
	d, err := front.Open(front.Way{Listen: "127.0.0.1:0", Certificate: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	server := front.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(server) }()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(d.Certificate)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	resp, err := c.Get(d.Origin + "/")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(text) != "hello" || resp.ProtoMajor != 2 {
		t.Errorf("%s: %s", resp.Proto, text)
	}
	if resp, err := http.Get(strings.Replace(d.Origin, "https", "http", 1)); err == nil {
		if resp.Body.Close(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", resp.Status)
		}
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}}
	if resp, err := old.Get(d.Origin); err == nil {
		resp.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
	c.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("it ended with %v", err)
	}
}
