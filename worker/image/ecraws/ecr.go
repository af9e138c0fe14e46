// Package ecraws speaks to Amazon ECR: its own API lists repositories, images and settings, which the OCI protocol cannot, and gives
// the token with which everything else goes by that protocol.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
package ecraws

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/registry"
)

// ReadActions returns the IAM actions on the repositories of a source, WriteActions those on the repositories of a destination.
// TokenActions are needed at both, and take no resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
func ReadActions() []string {
	return []string{
		"ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:GetLifecyclePolicy",
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
	}
}

// CompareActions returns those on the repositories of a destination that is only looked at.
func CompareActions() []string {
	return []string{"ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
}

// WriteActions returns those that a copier needs beside CompareActions.
func WriteActions() []string {
	return []string{
		"ecr:CreateRepository", "ecr:GetLifecyclePolicy", "ecr:PutLifecyclePolicy", "ecr:BatchCheckLayerAvailability",
		"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
	}
}

// DeleteActions returns those that a copier needs beside the others to delete what the source does not have.
func DeleteActions() []string { return []string{"ecr:BatchDeleteImage"} }

// TokenActions returns those that take no resource.
func TokenActions() []string { return []string{"ecr:GetAuthorizationToken"} }

// pageSize is the most that ECR gives of repositories and of images at once.
const pageSize = 1000

// reserve is how long a token is to hold at least when it is handed out: a copy that begins now ends before.
const reserve = 30 * time.Minute

// Registry is the registry of an account in a region. It implements image.Registry, image.Keeper and image.Deleter.
type Registry struct {
	*registry.Registry
	client  *ecr.Client
	account *string // nil: the identity's own
	tokens  *tokens
}

var (
	_ image.Registry = (*Registry)(nil)
	_ image.Keeper   = (*Registry)(nil)
	_ image.Deleter  = (*Registry)(nil)
)

// Open signs in to the registry of an account, 12 digits, or of the identity's own when it is empty, in the region of cfg. The host
// is the one that ECR names, in each partition. transport carries what goes by the OCI protocol; nil: one of its own.
func Open(ctx context.Context, cfg aws.Config, account string, transport http.RoundTripper) (*Registry, error) {
	r := &Registry{client: ecr.NewFromConfig(cfg)}
	if account != "" {
		r.account = &account
	}
	r.tokens = &tokens{client: r.client, now: time.Now}
	if _, err := r.tokens.login(ctx); err != nil {
		return nil, err
	}
	host, plain, err := hostOf(r.tokens.endpoint, account)
	if err != nil {
		return nil, err
	}
	r.Registry, err = registry.Open(host, registry.Options{Plain: plain, Login: r.tokens.login, Transport: transport})
	return r, err
}

// ownHost is a host that begins with an account.
var ownHost = regexp.MustCompile(`^[0-9]{12}\.`)

// hostOf takes the host from a proxy endpoint, which is that of the identity's own account, and puts another account into it. A token
// opens every registry that its identity may use.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_AuthorizationData.html
func hostOf(endpoint, account string) (host string, plain bool, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "", false, fmt.Errorf("ECR names %.200q as its registry, which is no address", endpoint)
	}
	host = u.Host
	if account != "" && ownHost.MatchString(host) {
		host = account + host[len(account):]
	}
	return host, u.Scheme == "http", nil
}

// tokens keeps one token, for all who ask.
type tokens struct {
	client *ecr.Client
	now    func() time.Time

	mu       sync.Mutex
	known    image.Login
	endpoint string
}

func (t *tokens) login(ctx context.Context) (image.Login, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known.Expires.Sub(t.now()) > reserve {
		return t.known, nil
	}
	out, err := t.client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return image.Login{}, classed("sign in", "Amazon ECR", err)
	}
	if len(out.AuthorizationData) == 0 {
		return image.Login{}, &failure.Error{Class: failure.Server, Op: "sign in", Target: "Amazon ECR", Detail: "the answer has no token"}
	}
	data := out.AuthorizationData[0]
	text, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
	user, password, found := strings.Cut(string(text), ":")
	if err != nil || !found {
		return image.Login{}, &failure.Error{Class: failure.Server, Op: "sign in", Target: "Amazon ECR", Detail: "the token is not of the form that is documented"}
	}
	t.known = image.Login{User: user, Password: password, Expires: aws.ToTime(data.ExpiresAt)}
	t.endpoint = aws.ToString(data.ProxyEndpoint)
	return t.known, nil
}

// Repositories implements image.Registry.
func (r *Registry) Repositories(ctx context.Context) ([]string, error) {
	var all []string
	pages := ecr.NewDescribeRepositoriesPaginator(r.client, &ecr.DescribeRepositoriesInput{RegistryId: r.account, MaxResults: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classed("list repositories", r.Host(), err)
		}
		for _, one := range page.Repositories {
			all = append(all, aws.ToString(one.RepositoryName))
		}
	}
	return all, nil
}

// List implements image.Registry. ECR tells digests, types, sizes and what has no tag.
func (r *Registry) List(ctx context.Context, repository string) ([]image.Found, error) {
	var all []image.Found
	pages := ecr.NewDescribeImagesPaginator(r.client, &ecr.DescribeImagesInput{RegistryId: r.account, RepositoryName: &repository, MaxResults: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classed("list images", r.Host()+"/"+repository, err)
		}
		for _, one := range page.ImageDetails {
			all = append(all, found(&one)...)
		}
	}
	return all, nil
}

// found returns one entry a tag, or one for what has none.
func found(d *types.ImageDetail) []image.Found {
	f := image.Found{Digest: aws.ToString(d.ImageDigest), MediaType: aws.ToString(d.ImageManifestMediaType), Bytes: aws.ToInt64(d.ImageSizeInBytes)}
	if len(d.ImageTags) == 0 {
		return []image.Found{f}
	}
	all := make([]image.Found, len(d.ImageTags))
	for i, tag := range d.ImageTags {
		all[i] = f
		all[i].Tag = tag
	}
	return all
}
