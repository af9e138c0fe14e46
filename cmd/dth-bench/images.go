package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/datatransferhub/dth/worker/image/imagetest"
)

// password is of the bench's own registries, which live as long as the bench; hashed is how Debian's keeps it.
const (
	password = "of the bench"
	hashed   = "bench:$2a$04$DxeaTBwP9gzALjfzJKU.k.NfiJnZmBhmxNs0fbWOKczBy0NrSCbN."
)

// images measures copies of images between two registries of different make, both with sign-in and TLS: version 3 of the CNCF's
// distribution, and Debian's docker-registry.
type images struct {
	bin, scratch       string
	repositories, tags int
	source             string   // host:port
	proxy, other       *counter // of two destinations: what one program has brought is no help to the other
	cert, key          string   // files in PEM
	starts             string   // file with a line for each start of skopeo
	transport          *http.Transport
	rows               []measured
	want               map[string]string // digest by repository and reference
	list               strings.Builder
}

// counter stands in front of the destination, and counts what is written there.
type counter struct {
	*httptest.Server
	mu      sync.Mutex
	layers  map[string]int // uploads of a blob by repository and digest
	written int            // manifests
}

// newCounter stands in front of a registry with its certificate, and trusts it.
func newCounter(host string, transport http.RoundTripper, pair tls.Certificate) *counter {
	c := &counter{layers: map[string]int{}}
	target := &url.URL{Scheme: "https", Host: host}
	proxy := &httputil.ReverseProxy{Transport: transport, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repository, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
		c.mu.Lock()
		switch {
		case r.Method == http.MethodPut && rest != "":
			c.layers[repository+" "+r.URL.Query().Get("digest")]++
		case r.Method == http.MethodPut:
			c.written++
		}
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	c.StartTLS()
	return c
}

func (c *counter) host() string { return strings.TrimPrefix(c.URL, "https://") }

// take returns what was counted since it was last asked: uploads, how many were of a layer that its repository had got before, and
// manifests.
func (c *counter) take() (uploads, again, manifests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.layers {
		uploads += n
		again += n - 1
	}
	manifests = c.written
	c.layers, c.written = map[string]int{}, 0
	return uploads, again, manifests
}

func measureImages(ctx context.Context, args []string) (err error) {
	b := &images{want: map[string]string{}}
	fs := flag.NewFlagSet("dth-bench images", flag.ContinueOnError)
	fs.StringVar(&b.bin, "bin", besideSelf(), "folder with dth and dth-sample")
	fs.IntVar(&b.repositories, "repositories", 60, "repositories")
	fs.IntVar(&b.tags, "tags", 400, "tags in all")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if why := imagetest.Missing(); why != "" {
		return errors.New(why)
	}
	if b.scratch, err = os.MkdirTemp("", "dth-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch)
	stop, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := b.fill(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	return b.judge(os.Stdout)
}

// start starts both registries.
func (b *images) start(ctx context.Context) (stop func(), err error) {
	b.cert, b.key = filepath.Join(b.scratch, "cert.pem"), filepath.Join(b.scratch, "key.pem")
	pool, err := certificate(b.cert, b.key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(b.cert, b.key)
	if err != nil {
		return nil, err
	}
	b.transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16}
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "dth-sample"), "serve", "registry", "--data", filepath.Join(b.scratch, "source"), "--user", "bench", "--certificate", b.cert, "--key", b.key)
	cmd.Env = append(os.Environ(), "DTH_SAMPLE_SECRET="+password)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the source: %w", err)
	}
	var ready struct{ Host string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		return nil, fmt.Errorf("starting the source: %w", err)
	}
	b.source = ready.Host
	var stops []func()
	for _, proxy := range []**counter{&b.proxy, &b.other} {
		to, err := imagetest.StartLocked(ctx, filepath.Join(b.scratch, fmt.Sprintf("destination-%d", len(stops))), "127.0.0.1:0", imagetest.Locks{
			Certificate: b.cert, Key: b.key, Users: hashed, Client: &http.Client{Transport: b.transport},
		})
		if err != nil {
			return nil, err
		}
		*proxy = newCounter(to.Host, b.transport, pair)
		stops = append(stops, (*proxy).Close, to.Stop)
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
		_ = in.Close()
		_ = cmd.Wait() // it was told to end
	}, nil
}

// certificate writes a certificate for the loopback address, and returns who trusts it.
func certificate(path, keyPath string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool, errors.Join(os.WriteFile(path, text, 0o600), os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func (b *images) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: "bench", Password: password}), remote.WithTransport(b.transport)}
}

// fill writes tags over all repositories: every sixth is an image for two architectures, half of those name
// the type of an artifact, which old versions of skopeo leave out; every tenth has a signature and an SBOM. Each
// repository has one manifest without a tag, which the list names by its digest. All images share a base.
func (b *images) fill(ctx context.Context) error {
	f := imagetest.Filler{Host: b.source, Base: 1 << 20, Layer: 32 << 10, Options: b.options(ctx)}
	for n := range b.tags {
		repository, tag := fmt.Sprintf("team/app-%02d", n%b.repositories), fmt.Sprintf("1.%d", n/b.repositories)
		write := f.Write
		if n%6 == 0 {
			write = func(ctx context.Context, repository, tag string, seed uint64) (string, error) {
				return f.WriteIndex(ctx, repository, tag, seed, n%12 == 0)
			}
		}
		digest, err := write(ctx, repository, tag, uint64(n))
		if err != nil {
			return err
		}
		b.want[repository+" "+tag] = digest
		if n%10 != 0 {
			continue
		}
		for _, kind := range []string{"application/vnd.example.signature", "application/vnd.example.sbom"} {
			referrer, err := f.Refer(ctx, repository, digest, kind)
			if err != nil {
				return err
			}
			b.want[repository+" "+referrer] = referrer
		}
	}
	for n := range b.repositories {
		repository := fmt.Sprintf("team/app-%02d", n)
		digest, err := f.Write(ctx, repository, "moved", uint64(100_000+n))
		if err != nil {
			return err
		}
		if _, err := f.Write(ctx, repository, "moved", uint64(200_000+n)); err != nil {
			return err
		}
		b.want[repository+" "+digest] = digest
		fmt.Fprintf(&b.list, "%s:ALL_TAGS\n%s@%s\n", repository, repository, digest)
	}
	return nil
}
