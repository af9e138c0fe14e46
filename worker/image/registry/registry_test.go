package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/registry"
)

// wire takes what would go to a host on the network to a server of the test, and keeps what was said.
type wire struct {
	server *httptest.Server

	mu   sync.Mutex
	said []string // SCHEME HOST, and whether a password was given
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.said = append(w.said, fmt.Sprintf("%s %s %t", req.URL.Scheme, req.URL.Host, req.Header.Get("Authorization") != ""))
	w.mu.Unlock()
	if (req.URL.Scheme == "https") != (w.server.TLS != nil) {
		return nil, errors.New("this server speaks otherwise")
	}
	t := w.server.Client().Transport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, w.server.Listener.Addr().String())
	}
	t.DisableKeepAlives = true
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.ServerName = "example.com" // of the test's certificate
	}
	return t.RoundTrip(req)
}

// pages is a registry that wants a password, and gives its tags by two.
func pages(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != "secret" {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/tags/list") {
		return
	}
	if r.URL.Query().Get("last") == "" {
		w.Header().Set("Link", `</v2/app/tags/list?n=2&last=b>; rel="next"`)
		_, _ = w.Write([]byte(`{"name":"app","tags":["a","b"]}`))
		return
	}
	_, _ = w.Write([]byte(`{"name":"app","tags":["c"]}`))
}

func login(context.Context) (image.Login, error) {
	return image.Login{User: "someone", Password: "secret"}, nil
}

// Nothing is said plainly to a registry on the network unless that was told, however private its address looks; over TLS everything
// works there, pages included.
func TestNothingIsSaidPlainly(t *testing.T) {
	for _, host := range []string{"10.1.2.3:5000", "172.16.0.9", "192.168.1.1:5000", "nas.local", "registry.example.com"} {
		t.Run(host, func(t *testing.T) {
			for _, c := range []struct{ tls, told, works bool }{{true, false, true}, {false, false, false}, {false, true, true}} {
				server := httptest.NewUnstartedServer(http.HandlerFunc(pages))
				if c.tls {
					server.StartTLS()
				} else {
					server.Start()
				}
				w := &wire{server: server}
				r, err := registry.Open(host, registry.Options{Plain: c.told, Login: login, Transport: w})
				if err != nil || r.Plain() != c.told {
					t.Fatalf("plain %t, %v", r.Plain(), err)
				}
				found, err := r.List(t.Context(), "app")
				if (err == nil) != c.works || c.works && len(found) != 3 {
					t.Errorf("%+v: %v %v", c, found, err)
				}
				for _, said := range w.said {
					if strings.HasPrefix(said, "http ") && !c.told {
						t.Errorf("%+v: %s", c, said)
					}
				}
				server.Close()
			}
		})
	}
}

// A registry that sends who signs in to an address without TLS is not followed there.
func TestSignInElsewhereIsNotPlain(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="x"`, other.URL))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	r, err := registry.Open("10.1.2.3", registry.Options{Login: login, Transport: &wire{server: server}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.List(t.Context(), "app"); err == nil || asked {
		t.Errorf("asked %t, %v", asked, err)
	}
}

// On this machine a registry is spoken to as it speaks itself, by its certificate where it has one.
func TestLoopback(t *testing.T) {
	plain, secure := httptest.NewServer(http.HandlerFunc(pages)), httptest.NewTLSServer(http.HandlerFunc(pages))
	defer plain.Close()
	defer secure.Close()
	for _, c := range []struct {
		server    *httptest.Server
		transport http.RoundTripper
		plain     bool
		works     bool
	}{{plain, nil, true, true}, {secure, secure.Client().Transport, false, true}, {secure, nil, false, false}} {
		r, err := registry.Open(c.server.Listener.Addr().String(), registry.Options{Login: login, Transport: c.transport})
		if err != nil {
			t.Fatal(err)
		}
		found, err := r.List(t.Context(), "app")
		if r.Plain() != c.plain || (err == nil) != c.works || c.works && len(found) != 3 {
			t.Errorf("plain %t, %v %v", r.Plain(), found, err)
		}
	}
}

// What registries answer has a class, and the limits that they tell are kept.
func TestAnswersAreClassed(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(status)
	}))
	defer server.Close()
	for code, want := range map[int]failure.Class{
		401: failure.BadCredentials, 403: failure.AccessDenied, 404: failure.NotFound, 429: failure.Throttled, 500: failure.Server, 400: failure.DestinationRefuses,
	} {
		status = code
		r, err := registry.Open(server.Listener.Addr().String(), registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Head(t.Context(), "app", "1")
		if !failure.Is(err, want) || r.Limited().IsZero() != (code != 429) {
			t.Errorf("%d: %v, limited until %s", code, err, r.Limited())
		}
	}
}

// Manifests, blobs, listings and deletions go through a real protocol.
func TestProtocol(t *testing.T) {
	server := imagetest.Plain()
	defer server.Close()
	f := imagetest.Filler{Host: server.Listener.Addr().String(), Base: 100, Layer: 10}
	digest, err := f.Write(t.Context(), "team/app", "1", 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(f.Host, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := r.Repositories(t.Context())
	if err != nil || !slices.Equal(names, []string{"team/app"}) {
		t.Errorf("%v %v", names, err)
	}
	d, content, err := r.Manifest(t.Context(), "team/app", "1")
	if err != nil || d.Digest != digest {
		t.Fatalf("%+v %v", d, err)
	}
	_, config := image.ConfigOf(content)
	blob, err := r.Blob(t.Context(), "team/app", config, 1<<20)
	if err != nil || image.PlatformOf(blob) != "linux/amd64" {
		t.Errorf("%s %v", blob, err)
	}
	if _, err := r.Blob(t.Context(), "team/app", config, 10); !failure.Is(err, failure.TooLarge) {
		t.Errorf("a long blob: %v", err)
	}
	if err := r.Put(t.Context(), "team/app", "2", d.MediaType, content); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), "team/app", "1"); err != nil {
		t.Errorf("deleting a tag: %v", err)
	}
	for reference, there := range map[string]bool{"1": false, "2": true} {
		if _, err := r.Head(t.Context(), "team/app", reference); failure.Is(err, failure.NotFound) == there {
			t.Errorf("%s: %v", reference, err)
		}
	}
}

// Debian's registry removes no tag by itself, and says so; by digest it removes a manifest with its tags.
func TestDeletionByDigest(t *testing.T) {
	if why := imagetest.Missing(); why != "" {
		t.Skip(why)
	}
	server, err := imagetest.Start(t.Context(), t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	f := imagetest.Filler{Host: server.Host, Base: 100, Layer: 10}
	digest, err := f.Write(t.Context(), "app", "1", 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(server.Host, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), "app", "1"); !errors.Is(err, image.ErrByDigest) || !failure.Is(err, failure.DestinationRefuses) {
		t.Errorf("%v", err)
	}
	if err := r.Delete(t.Context(), "app", digest); err != nil {
		t.Error(err)
	}
	if _, err := r.Head(t.Context(), "app", "1"); !failure.Is(err, failure.NotFound) {
		t.Errorf("%v", err)
	}
}
