// Package wireaws sends calls of the JSON protocol that SQS and DynamoDB speak, over net/http with the SDK's signer
// and credentials.
//
// It exists for the calls that are made for every object or every ten: the SDK's generated clients cost more than
// twice the CPU of this (the benchmarks of queueaws and ledgeraws compare them). Calls that are made now and then use
// the SDK.
package wireaws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
)

// Options are what a client needs to know. The SDK client of the service has all of it in its Options.
type Options struct {
	SigningName string // of the service: sqs, dynamodb
	Target      string // what the service calls itself in the X-Amz-Target header: AmazonSQS, DynamoDB_20120810
	Region      string
	Endpoint    url.URL
	Credentials aws.CredentialsProvider // nil: requests are not signed
	HTTP        aws.HTTPClient
	Retry       retry.Policy // the zero policy is retry.Calls()
}

// Client sends the calls of one service. It is safe for concurrent use.
type Client struct {
	o         Options
	http      roundTripper
	transport *http.Transport // nil when the caller's own client is used
	signer    *v4.Signer
	skew      atomic.Int64 // nanoseconds that the service's clock is ahead
}

// roundTripper sends one request. It returns the service's redirects and errors as answers.
type roundTripper func(*http.Request) (*http.Response, error)

// New returns a client.
func New(o Options) *Client {
	if o.Retry == (retry.Policy{}) {
		o.Retry = retry.Calls()
	}
	if o.Endpoint.Path == "" {
		o.Endpoint.Path = "/"
	}
	c := &Client{o: o, signer: v4.NewSigner()}
	c.http, c.transport = connect(o.HTTP)
	return c
}

// maxIdle is how many connections are kept open. The default of ten a host opens tens of thousands under load.
const maxIdle = 256

// connect takes proxy and certificates from the SDK's own kind of HTTP client, but keeps more connections. A
// client of another kind is used as it is.
func connect(given aws.HTTPClient) (roundTripper, *http.Transport) {
	built, ok := given.(interface{ GetTransport() *http.Transport })
	if !ok && given != nil {
		return given.Do, nil
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second}
	if ok {
		t = built.GetTransport().Clone()
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, maxIdle
	t.DisableCompression = true
	// One connection a call in flight, rather than all calls on one connection.
	t.ForceAttemptHTTP2 = false
	t.ReadBufferSize, t.WriteBufferSize = 16<<10, 16<<10
	return t.RoundTrip, t
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// Call is one request.
type Call struct {
	Op   string // name of the operation: PutItem
	On   string // the queue or table, for errors
	Body []byte // JSON
	// Patience is how long an answer may take; 0 is 20 s.
	Patience time.Duration
}

// Answer is what a successful call gave back.
type Answer struct {
	Body []byte
	// Uncertain says that the call was sent again after an attempt that nobody answered, which may have taken effect.
	Uncertain bool
}

const defaultPatience = 20 * time.Second

// Do sends a call, and repeats it while it fails for reasons that pass. Errors are of type *failure.Error; when the
// service answered, a *Refusal is in their chain.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	sum := sha256.Sum256(call.Body)
	hash := hex.EncodeToString(sum[:])
	var a Answer
	uncertain := false
	again := func() error {
		a.Uncertain = uncertain
		body, err := c.once(ctx, &call, hash)
		a.Body = body
		switch failure.ClassOf(err) {
		case failure.Network, failure.Server:
			uncertain = true
		}
		return err
	}
	err := c.o.Retry.Do(ctx, again)
	if err != nil && c.mend(err) {
		err = c.o.Retry.Do(ctx, again)
	}
	return a, err
}

// mend does what can be done about a refused signature, once a call: it follows the service's clock and drops
// credentials that have expired. It reports whether that gives reason to try again.
func (c *Client) mend(err error) bool {
	refusal := refusalIn(err)
	if refusal == nil || failure.ClassOf(err) != failure.BadCredentials {
		return false
	}
	if refusal.expired() {
		if cache, ok := c.o.Credentials.(interface{ Invalidate() }); ok {
			cache.Invalidate()
			return true
		}
		return false
	}
	if refusal.Date.IsZero() {
		return false
	}
	if skew := time.Until(refusal.Date); (skew - time.Duration(c.skew.Load())).Abs() > time.Minute {
		c.skew.Store(int64(skew))
		return true
	}
	return false
}

func (c *Client) once(parent context.Context, call *Call, hash string) ([]byte, error) {
	patience := call.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	ctx, cancel := context.WithTimeout(parent, patience)
	defer cancel()
	req := c.request(ctx, call)
	if err := c.sign(ctx, req, call, hash); err != nil {
		return nil, err
	}
	resp, err := c.http(req)
	if err != nil {
		return nil, broken(parent, call, err)
	}
	defer resp.Body.Close()
	body, err := read(resp)
	if err != nil {
		return nil, broken(parent, call, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refused(call, resp, body)
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, call *Call) *http.Request {
	u := c.o.Endpoint
	// The names are in canonical form already, so they are set without conversion.
	req := &http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"},
			"X-Amz-Target": {c.o.Target + "." + call.Op},
		},
		Body:          io.NopCloser(bytes.NewReader(call.Body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(call.Body)), nil },
		ContentLength: int64(len(call.Body)),
	}
	return req.WithContext(ctx)
}

func (c *Client) sign(ctx context.Context, req *http.Request, call *Call, hash string) error {
	if c.o.Credentials == nil {
		return nil
	}
	credentials, err := c.o.Credentials.Retrieve(ctx)
	if err == nil {
		at := time.Now().Add(time.Duration(c.skew.Load()))
		err = c.signer.SignHTTP(ctx, credentials, req, hash, c.o.SigningName, c.o.Region, at)
	}
	if err == nil {
		return nil
	}
	class := failure.BadCredentials
	if ctx.Err() != nil {
		class = failure.Canceled
	}
	return &failure.Error{Class: class, Op: call.Op, Target: call.On, Detail: "no credentials could be had: " + err.Error(), Err: err}
}

// maxAnswer is far above the 16 MiB that a DynamoDB answer can have.
const maxAnswer = 64 << 20

// read reads an answer to its end, and holds it against the checksum that DynamoDB sends along.
func read(resp *http.Response) ([]byte, error) {
	var body []byte
	var err error
	switch n := resp.ContentLength; {
	case n > maxAnswer:
		return nil, fmt.Errorf("the answer has %d bytes, more than any answer of this service", n)
	case n >= 0:
		body = make([]byte, n)
		_, err = io.ReadFull(resp.Body, body)
	default:
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
	if err != nil {
		return nil, err
	}
	if stated := resp.Header["X-Amz-Crc32"]; len(stated) == 1 {
		sum, err := strconv.ParseUint(stated[0], 10, 32)
		if err == nil && uint32(sum) != crc32.ChecksumIEEE(body) {
			return nil, fmt.Errorf("the answer's checksum is not the one that came with it")
		}
	}
	return body, nil
}
