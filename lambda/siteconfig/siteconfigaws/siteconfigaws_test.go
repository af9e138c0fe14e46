package siteconfigaws_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/lambda/siteconfig"
	"github.com/datatransferhub/dth/lambda/siteconfig/siteconfigaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// edge answers for CloudFront what the test needs, in its documented form, and keeps what it is sent.
// https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_UpdateResponseHeadersPolicy.html
type edge struct{ invalidations, updates []string }

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	const config = `<ResponseHeadersPolicyConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Name>dth-1</Name><SecurityHeadersConfig>` +
		`<FrameOptions><Override>true</Override><FrameOption>DENY</FrameOption></FrameOptions>` +
		`<ContentSecurityPolicy><Override>true</Override><ContentSecurityPolicy>default-src 'none'</ContentSecurityPolicy></ContentSecurityPolicy>` +
		`</SecurityHeadersConfig></ResponseHeadersPolicyConfig>`
	switch {
	case strings.HasSuffix(r.URL.Path, "/invalidation"):
		e.invalidations = append(e.invalidations, r.URL.Path+" "+string(body))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `<Invalidation><Id>I1</Id></Invalidation>`)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/response-headers-policy/H1/config"):
		w.Header().Set("ETag", "tag-1")
		_, _ = io.WriteString(w, config)
	case r.Method == http.MethodPut && r.Header.Get("If-Match") == "tag-1":
		e.updates = append(e.updates, string(body))
		_, _ = io.WriteString(w, `<ResponseHeadersPolicy><Id>H1</Id></ResponseHeadersPolicy>`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Only what is declared is called; files arrive with their headers, and CloudFront is asked as its API says.
func TestSite(t *testing.T) {
	target, err := url.Parse(moto.URL)
	if err != nil {
		t.Fatal(err)
	}
	cloudfront := &edge{}
	mux := http.NewServeMux()
	mux.Handle("/2020-05-31/", cloudfront)
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	server := httptest.NewServer(mux)
	defer server.Close()
	cfg := standinaws.Config(t, server.URL)
	bucket, files, invalidate, headers := siteconfigaws.Actions()
	site := siteconfigaws.Open(standinaws.Only(t, cfg, slices.Concat(bucket, files, invalidate, headers, []string{"s3:GetObject"})))
	direct := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	for _, name := range []string{"releases", "console"} {
		if _, err := direct.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := site.Get(t.Context(), "releases", "x"); !errors.Is(err, siteconfig.ErrMissing) {
		t.Errorf("what is missing: %v", err)
	}
	for i := range 3 {
		f := siteconfig.File{Key: fmt.Sprintf("assets/%d.js", i), Content: []byte("x"), ContentType: "text/javascript", CacheControl: "immutable"}
		if err := site.Put(t.Context(), "console", f); err != nil {
			t.Fatal(err)
		}
	}
	head, err := direct.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("console"), Key: aws.String("assets/1.js")})
	if err != nil || aws.ToString(head.ContentType) != "text/javascript" || aws.ToString(head.CacheControl) != "immutable" {
		t.Errorf("%+v, %v", head, err)
	}
	if content, err := site.Get(t.Context(), "console", "assets/2.js"); err != nil || string(content) != "x" {
		t.Errorf("%q, %v", content, err)
	}
	keys, err := site.Keys(t.Context(), "console")
	if err != nil || !slices.Equal(keys, []string{"assets/0.js", "assets/1.js", "assets/2.js"}) {
		t.Errorf("%v, %v", keys, err)
	}
	if err := site.Remove(t.Context(), "console", append(keys, "gone")); err != nil {
		t.Error(err)
	}
	if keys, err := site.Keys(t.Context(), "console"); err != nil || len(keys) > 0 {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, err := site.Keys(t.Context(), "nowhere"); err != nil || len(keys) > 0 {
		t.Errorf("a bucket that is gone: %v, %v", keys, err)
	}

	if err := site.Invalidate(t.Context(), "E1", "r1"); err != nil || len(cloudfront.invalidations) != 1 ||
		!strings.Contains(cloudfront.invalidations[0], "/distribution/E1/invalidation ") || !strings.Contains(cloudfront.invalidations[0], "<CallerReference>r1</CallerReference>") || !strings.Contains(cloudfront.invalidations[0], "<Path>/*</Path>") {
		t.Errorf("%v, %q", err, cloudfront.invalidations)
	}
	if err := site.Secure(t.Context(), "H1", "default-src 'self'"); err != nil || len(cloudfront.updates) != 1 ||
		!strings.Contains(cloudfront.updates[0], "<FrameOption>DENY</FrameOption>") || !strings.Contains(cloudfront.updates[0], "self") {
		t.Errorf("%v, %q", err, cloudfront.updates)
	}
	if err := site.Secure(t.Context(), "H2", "x"); err == nil {
		t.Error("a policy that is not there was set")
	}
}
