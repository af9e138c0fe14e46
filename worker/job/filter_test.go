package job

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFilter(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	ten, twenty, zero := int64(10), int64(20), int64(0)
	for _, tt := range []struct {
		name string
		s    Selection
		key  string
		size int64
		day  int
		want bool
	}{
		{"nothing is set", Selection{}, "a", 1, 1, true},
		{"prefixes are no filter", Selection{Prefixes: []string{"x"}}, "a", 1, 1, true},
		{"included", Selection{Include: []string{"*.a", "*.b"}}, "x.b", 1, 1, true},
		{"not included", Selection{Include: []string{"*.a"}}, "x.b", 1, 1, false},
		{"a star stays within a folder", Selection{Include: []string{"*.a"}}, "d/x.a", 1, 1, false},
		{"two stars cross folders", Selection{Include: []string{"**/*.a"}}, "d/e/x.a", 1, 1, true},
		{"two stars match no folder, too", Selection{Include: []string{"**/*.a"}}, "x.a", 1, 1, true},
		{"the whole key is meant", Selection{Include: []string{"x"}}, "xy", 1, 1, false},
		{"letters' case counts", Selection{Include: []string{"*.A"}}, "x.a", 1, 1, false},
		{"alternatives", Selection{Include: []string{"*.{a,b}"}}, "x.b", 1, 1, true},
		{"excluded", Selection{Exclude: []string{"tmp/**"}}, "tmp/d/x", 1, 1, false},
		{"exclude wins", Selection{Include: []string{"**"}, Exclude: []string{"x"}}, "x", 1, 1, false},
		{"not excluded", Selection{Exclude: []string{"tmp/**"}}, "x", 1, 1, true},
		{"as small as allowed", Selection{MinSize: &ten}, "a", 10, 1, true},
		{"too small", Selection{MinSize: &ten}, "a", 9, 1, false},
		{"as large as allowed", Selection{MaxSize: &twenty}, "a", 20, 1, true},
		{"too large", Selection{MaxSize: &twenty}, "a", 21, 1, false},
		{"only empty ones", Selection{MaxSize: &zero}, "a", 1, 1, false},
		{"an empty one", Selection{MaxSize: &zero}, "a", 0, 1, true},
		{"after", Selection{ModifiedAfter: day(2)}, "a", 1, 3, true},
		{"at the bound after", Selection{ModifiedAfter: day(2)}, "a", 1, 2, false},
		{"before", Selection{ModifiedBefore: day(2)}, "a", 1, 1, true},
		{"at the bound before", Selection{ModifiedBefore: day(2)}, "a", 1, 2, false},
		{"all hold", Selection{Include: []string{"a*"}, MinSize: &ten, MaxSize: &twenty, ModifiedAfter: day(1), ModifiedBefore: day(3)}, "ab", 15, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := NewFilter(tt.s)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Takes(tt.key, tt.size, day(tt.day)); got != tt.want {
				t.Errorf("took %q: %v", tt.key, got)
			}
			if !tt.want && !tt.s.Filters() {
				t.Error("the selection hides an object and says that it filters nothing")
			}
		})
	}
}

func TestFilterRefusesBrokenPatterns(t *testing.T) {
	for field, s := range map[string]Selection{"include": {Include: []string{"ok", "[a"}}, "exclude": {Exclude: []string{"{a"}}} {
		if _, err := NewFilter(s); err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// Whatever pattern was accepted can be asked about any key, and exclude is the opposite of include.
func TestExcludeIsTheOppositeOfInclude(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/*?\[\]{},^\\-]{1,8}`).Draw(t, "pattern")
		key := rapid.StringMatching(`[ab/\n{\\]{1,6}`).Draw(t, "key")
		in, err := NewFilter(Selection{Include: []string{pattern}})
		out, err2 := NewFilter(Selection{Exclude: []string{pattern}})
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v, %v", err, err2)
		}
		if err == nil && in.Takes(key, 0, time.Time{}) == out.Takes(key, 0, time.Time{}) {
			t.Fatalf("pattern %q both includes and excludes %q", pattern, key)
		}
	})
}
