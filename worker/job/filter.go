package job

import (
	"fmt"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Filter decides which source objects a selection takes.
type Filter struct {
	s Selection
}

// NewFilter checks the patterns of a selection.
func NewFilter(s Selection) (*Filter, error) {
	for field, patterns := range map[string][]string{"include": s.Include, "exclude": s.Exclude} {
		for _, p := range patterns {
			if !doublestar.ValidatePattern(p) {
				return nil, fmt.Errorf("%s: %q is no glob pattern; allowed are *, **, ?, [a-z] and {a,b}", field, p)
			}
		}
	}
	return &Filter{s}, nil
}

// Takes reports whether an object is selected: it matches an include pattern if there are any, no exclude
// pattern, and lies within the bounds of size and time.
func (f *Filter) Takes(key string, size int64, modified time.Time) bool {
	if !f.s.Filters() {
		return true
	}
	s := &f.s
	if s.MinSize != nil && size < *s.MinSize || s.MaxSize != nil && size > *s.MaxSize {
		return false
	}
	if !s.ModifiedAfter.IsZero() && !modified.After(s.ModifiedAfter) ||
		!s.ModifiedBefore.IsZero() && !modified.Before(s.ModifiedBefore) {
		return false
	}
	return f.TakesKey(key)
}

// TakesKey reports whether an object of this key can be selected, whatever its size and time.
func (f *Filter) TakesKey(key string) bool {
	s := &f.s
	if len(s.Include) > 0 && !matchesAny(s.Include, key) {
		return false
	}
	return !matchesAny(s.Exclude, key)
}

func matchesAny(patterns []string, key string) bool {
	for _, p := range patterns {
		if doublestar.MatchUnvalidated(p, key) {
			return true
		}
	}
	return false
}
