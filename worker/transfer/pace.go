package transfer

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// Pace limits the bytes a second of one process. A nil Pace does not limit.
type Pace struct{ limiter *rate.Limiter }

// paceBurst is the largest read that is let through at once, in bytes.
const paceBurst = 256 << 10

// NewPace returns a limit in bytes a second; nil for 0.
func NewPace(bytesPerSecond int64) *Pace {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Pace{rate.NewLimiter(rate.Limit(bytesPerSecond), paceBurst)}
}

// Set changes the limit, as the fleet grows or shrinks.
func (p *Pace) Set(bytesPerSecond int64) { p.limiter.SetLimit(rate.Limit(bytesPerSecond)) }

func (p *Pace) reader(ctx context.Context, in io.Reader) io.Reader {
	if p == nil {
		return in
	}
	return &paced{ctx, p.limiter, in}
}

type paced struct {
	ctx     context.Context
	limiter *rate.Limiter
	in      io.Reader
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.in.Read(b[:min(len(b), paceBurst)])
	if n > 0 {
		if waitErr := p.limiter.WaitN(p.ctx, n); waitErr != nil {
			return n, waitErr
		}
	}
	return n, err
}
