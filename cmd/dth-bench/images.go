package main

import (
	"bytes"
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
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/datatransferhub/dth/worker/image/imagetest"
)

// password is of the bench's own registry, which lives as long as the bench.
const password = "of the bench"

// images measures copies of images between two registries: the CNCF's distribution, with sign-in and TLS, and Debian's docker-registry.
type images struct {
	bin, scratch       string
	repositories, tags int
	source             string   // host:port
	proxy, other       *counter // of two destinations: what one program has brought is no help to the other
	cert               string   // file in PEM
	transport          http.RoundTripper
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

func newCounter(host string) *counter {
	c := &counter{layers: map[string]int{}}
	target := &url.URL{Scheme: "http", Host: host}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	return c
}

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
	return b.measure(ctx)
}

// start starts both registries.
func (b *images) start(ctx context.Context) (stop func(), err error) {
	key := filepath.Join(b.scratch, "key.pem")
	b.cert = filepath.Join(b.scratch, "cert.pem")
	pool, err := certificate(b.cert, key)
	if err != nil {
		return nil, err
	}
	b.transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16}
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "dth-sample"), "serve", "registry", "--data", filepath.Join(b.scratch, "source"), "--user", "bench", "--certificate", b.cert, "--key", key)
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
		to, err := imagetest.Start(ctx, filepath.Join(b.scratch, fmt.Sprintf("destination-%d", len(stops))), "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*proxy = newCounter(to.Host)
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

// fill writes tags over all repositories: every sixth is an image for two architectures, every tenth has a signature and an SBOM. Each
// repository has one manifest without a tag, which the list names by its digest. All images share a base.
func (b *images) fill(ctx context.Context) error {
	f := imagetest.Filler{Host: b.source, Base: 1 << 20, Layer: 32 << 10, Options: b.options(ctx)}
	for n := range b.tags {
		repository, tag := fmt.Sprintf("team/app-%02d", n%b.repositories), fmt.Sprintf("1.%d", n/b.repositories)
		write := f.Write
		if n%6 == 0 {
			write = func(ctx context.Context, repository, tag string, seed uint64) (string, error) {
				return f.WriteIndex(ctx, repository, tag, seed, false)
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

// row is one measured program.
func (b *images) row(program string, cmd *exec.Cmd, began time.Time, prefix string) error {
	took := time.Since(began)
	uploads, again, manifests := b.proxy.take()
	same, err := b.same(prefix)
	if err != nil {
		return err
	}
	p := cmd.ProcessState
	fmt.Printf("| %s | %.1f | %.1f | %d | %d | %d | %d of %d |\n", program, took.Seconds(), (p.UserTime() + p.SystemTime()).Seconds(), uploads, again, manifests, same, len(b.want))
	return nil
}

// same counts what the destination holds with the digest of the source.
func (b *images) same(prefix string) (n int, err error) {
	for at, digest := range b.want {
		repository, reference, _ := strings.Cut(at, " ")
		joint := ":"
		if strings.Contains(reference, ":") {
			joint = "@"
		}
		ref, err := name.ParseReference(strings.TrimPrefix(b.proxy.URL, "http://")+"/"+prefix+strings.TrimPrefix(repository, "team/")+joint+reference, name.Insecure)
		if err != nil {
			return n, err
		}
		if d, err := remote.Head(ref); err == nil && d.Digest.String() == digest {
			n++
		}
	}
	return n, nil
}

func (b *images) measure(ctx context.Context) error {
	to := strings.TrimPrefix(b.proxy.URL, "http://")
	list, secrets := filepath.Join(b.scratch, "list"), filepath.Join(b.scratch, "secrets")
	login, err := json.Marshal(map[string]string{"username": "bench", "password": password})
	if err == nil {
		err = errors.Join(os.WriteFile(list, []byte(b.list.String()), 0o600), os.Mkdir(secrets, 0o700), os.WriteFile(filepath.Join(secrets, "bench.json"), login, 0o600))
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d repositories, %d tags, %d references in all\n\n", b.repositories, b.tags+b.repositories, len(b.want))
	fmt.Print("| program | seconds | CPU seconds | layers sent | of those again | manifests written | digests equal |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, run := range []string{"dth images copy", "the same again"} {
		cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "dth"), "images", "copy", b.source, to+"/dth", "--src-credential", "bench", "--secrets", secrets, "--src-image-list", "@"+list)
		if err := b.run(run, cmd, "dth/team/"); err != nil {
			return err
		}
	}
	b.proxy = b.other
	return b.sync(ctx, strings.TrimPrefix(b.proxy.URL, "http://"))
}

func (b *images) run(program string, cmd *exec.Cmd, prefix string) error {
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+b.cert, "HOME="+b.scratch)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, said.String())
	}
	return b.row(program, cmd, began, prefix)
}

// sync has skopeo do what it can of the same: it knows no list of digests, and brings no referrers but those that have tags.
func (b *images) sync(ctx context.Context, to string) error {
	var y strings.Builder
	fmt.Fprintf(&y, "%q:\n  tls-verify: true\n  credentials:\n    username: bench\n    password: %q\n  images:\n", b.source, password)
	for n := range b.repositories {
		fmt.Fprintf(&y, "    team/app-%02d: []\n", n)
	}
	file := filepath.Join(b.scratch, "sync.yml")
	if err := os.WriteFile(file, []byte(y.String()), 0o600); err != nil {
		return err
	}
	for _, run := range []string{"skopeo sync", "the same again"} {
		cmd := exec.CommandContext(ctx, "skopeo", "sync", "--all", "--keep-going", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false", file, to+"/sync")
		if err := b.run(run, cmd, "sync/"); err != nil {
			return err
		}
	}
	return nil
}
