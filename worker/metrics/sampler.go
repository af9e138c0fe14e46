package metrics

import (
	"sync"
	"time"
)

// Sampler lets so many events a second through and counts the others. It is used by many goroutines.
type Sampler struct {
	limit int
	now   func() time.Time

	mu     sync.Mutex
	second int64
	passed int
	left   int64
}

// NewSampler returns a sampler that lets limit events a second through.
func NewSampler(limit int, now func() time.Time) *Sampler { return &Sampler{limit: limit, now: now} }

// Take reports whether the present event is let through.
func (s *Sampler) Take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := s.now().Unix(); second != s.second {
		s.second, s.passed = second, 0
	}
	if s.passed >= s.limit {
		s.left++
		return false
	}
	s.passed++
	return true
}

// LeftOut returns how many events were not let through since the last call.
func (s *Sampler) LeftOut() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.left
	s.left = 0
	return n
}
