package storeaws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	emptySHA256     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	trailerPayload  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// call is one request to the bucket.
type call struct {
	op     string // the API operation's name, for errors and for the permission check in tests
	method string
	key    string
	query  url.Values
	header http.Header
	body   io.ReadCloser
	length int64
	hash   string // payload hash to sign; empty means an empty or unsigned body
	via    *http.Transport
}

// header names in canonical form, so that setting them needs no conversion.
const (
	hDate       = "X-Amz-Date"
	hSHA256     = "X-Amz-Content-Sha256"
	hIfMatch    = "If-Match"
	hNoneMatch  = "If-None-Match"
	hCRC64      = "X-Amz-Checksum-Crc64nvme"
	hETag       = "Etag"
	hVersion    = "X-Amz-Version-Id"
	hMetaPrefix = "X-Amz-Meta-"
	hSSE        = "X-Amz-Server-Side-Encryption"
)

// do sends one request. A status of 300 and above becomes an error, and the body is closed; otherwise the
// caller closes it.
func (b *Bucket) do(ctx context.Context, c call) (*http.Response, error) {
	req := b.request(ctx, &c)
	if err := b.sign(ctx, req, &c); err != nil {
		closeBody(c.body)
		return nil, err
	}
	via := c.via
	if via == nil {
		via = b.small
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		return nil, b.transportError(ctx, &c, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, b.answerError(&c, resp)
	}
	return resp, nil
}

func (b *Bucket) request(ctx context.Context, c *call) *http.Request {
	u := b.base
	if c.key != "" {
		u.RawPath = u.EscapedPath() + "/" + escapeKey(c.key)
		u.Path = u.Path + "/" + c.key
	} else if u.Path == "" {
		u.Path = "/"
	}
	if len(c.query) > 0 {
		// The signer encodes the query once more in its own form and puts that into the URL.
		u.RawQuery = strings.ReplaceAll(c.query.Encode(), "+", "%20")
	}
	h := c.header
	if h == nil {
		h = make(http.Header, 8)
	}
	if b.endpoint.RequesterPays {
		h["X-Amz-Request-Payer"] = []string{"requester"}
	}
	if b.endpoint.ExpectedOwner != "" {
		h["X-Amz-Expected-Bucket-Owner"] = []string{b.endpoint.ExpectedOwner}
	}
	req := &http.Request{
		Method: c.method, URL: &u, Host: u.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: c.length,
	}
	if c.body != nil {
		if c.length == 0 {
			closeBody(c.body)
			req.Body = http.NoBody
		} else {
			req.Body = c.body
		}
	}
	return req.WithContext(ctx)
}

func (b *Bucket) sign(ctx context.Context, req *http.Request, c *call) error {
	if b.credentials == nil {
		return nil
	}
	creds, err := b.credentials.get(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return &failure.Error{Class: failure.Canceled, Op: c.op, Target: b.target(c.key), Err: ctx.Err()}
		}
		return &failure.Error{
			Class: failure.BadCredentials, Op: c.op, Target: b.target(c.key),
			Detail: "no credentials could be had: " + err.Error(), Err: err,
		}
	}
	hash := c.hash
	if hash == "" {
		hash = unsignedPayload
		if c.body == nil {
			hash = emptySHA256
		}
	}
	req.Header[hSHA256] = []string{hash}
	at := time.Now().Add(time.Duration(b.skew.Load()))
	if err := b.signerFor(creds).SignHTTP(ctx, creds, req, hash, "s3", b.region, at); err != nil {
		return &failure.Error{Class: failure.BadCredentials, Op: c.op, Target: b.target(c.key), Err: err}
	}
	return nil
}

func (b *Bucket) target(key string) string {
	if key == "" {
		return b.name
	}
	return b.name + "/" + key
}

func (b *Bucket) transportError(ctx context.Context, c *call, err error) error {
	class := failure.Network
	if ctx.Err() != nil {
		class, err = failure.Canceled, context.Cause(ctx)
	}
	var own *failure.Error
	if errors.As(err, &own) {
		return own // a request body that failed to be read says itself what is wrong
	}
	return &failure.Error{Class: class, Op: c.op, Target: b.target(c.key), Detail: err.Error(), Err: err}
}

func closeBody(body io.ReadCloser) {
	if body != nil {
		_ = body.Close() // nothing was sent, so there is nothing to lose
	}
}

// drain reads a short answer to its end, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10) // best effort: a connection is lost otherwise, no data
	_ = body.Close()
}
