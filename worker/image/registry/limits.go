package registry

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// limits remembers what a registry says of its limits. Docker Hub tells in each answer how many pulls are left, and a 429 says
// when there will be more.
// https://docs.docker.com/docker-hub/usage/pulls/
type limits struct {
	next http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex
	again time.Time
}

// RoundTrip implements http.RoundTripper.
func (l *limits) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if at := resetOf(resp, l.now()); !at.IsZero() {
		l.mu.Lock()
		l.again = at
		l.mu.Unlock()
	}
	return resp, nil
}

func (l *limits) until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.again.Before(l.now()) {
		return time.Time{}
	}
	return l.again
}

// maxWindow bounds what a registry may say: no limit that is known has a longer window than a day.
const maxWindow = 24 * time.Hour

// resetOf reads from an answer when the registry will serve again; the zero time when it serves.
func resetOf(resp *http.Response, now time.Time) time.Time {
	remaining := seconds(resp.Header.Get("RateLimit-Remaining"))
	if resp.StatusCode != http.StatusTooManyRequests && remaining != 0 {
		return time.Time{}
	}
	if text := resp.Header.Get("Retry-After"); text != "" {
		if n := seconds(text); n >= 0 {
			return now.Add(min(time.Duration(n)*time.Second, maxWindow))
		}
		if at, err := http.ParseTime(text); err == nil && at.Before(now.Add(maxWindow)) {
			return at
		}
	}
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset"} {
		n := seconds(resp.Header.Get(name))
		switch {
		case n > 1e9: // a point in time, in seconds of Unix
			if at := time.Unix(n, 0); at.Before(now.Add(maxWindow)) {
				return at
			}
		case n >= 0:
			return now.Add(min(time.Duration(n)*time.Second, maxWindow))
		}
	}
	return time.Time{}
}

// seconds reads a number before a semicolon, as in 76;w=21600; -1 when there is none, or one that no limit has.
func seconds(text string) int64 {
	text, _, _ = strings.Cut(text, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > 1e10 {
		return -1
	}
	return n
}
