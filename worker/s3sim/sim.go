// Package s3sim is an object store in memory that speaks the S3 protocol, for tests and benchmarks.
//
// It lists millions of keys that exist only as arithmetic, serves objects of terabytes that take no
// memory, behaves like any provider of the endpoint table (Quirks), and fails on demand (Fault). It
// checks what Amazon S3 checks: signatures where a secret is known, content digests, preconditions,
// parts. It is not the only judge of correctness: its own tests hold it against the AWS SDK.
package s3sim

import (
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/s3sim/loopback"
)

// Options configure a Sim. The zero value is Amazon S3 with one open door: any or no signature, any
// region, no latency.
type Options struct {
	Quirks Quirks

	// Keys are the known access keys. With none, everybody may do everything.
	Keys map[string]Key
	// PublicRead lets unsigned requests read although Keys are given.
	PublicRead bool

	// Region makes requests that were signed for another region fail with the right one in the
	// answer. Empty: any region.
	Region string
	// RedirectWrongRegion answers those with 301 PermanentRedirect in place of 400.
	RedirectWrongRegion bool

	// Domain is the service's host name; BUCKET.Domain names a bucket. "localhost" and 127.0.0.1 are
	// always understood as well.
	Domain string

	// Keep says what is kept of a written body.
	Keep Keep

	// MinPartSize is the least size of all but the last part of an upload; 0 is the protocol's 5 MiB.
	MinPartSize int64

	// Latency is waited for before every answer.
	Latency time.Duration

	// Fault is asked before every request is handled. Nil: no faults. SetFault changes it later.
	Fault func(Call) Fault
	// Before is called when a request was understood and before it is carried out.
	Before func(Call)
	// After is called when a request has ended, with the status of the answer; 0 when there was none.
	After func(Call, int)

	// Now is the store's clock; nil is the machine's.
	Now func() time.Time
}

// Keep says what a store keeps of the bodies that are written to it.
type Keep int

// The ways of keeping a body.
const (
	KeepBytes Keep = iota // everything: objects can be read back
	KeepSums              // size, MD5 and checksum
	KeepSize              // size and checksum: the ETag is no MD5. The cheapest for large bodies
)

// Call is one request as the store understood it.
type Call struct {
	Op      string // the API operation's name, e.g. GetObject
	Bucket  string
	Key     string
	Number  int64 // 1 for the first request of this operation, and so on
	Request *http.Request
}

// Sim is the store. It is an http.Handler; Start gives it an address.
type Sim struct {
	options Options
	quirks  Quirks

	mu      sync.RWMutex
	buckets map[string]*Bucket
	keys    map[string]Key

	counters counters
	sequence atomic.Uint64 // of version ids, upload ids and opaque ETags
	pattern  *patternBlock
	triggers triggers

	fault   atomic.Pointer[func(Call) Fault]
	server  loopback.Server
	closing chan struct{}
	once    sync.Once
}

// New returns a store without buckets.
func New(o Options) *Sim {
	if o.MinPartSize == 0 {
		o.MinPartSize = 5 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sim{
		options: o, quirks: o.Quirks,
		buckets: map[string]*Bucket{}, keys: map[string]Key{},
		pattern: newPatternBlock(), closing: make(chan struct{}),
	}
	s.server.Handler = s
	s.counters.init()
	s.SetFault(o.Fault)
	for id, k := range o.Keys {
		s.keys[id] = k
	}
	return s
}

// Bucket returns the bucket of this name and creates it when there is none.
func (s *Sim) Bucket(name string) *Bucket {
	if b := s.lookup(name); b != nil {
		return b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		return b
	}
	b := newBucket(s, name)
	s.buckets[name] = b
	return b
}

func (s *Sim) lookup(name string) *Bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name]
}

func (s *Sim) bucketNames() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.buckets))
	for n := range s.buckets {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// SetFault replaces the function that decides what goes wrong; nil ends all faults. It may be called while
// requests are served.
func (s *Sim) SetFault(f func(Call) Fault) { s.fault.Store(&f) }

// SetKey adds or replaces an access key.
func (s *Sim) SetKey(id string, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = k
}

// RemoveKey makes an access key unknown. When it was the last one, every door is open again.
func (s *Sim) RemoveKey(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

func (s *Sim) now() time.Time { return s.options.Now().UTC() }

// unique returns a number that no other call gets, well mixed.
func (s *Sim) unique() uint64 { return mix(s.sequence.Add(1) ^ 0x5353_4d49) }

// mix is the finisher of splitmix64: a bijection that spreads every bit of its input over its output.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
