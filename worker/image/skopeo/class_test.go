package skopeo

import (
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// Names of images are no words of skopeo's, wherever it says them.
func TestNamesDecideNothing(t *testing.T) {
	names := []string{"1.404", "401", "429", "503", "denied", "immutable", "eof", "latest"}
	repositories := []string{"immutable-x", "denied", "team/unauthorized", "x509", "429", "app/404", "forbidden/unsupported"}
	sayings := map[string]failure.Class{
		`initializing source docker://HOST/REPO:REF: reading manifest REF in HOST/REPO: manifest unknown: manifest unknown`:                                                                       failure.NotFound,
		`initializing source docker://HOST/REPO:REF: reading manifest REF in HOST/REPO: StatusCode: 404, <html>`:                                                                                  failure.NotFound,
		`initializing source docker://HOST/REPO:REF: pinging container registry HOST: received unexpected HTTP status: 503 Service Unavailable`:                                                   failure.Server,
		`initializing source docker://HOST/REPO:REF: Requesting bearer token: invalid status code from registry 401 (Unauthorized)`:                                                               failure.BadCredentials,
		`initializing source docker://HOST/REPO:REF: unexpected status code [manifests REF]: 403`:                                                                                                 failure.AccessDenied,
		`initializing source docker://HOST/REPO:REF: reading manifest REF in HOST/REPO: toomanyrequests: You have reached your pull rate limit`:                                                   failure.Throttled,
		`writing manifest: uploading manifest REF to HOST/REPO: tag invalid: The image tag 'REF' already exists in the 'REPO' repository and cannot be overwritten because the tag is immutable.`: image.Immutable,
		`trying to reuse blob: checking whether a blob exists in HOST/REPO: authentication required`:                                                                                              failure.BadCredentials,
		`writing manifest: uploading manifest REF to HOST/REPO: denied: requested access to the resource is denied`:                                                                               failure.AccessDenied,
		`writing blob: initiating layer upload to /v2/REPO/blobs/uploads/ in HOST: name unknown: The repository with name 'REPO' does not exist in the registry`:                                  failure.NotFound,
		`pinging container registry HOST: Get "https://HOST/v2/": dial tcp: lookup HOST: no such host`:                                                                                            failure.Network,
		`reading blob sha256:abc: Get "https://HOST/v2/REPO/blobs/sha256:abc": EOF`:                                                                                                               failure.Network,
		`writing manifest: uploading manifest REF to HOST/REPO: manifest invalid: manifest invalid`:                                                                                               failure.DestinationRefuses,
		`copying HOST/REPO:REF went wrong in a way that nobody has seen`:                                                                                                                          failure.Other,
		`initializing source docker://HOST/REPO:REF: nobody has seen this of manifest REF in repository REPO, tag 'REF', "REPO"`:                                                                  failure.Other,
	}
	for shift := range 2 {
		for n, reference := range names {
			repository := repositories[(n+3*shift)%len(repositories)]
			for _, host := range []string{"denied.example.com:5000", "localhost:404"} {
				from := End{Host: host, Repository: repository, Reference: reference}
				to := End{Host: "to.example.com", Repository: "copy/" + repository, Reference: reference}
				for saying, want := range sayings {
					for _, e := range []End{from, to} {
						text := strings.NewReplacer("HOST", e.Host, "REPO", e.Repository, "REF", e.Reference).Replace(saying)
						if got := classOf(text, from, to); got != want {
							t.Fatalf("%s: %s, want %s\n%s", text, got, want, without(text, from, to))
						}
					}
				}
			}
		}
	}
}
