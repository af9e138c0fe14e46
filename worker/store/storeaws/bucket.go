// Package storeaws speaks the S3 protocol to one bucket of any provider. It sends requests over net/http
// with the SDK's endpoint rules, credentials and signer, because the stock client costs several times the
// transport's own CPU on small objects. Every call is one attempt, except where a comment says otherwise:
// callers decide what to repeat. Errors are *failure.Error.
package storeaws

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/job"
)

// Options say how to reach a bucket beyond what the endpoint itself says.
type Options struct {
	// AWS is the process's own configuration: region, HTTP settings and the default identity.
	AWS aws.Config
	// Secrets reads the secret that Access.Secret names; needed only for such endpoints.
	Secrets SecretReader
	// Progress is how long a connection may stay silent; 0 is a minute.
	Progress time.Duration
	// RefreshEvery is how often RefreshCredentials reads them anew at most; 0 is a minute.
	RefreshEvery time.Duration
	// Dial replaces the dialer, in tests.
	Dial DialContext
}

// SecretReader returns the text of a secret by name or ARN.
type SecretReader interface {
	Secret(ctx context.Context, name string) (string, error)
}

// Bucket is one bucket of one endpoint. It is safe for concurrent use. It implements list.Lister,
// list.Header and both ends of package transfer.
type Bucket struct {
	name     string
	region   string
	base     url.URL // scheme, host and, in path style, "/bucket"
	endpoint job.Endpoint
	caps     endpoint.Capabilities

	credentials *credentialCache // nil: anonymous
	signing     atomic.Pointer[signer]

	small   *http.Transport // listings, metadata, small bodies
	bulk    *http.Transport // streams, with large buffers
	patient *http.Transport // calls that a store may take minutes for

	crc64        atomic.Int32 // what answers showed: crcUnknown, crcEchoed, crcAbsent
	noConditions atomic.Bool  // the store said that it does not know preconditions on writes
	skew         atomic.Int64 // of the store's clock against ours, in nanoseconds
}

const (
	crcUnknown = iota
	crcEchoed
	crcAbsent
)

// Open resolves an endpoint's address and identity. It sends nothing to the bucket: Check does.
func Open(ctx context.Context, e job.Endpoint, o Options) (*Bucket, error) {
	caps, err := endpoint.Of(e.Provider)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		name:     e.Bucket,
		endpoint: e,
		caps:     caps,
	}
	cfg, err := accessConfig(ctx, e, o)
	if err != nil {
		return nil, err
	}
	b.region = firstOf(e.Region, cfg.Region, caps.DefaultRegion)
	if b.base, err = address(ctx, e, caps, b.region, cfg.BaseEndpoint); err != nil {
		return nil, err
	}
	if cfg.Credentials != nil {
		b.credentials = newCredentialCache(cfg.Credentials)
		b.credentials.every = cmp.Or(o.RefreshEvery, time.Minute)
	}
	switch caps.Checksums.Value {
	case endpoint.ChecksumsKnown:
		b.crc64.Store(crcEchoed)
	case endpoint.ChecksumsNone:
		b.crc64.Store(crcAbsent)
	}
	b.noConditions.Store(caps.WriteIf.Value == endpoint.NoConditions)
	b.openTransports(o)
	return b, nil
}

// Close gives back idle connections.
func (b *Bucket) Close() {
	for _, t := range []*http.Transport{b.small, b.bulk, b.patient} {
		t.CloseIdleConnections()
	}
}

// Name returns the bucket's name.
func (b *Bucket) Name() string { return b.name }

// Region returns the region that requests are signed for.
func (b *Bucket) Region() string { return b.region }

// Address returns where requests go, for messages to people.
func (b *Bucket) Address() string { return b.base.String() }

// Capabilities returns the provider's row.
func (b *Bucket) Capabilities() endpoint.Capabilities { return b.caps }

// Checksums reports whether the store is known to keep and check CRC64NVME.
func (b *Bucket) Checksums() bool { return b.crc64.Load() == crcEchoed }

// Conditions reports whether preconditions on writes are sent to this store.
func (b *Bucket) Conditions() bool { return !b.noConditions.Load() }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// signer signs with one secret. The SDK's signer keeps derived keys by access key id alone, so a secret that was rotated
// under the same id needs a new one.
type signer struct {
	*v4.Signer
	secret string
}

func (b *Bucket) signerFor(c aws.Credentials) *signer {
	s := b.signing.Load()
	if s == nil || s.secret != c.SecretAccessKey {
		s = &signer{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), c.SecretAccessKey}
		b.signing.Store(s)
	}
	return s
}

// credentialCache keeps the last credentials until shortly before they expire. Refresh throws them
// away, at most once a minute, so that a rotated key is picked up after a refusal.
type credentialCache struct {
	provider aws.CredentialsProvider

	mu        sync.Mutex
	value     atomic.Pointer[aws.Credentials]
	refreshed time.Time
	every     time.Duration // at most so often
}

// expiryMargin is how long before their end credentials are renewed; a request signed with them may
// still be on its way for a while.
const expiryMargin = 3 * time.Minute

func newCredentialCache(p aws.CredentialsProvider) *credentialCache {
	if c, ok := p.(*aws.CredentialsCache); ok {
		return &credentialCache{provider: c}
	}
	return &credentialCache{provider: aws.NewCredentialsCache(p, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = expiryMargin
	})}
}

func (c *credentialCache) get(ctx context.Context) (aws.Credentials, error) {
	if v := c.value.Load(); v != nil && (!v.CanExpire || time.Until(v.Expires) > expiryMargin) {
		return *v, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.provider.Retrieve(ctx)
	if err != nil {
		return v, err
	}
	c.value.Store(&v)
	return v, nil
}

func (c *credentialCache) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.refreshed) < c.every {
		return
	}
	c.refreshed = time.Now()
	c.value.Store(nil)
	if p, ok := c.provider.(*aws.CredentialsCache); ok {
		p.Invalidate()
	}
}

// RefreshCredentials makes the next request read the credentials anew, at most once a minute.
func (b *Bucket) RefreshCredentials() {
	if b.credentials != nil {
		b.credentials.refresh()
	}
}
