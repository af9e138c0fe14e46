package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands in front of a real S3 server and makes trouble.
type proxy struct {
	backend   *url.URL
	transport *http.Transport
	server    *http.Server
	url       string
	open      atomic.Int64 // connections

	mu     sync.Mutex
	rand   *rand.Rand
	odds   odds
	counts map[string]int
}

// odds are the shares of requests that something happens to.
type odds struct {
	busy     float64 // 503 SlowDown or 429 in place of an answer
	reset    float64 // the connection breaks: before the request is passed on, in its body, or in the answer's
	truncate float64 // the answer's body ends too early, in good order
	lost     float64 // the request is carried out, and its answer never arrives
	slow     float64 // the answer takes a while
	stall    float64 // the answer's body stops, and the connection stays open
	stallFor time.Duration
}

func newProxy(backend string, seed uint64) (*proxy, error) {
	u, err := url.Parse(backend)
	if err != nil {
		return nil, err
	}
	p := &proxy{
		backend: u, transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		rand: rand.New(rand.NewPCG(seed, 7)), counts: map[string]int{},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + l.Addr().String()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			p.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			p.open.Add(-1)
		}
	}}
	go func() { _ = p.server.Serve(l) }() // until close
	return p, nil
}

func (p *proxy) close() {
	_ = p.server.Close()
	p.transport.CloseIdleConnections()
}

// set changes the odds.
func (p *proxy) set(o odds) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.odds = o
}

func (p *proxy) injected() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// trouble draws what happens to a request; "" is nothing. at says where in a body.
func (p *proxy) trouble() (kind string, at float64, stall time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.rand.Float64()
	for _, k := range []struct {
		name string
		odds float64
	}{
		{"503 SlowDown", p.odds.busy / 2},
		{"429", p.odds.busy / 2},
		{"reset", p.odds.reset},
		{"truncated answer", p.odds.truncate},
		{"answer lost", p.odds.lost},
		{"slow answer", p.odds.slow},
		{"stall", p.odds.stall},
	} {
		if x < k.odds {
			p.counts[k.name]++
			return k.name, p.rand.Float64(), p.odds.stallFor
		}
		x -= k.odds
	}
	return "", 0, 0
}

var errCut = errors.New("cut on purpose")

// cutBody fails after some bytes of a request.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (c *cutBody) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, at, stall := p.trouble()
	switch kind {
	case "503 SlowDown":
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
		return
	case "429":
		refuse(w, r, http.StatusTooManyRequests, "TooManyRequests")
		return
	case "slow answer":
		time.Sleep(time.Duration(at * float64(500*time.Millisecond)))
	case "reset":
		if at < 0.3 {
			reset(w)
			return
		}
		if r.ContentLength > 0 && r.Method == http.MethodPut {
			r.Body = &cutBody{r.Body, int64(at * float64(r.ContentLength))}
		}
	}
	resp, err := p.forward(r)
	if err != nil {
		reset(w)
		return
	}
	defer resp.Body.Close()
	if kind == "answer lost" {
		_, _ = io.Copy(io.Discard, resp.Body)
		reset(w)
		return
	}
	p.answer(w, r, resp, kind, at, stall)
}

// forward sends a request on as it is: its signature names the host that the client spoke to.
func (p *proxy) forward(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = p.backend.Scheme, p.backend.Host
	out.RequestURI = ""
	if r.ContentLength == 0 {
		out.Body = nil
	}
	return p.transport.RoundTrip(out)
}

func (p *proxy) answer(w http.ResponseWriter, r *http.Request, resp *http.Response, kind string, at float64, stall time.Duration) {
	maps.Copy(w.Header(), resp.Header)
	if resp.ContentLength >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
	w.WriteHeader(resp.StatusCode)
	if r.Method == http.MethodHead {
		return
	}
	part := int64(at * float64(max(resp.ContentLength, 0)))
	switch kind {
	case "reset", "truncated answer":
		_, _ = io.CopyN(w, resp.Body, part)
		if kind == "reset" {
			reset(w)
		}
		panic(http.ErrAbortHandler) // ends the connection without the rest
	case "stall":
		_, _ = io.CopyN(w, resp.Body, part)
		_ = http.NewResponseController(w).Flush()
		sleep(r.Context(), stall)
		panic(http.ErrAbortHandler)
	}
	_, _ = io.Copy(w, resp.Body) // whoever goes away does so
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><Message>Please reduce your request rate.</Message></Error>`)
	}
}

// reset breaks the connection hard, as far as the server lets go of it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// secrets answers the one call of AWS Secrets Manager that is made, for one secret that can be made wrong.
type secrets struct {
	server *http.Server
	url    string
	value  atomic.Value // string
	reads  atomic.Int64
}

func newSecrets(value string) (*secrets, error) {
	s := &secrets{}
	s.value.Store(value)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }() // until close
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *secrets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "GetSecretValue") {
		http.Error(w, `{"__type":"UnknownOperationException"}`, http.StatusBadRequest)
		return
	}
	s.reads.Add(1)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fmt.Fprintf(w, `{"ARN":"arn:aws:secretsmanager:us-east-1:111122223333:secret:s","Name":"s","SecretString":%q}`, s.value.Load())
}
