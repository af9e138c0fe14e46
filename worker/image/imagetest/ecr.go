package imagetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// ECR imitates Amazon ECR on the loopback interface: the operations of its API that transfers use, and the OCI protocol, at one
// address, without TLS. Repositories have to be created before anybody may push, pages are small, and nobody gets in without the
// token.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Operations.html
type ECR struct {
	URL      string
	Host     string // 127.0.0.1:PORT
	Password string // of the user AWS

	server  *httptest.Server
	backend http.Handler

	mu           sync.Mutex
	repositories map[string]*repository
	calls        map[string]int
}

type repository struct {
	immutable, scan bool
	lifecycle       string
	pushed          map[string]bool // digests of manifests
}

// ecrPage is how many entries a page has at most, whatever is asked for.
const ecrPage = 3

// NewECR starts one. Close it.
func NewECR(password string) *ECR {
	e := &ECR{
		Password: password, repositories: map[string]*repository{}, calls: map[string]int{},
		backend: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)),
	}
	e.server = httptest.NewServer(e)
	e.URL, e.Host = e.server.URL, strings.TrimPrefix(e.server.URL, "http://")
	return e
}

// Close stops it.
func (e *ECR) Close() { e.server.Close() }

// Add makes a repository as somebody else would have.
func (e *ECR) Add(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repositories[name] = &repository{pushed: map[string]bool{}}
}

// Calls returns how often each operation of the API was called, and each method of the OCI protocol, such as "PUT manifests".
func (e *ECR) Calls() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.calls)
}

func (e *ECR) count(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[name]++
}

// ServeHTTP implements http.Handler.
func (e *ECR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		e.api(w, r, target[strings.LastIndex(target, ".")+1:])
		return
	}
	if user, password, _ := r.BasicAuth(); user != "AWS" || password != e.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	name, kind := split(r.URL.Path)
	e.count(r.Method + " " + kind)
	e.mu.Lock()
	known := e.repositories[name]
	e.mu.Unlock()
	if name != "" && known == nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name '%s' does not exist in the registry"}]}`, name)
		return
	}
	e.backend.ServeHTTP(w, r)
	if digest := w.Header().Get("Docker-Content-Digest"); r.Method == http.MethodPut && kind == "manifests" && digest != "" {
		e.mu.Lock()
		defer e.mu.Unlock()
		known.pushed[digest] = true
	}
}

// split takes repository and kind of thing from a path of the OCI protocol.
func split(path string) (name, kind string) {
	path = strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"manifests", "blobs", "tags", "referrers"} {
		if before, _, found := strings.Cut(path, "/"+kind+"/"); found {
			return before, kind
		}
	}
	return "", "base"
}

// ask is what any of the operations is given.
type ask struct {
	RepositoryName, LifecyclePolicyText, ImageTagMutability, NextToken string
	RepositoryNames                                                    []string
	ImageScanningConfiguration                                         struct{ ScanOnPush bool }
	ImageIDs                                                           []ecrImage `json:"imageIds"`
}

// ecrImage names an image.
type ecrImage struct {
	Tag    string `json:"imageTag,omitempty"`
	Digest string `json:"imageDigest,omitempty"`
}

// refusal is an error of the API.
type refusal struct{ code, message string }

func (e *ECR) api(w http.ResponseWriter, r *http.Request, operation string) {
	e.count(operation)
	var in ask
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, no := e.answer(operation, in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if no != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": no.code, "message": no.message}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client has gone
}

func (e *ECR) answer(operation string, in ask) (any, *refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.repositories[in.RepositoryName]
	if known == nil && slices.Contains([]string{"DescribeImages", "BatchDeleteImage", "GetLifecyclePolicy", "PutLifecyclePolicy"}, operation) {
		return nil, &refusal{"RepositoryNotFoundException", "The repository with name '" + in.RepositoryName + "' does not exist"}
	}
	switch operation {
	case "GetAuthorizationToken":
		return map[string]any{"authorizationData": []any{map[string]any{
			"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:" + e.Password)), "expiresAt": time.Now().Add(12 * time.Hour).Unix(), "proxyEndpoint": e.URL,
		}}}, nil
	case "DescribeRepositories":
		return e.describe(in)
	case "CreateRepository":
		if known != nil {
			return nil, &refusal{"RepositoryAlreadyExistsException", "The repository exists"}
		}
		e.repositories[in.RepositoryName] = &repository{pushed: map[string]bool{}, immutable: in.ImageTagMutability == "IMMUTABLE", scan: in.ImageScanningConfiguration.ScanOnPush}
		return map[string]any{"repository": e.repository(in.RepositoryName)}, nil
	case "PutLifecyclePolicy":
		known.lifecycle = in.LifecyclePolicyText
		return map[string]any{}, nil
	case "GetLifecyclePolicy":
		if known.lifecycle == "" {
			return nil, &refusal{"LifecyclePolicyNotFoundException", "There is none"}
		}
		return map[string]any{"lifecyclePolicyText": known.lifecycle}, nil
	case "DescribeImages":
		return e.images(in)
	case "BatchDeleteImage":
		return e.delete(in)
	}
	return nil, &refusal{"InvalidAction", operation + " is not imitated"}
}

func (e *ECR) repository(name string) map[string]any {
	r := e.repositories[name]
	mutability := "MUTABLE"
	if r.immutable {
		mutability = "IMMUTABLE"
	}
	return map[string]any{"repositoryName": name, "imageTagMutability": mutability, "imageScanningConfiguration": map[string]bool{"scanOnPush": r.scan}}
}

func (e *ECR) describe(in ask) (any, *refusal) {
	names := slices.Sorted(maps.Keys(e.repositories))
	if in.RepositoryNames != nil {
		names = in.RepositoryNames
	}
	var all []any
	for _, name := range names {
		if e.repositories[name] == nil {
			return nil, &refusal{"RepositoryNotFoundException", "The repository with name '" + name + "' does not exist"}
		}
		all = append(all, e.repository(name))
	}
	return page("repositories", all, in.NextToken), nil
}

func page(name string, all []any, token string) map[string]any {
	from, _ := strconv.Atoi(token) // empty: the first
	to := min(from+ecrPage, len(all))
	out := map[string]any{name: all[min(from, to):to]}
	if to < len(all) {
		out["nextToken"] = strconv.Itoa(to)
	}
	return out
}

func (e *ECR) inside(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.backend.ServeHTTP(w, httptest.NewRequest(method, "/v2/"+path, nil))
	return w
}

// Plain starts a registry in this process, on the loopback interface, without sign-in, that keeps nothing.
func Plain() *httptest.Server {
	return httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
}
