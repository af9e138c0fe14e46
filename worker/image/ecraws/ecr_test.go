package ecraws_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open signs in as somebody who may do what is declared.
func open(t *testing.T, account string) (*ecraws.Registry, *ecr.Client) {
	t.Helper()
	cfg := standinaws.Config(t, moto.URL)
	actions := slices.Concat(ecraws.TokenActions(), ecraws.ReadActions(), ecraws.CompareActions(), ecraws.WriteActions(), ecraws.DeleteActions())
	r, err := ecraws.Open(t.Context(), standinaws.Only(t, cfg, actions), account, nil)
	must(t, err)
	return r, ecr.NewFromConfig(cfg)
}

// unique names a repository that no other test has.
func unique(t *testing.T, name string) string {
	return fmt.Sprintf("%s/%s-%d", strings.ToLower(t.Name()), name, time.Now().UnixNano())
}

func manifest(n int) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"c","digest":"sha256:%064x","size":%d},"layers":[{"mediaType":"l","digest":"sha256:%064x","size":100}]}`, n, n, n)
}

func TestHostIsThatOfTheAccount(t *testing.T) {
	for account, want := range map[string]string{"": "123456789012.dkr.ecr.", "210987654321": "210987654321.dkr.ecr."} {
		r, _ := open(t, account)
		if !strings.HasPrefix(r.Host(), want) || r.Plain() {
			t.Errorf("account %q: %s", account, r.Host())
		}
		login, err := r.Login(t.Context())
		if err != nil || login.User != "AWS" || login.Password == "" || login.Expires.IsZero() {
			t.Errorf("the token holds until %s, %v", login.Expires, err)
		}
	}
}

// Tags, digests, sizes and what has no tag are listed to the end.
func TestListing(t *testing.T) {
	r, client := open(t, "")
	name := unique(t, "app")
	_, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &name})
	must(t, err)
	put := func(content string, tag *string) string {
		out, err := client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: &name, ImageManifest: &content, ImageTag: tag})
		must(t, err)
		return aws.ToString(out.Image.ImageId.ImageDigest)
	}
	want := map[string]string{}
	for n := range 7 {
		tag := fmt.Sprintf("v%d", n)
		want[tag] = put(manifest(n), &tag)
	}
	again := "again"
	want[again] = put(manifest(3), &again)
	untagged := put(manifest(8), nil)
	listed, err := r.List(t.Context(), name)
	must(t, err)
	got := map[string]string{}
	for _, f := range listed {
		if f.Tag == "" && f.Digest != untagged {
			t.Errorf("untagged: %+v", f)
		}
		if f.Tag != "" {
			got[f.Tag] = f.Digest
		}
	}
	if d := gocmp.Diff(want, got); d != "" || len(listed) != len(want)+1 {
		t.Errorf("%d entries: %s", len(listed), d)
	}
	names, err := r.Repositories(t.Context())
	if err != nil || !slices.Contains(names, name) {
		t.Errorf("%v %v", names, err)
	}
	if _, err := r.List(t.Context(), name+"-none"); !failure.Is(err, failure.NotFound) {
		t.Errorf("a repository that is not there: %v", err)
	}
}

// A repository is made as its source is set up, once; what it has is not changed by a second call.
func TestSettings(t *testing.T) {
	r, client := open(t, "")
	policy := `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire"}}]}`
	for name, settings := range map[string]*image.Settings{
		"as the source": {Immutable: true, ScanOnPush: true, Lifecycle: policy}, "plain": {}, "of the registry": nil,
	} {
		t.Run(name, func(t *testing.T) {
			repository := unique(t, "r")
			for _, want := range []bool{true, false} {
				made, err := r.Create(t.Context(), repository, settings)
				if err != nil || made != want {
					t.Errorf("made: %t, %v", made, err)
				}
			}
			got, err := r.Settings(t.Context(), repository)
			want := image.Settings{}
			if settings != nil {
				want = *settings
			}
			if d := gocmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s %v", d, err)
			}
		})
	}
	t.Run("one that was left half made is completed", func(t *testing.T) {
		repository := unique(t, "half")
		_, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository})
		must(t, err)
		_, err = r.Create(t.Context(), repository, &image.Settings{Lifecycle: policy})
		must(t, err)
		if got, err := r.Settings(t.Context(), repository); err != nil || got.Lifecycle != policy {
			t.Errorf("%+v %v", got, err)
		}
	})
	t.Run("one with images is left alone", func(t *testing.T) {
		repository := unique(t, "used")
		_, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository})
		must(t, err)
		_, err = client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: &repository, ImageManifest: aws.String(manifest(1)), ImageTag: aws.String("1")})
		must(t, err)
		_, err = r.Create(t.Context(), repository, &image.Settings{Lifecycle: policy})
		must(t, err)
		if got, err := r.Settings(t.Context(), repository); err != nil || got.Lifecycle != "" {
			t.Errorf("%+v %v", got, err)
		}
	})
	t.Run("some tags immutable", func(t *testing.T) {
		repository := unique(t, "some")
		_, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository, ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion, ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{
			{Filter: aws.String("dev-*"), FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard},
		}})
		must(t, err)
		if got, err := r.Settings(t.Context(), repository); err != nil || got.Immutable {
			t.Errorf("%+v %v", got, err)
		}
	})
	if _, err := r.Settings(t.Context(), unique(t, "none")); !failure.Is(err, failure.NotFound) {
		t.Errorf("%v", err)
	}
}

// A tag is removed by itself, the image with its last one; what has no tag by its digest; and what is not there is said to be so.
func TestDelete(t *testing.T) {
	r, client := open(t, "")
	name := unique(t, "app")
	_, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &name})
	must(t, err)
	put := func(n int, tag string) string {
		in := &ecr.PutImageInput{RepositoryName: &name, ImageManifest: aws.String(manifest(n))}
		if tag != "" {
			in.ImageTag = &tag
		}
		out, err := client.PutImage(t.Context(), in)
		must(t, err)
		return aws.ToString(out.Image.ImageId.ImageDigest)
	}
	one, untagged := put(1, "a"), put(2, "")
	put(1, "b")
	has := func(want ...string) {
		t.Helper()
		listed, err := r.List(t.Context(), name)
		must(t, err)
		var got []string
		for _, f := range listed {
			got = append(got, cmp.Or(f.Tag, f.Digest))
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	has("a", "b", untagged)
	must(t, r.Delete(t.Context(), name, "a"))
	has("b", untagged)
	must(t, r.Delete(t.Context(), name, untagged))
	has("b")
	must(t, r.Delete(t.Context(), name, "b"))
	has()
	for _, reference := range []string{"b", one} {
		if err := r.Delete(t.Context(), name, reference); !failure.Is(err, failure.NotFound) {
			t.Errorf("%s: %v", reference, err)
		}
	}
	if err := r.Delete(t.Context(), name+"-none", "a"); !failure.Is(err, failure.NotFound) {
		t.Errorf("a repository that is not there: %v", err)
	}
}

// What an index lists is refused.
func TestDeletionThatIsRefused(t *testing.T) {
	cfg := answering(t, func() (int, string) {
		return http.StatusOK, strings.TrimSuffix(token("p", time.Now().Add(time.Hour), "https://123456789012.dkr.ecr.us-east-1.amazonaws.com"), "}") +
			`,"failures":[{"imageId":{"imageTag":"a"},"failureCode":"ImageReferencedByManifestList","failureReason":"Requested image referenced by manifest list"}]}`
	})
	r, err := ecraws.Open(t.Context(), cfg, "", nil)
	must(t, err)
	if err := r.Delete(t.Context(), "app", "a"); !failure.Is(err, failure.DestinationRefuses) || !strings.Contains(err.Error(), "referenced by manifest list") {
		t.Errorf("%v", err)
	}
}

// answering is an ECR that gives one answer.
func answering(t *testing.T, answer func() (status int, body string)) aws.Config {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, body := answer()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	cfg := standinaws.Config(t, s.URL)
	cfg.RetryMaxAttempts = 1
	return cfg
}

func token(password string, expires time.Time, endpoint string) string {
	return fmt.Sprintf(`{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d,"proxyEndpoint":%q}]}`,
		base64.StdEncoding.EncodeToString([]byte("AWS:"+password)), expires.Unix(), endpoint)
}

// A token is kept until half an hour before its end, then another is fetched. Hosts are what ECR says, in each partition.
func TestTokensAreRenewed(t *testing.T) {
	calls := 0
	lifetime := 29 * time.Minute
	cfg := answering(t, func() (int, string) {
		calls++
		return http.StatusOK, token(fmt.Sprint("p", calls), time.Now().Add(lifetime), "https://123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn")
	})
	r, err := ecraws.Open(t.Context(), cfg, "210987654321", nil)
	must(t, err)
	if r.Host() != "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn" {
		t.Error(r.Host())
	}
	lifetime = 12 * time.Hour
	for range 3 {
		if l, err := r.Login(t.Context()); err != nil || l.Password != "p2" {
			t.Errorf("%v of %d calls, %v", l.Password, calls, err)
		}
	}
}

func TestAnswersAreClassed(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   failure.Class
	}{
		"denied":       {400, `{"__type":"AccessDeniedException","Message":"User is not authorized to perform: ecr:GetAuthorizationToken"}`, failure.AccessDenied},
		"unknown keys": {400, `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, failure.BadCredentials},
		"expired":      {400, `{"__type":"ExpiredTokenException","message":"expired"}`, failure.BadCredentials},
		"throttled":    {400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`, failure.Throttled},
		"broken":       {500, `{"__type":"ServerException","message":"oh"}`, failure.Server},
		"refused":      {400, `{"__type":"InvalidParameterException","message":"no"}`, failure.DestinationRefuses},
		"no token":     {200, `{"authorizationData":[]}`, failure.Server},
		"odd token":    {200, `{"authorizationData":[{"authorizationToken":"!","proxyEndpoint":"https://h"}]}`, failure.Server},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecraws.Open(t.Context(), answering(t, func() (int, string) { return c.status, c.body }), "", nil)
			if failure.ClassOf(err) != c.want || !strings.HasPrefix(err.Error(), "sign in") {
				t.Errorf("%s: %v", failure.ClassOf(err), err)
			}
		})
	}
	bad := answering(t, func() (int, string) { return http.StatusOK, token("p", time.Now().Add(time.Hour), "nowhere") })
	if _, err := ecraws.Open(t.Context(), bad, "", nil); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v", err)
	}
}
