package storeaws

import (
	"context"
	"net"
	"net/http"
	"time"
)

// DialContext opens a network connection.
type DialContext func(ctx context.Context, network, address string) (net.Conn, error)

const (
	defaultProgress = time.Minute
	// patience is how long a store may be silent while it assembles or copies an object by itself.
	patience = 10 * time.Minute

	smallBuffer = 16 << 10
	// bulkBuffer takes about a third off the CPU of large copies, against the transport's default of 4 KiB.
	bulkBuffer = 256 << 10

	maxIdle = 256 // connections kept; the default of two a host opens tens of thousands
)

func (b *Bucket) openTransports(o Options) {
	progress := o.Progress
	if progress <= 0 {
		progress = defaultProgress
	}
	dial := o.Dial
	if dial == nil {
		d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
		dial = d.DialContext
	}
	transport := func(buffer int, silence time.Duration) *http.Transport {
		t := &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         watched(dial, silence),
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        maxIdle,
			MaxIdleConnsPerHost: maxIdle,
			IdleConnTimeout:     90 * time.Second,
			ReadBufferSize:      buffer,
			WriteBufferSize:     buffer,
			// An object that is stored compressed is copied as it is.
			DisableCompression: true,
			ForceAttemptHTTP2:  false,
		}
		if c, ok := o.AWS.HTTPClient.(interface{ GetTransport() *http.Transport }); ok {
			// The SDK's buildable client carries AWS_CA_BUNDLE.
			if from := c.GetTransport(); from != nil && from.TLSClientConfig != nil {
				t.TLSClientConfig = from.TLSClientConfig.Clone()
			}
		}
		return t
	}
	b.small = transport(smallBuffer, progress)
	b.bulk = transport(bulkBuffer, progress)
	b.patient = transport(smallBuffer, patience)
}

// watched makes connections give up when nothing moves for a while. One deadline serves as header and
// progress time-out: every write pushes the deadline of the answer, every read its own.
func watched(dial DialContext, silence time.Duration) DialContext {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: c, silence: silence}, nil
	}
}

type watchedConn struct {
	net.Conn
	silence time.Duration
}

func (c *watchedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *watchedConn) Write(p []byte) (int, error) {
	// The transport reads ahead on an idle connection, so the pending read's deadline moves too.
	if err := c.SetDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
