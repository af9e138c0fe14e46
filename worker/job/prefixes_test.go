package job

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParsePrefixes(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{"LF and CRLF, blank lines", "b/\r\na/\n\n   \r\nc", []string{"a/", "b/", "c"}, ""},
		{"mark of the encoding", "\ufeffa/\n", []string{"a/"}, ""},
		{"blanks belong to a prefix", " a\nb \n", []string{" a", "b "}, ""},
		{"duplicates and overlaps", "a/b/c\na/b\na/bc/d\na/c\na/c\n", []string{"a/b", "a/c"}, ""},
		{"literal, no folders", "data\ndatabase/x\n", []string{"data"}, ""},
		{"beyond the BMP", "😀\n\uffee\n", []string{"\uffee", "😀"}, ""},
		{"nothing", "\n \n", nil, ""},
		{"too long", "a\n" + strings.Repeat("x", 1025), nil, "line 2"},
		{"no UTF-8", "a\nb\n\xff\n", nil, "line 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePrefixes(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %q, %v; want an error about %s", got, err, tt.err)
				}
				return
			}
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Error(d, err)
			}
		})
	}
}

// Merged prefixes select the same keys, each by exactly one of them.
func TestMergePrefixes(t *testing.T) {
	text := rapid.StringMatching(`[ab/]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		prefixes := rapid.SliceOfN(text, 0, 8).Draw(t, "prefixes")
		before := slices.Clone(prefixes)
		merged := MergePrefixes(prefixes)
		if !slices.Equal(before, prefixes) {
			t.Fatalf("the list that was given was changed to %q", prefixes)
		}
		key := rapid.StringMatching(`[ab/]{0,6}`).Draw(t, "key")
		selects := func(all []string) (n int) {
			for _, p := range all {
				if strings.HasPrefix(key, p) {
					n++
				}
			}
			return n
		}
		if want, got := min(selects(prefixes), 1), selects(merged); want != got {
			t.Fatalf("%q became %q: key %q is selected %d times, want %d", prefixes, merged, key, got, want)
		}
	})
}

func FuzzParsePrefixes(f *testing.F) {
	f.Add("a/\r\nb/\n\na/b")
	f.Add("\ufeff\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParsePrefixes(text)
		if err != nil {
			return
		}
		for i, p := range got {
			if p == "" || len(p) > MaxKey || !utf8.ValidString(p) || strings.ContainsRune(p, '\n') {
				t.Errorf("prefix %q", p)
			}
			if i > 0 && (p <= got[i-1] || strings.HasPrefix(p, got[i-1])) {
				t.Errorf("%q after %q", p, got[i-1])
			}
		}
		again, err := ParsePrefixes("\n" + strings.Join(got, "\r\n") + "\r\n")
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q read again is %q, %v", got, again, err)
		}
	})
}
