package pattern_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datatransferhub/dth/plugins/s3/pattern"
)

func TestPatterns(t *testing.T) {
	long := strings.Repeat("x", pattern.MaxBytes)
	for _, tt := range []struct{ text, prefix, key string }{
		{"", "*", ""},
		{"in/", "in/*", "in/"},
		{"a//b/", "a//b/*", "a//b/"},
		{"${aws:username}/", "${$}{aws:username}/*", "${$}{aws:username}/"},
		{"a*b?c", "a${*}b${?}c*", "a${*}b${?}c"},
		{`quo"te\`, `quo"te\*`, `quo"te\`},
		{"übung/x", "*", "*"},
		{"a\nb", "a*", "a*"},
		{long, long + "*", long},
		{long + "y", long + "*", long + "*"},
	} {
		if got := pattern.Prefix(tt.text); got != tt.prefix {
			t.Errorf("Prefix(%.40q) is %.40q, want %.40q", tt.text, got, tt.prefix)
		}
		if got := pattern.Key(tt.text); got != tt.key {
			t.Errorf("Key(%.40q) is %.40q, want %.40q", tt.text, got, tt.key)
		}
	}
}

// matches tells whether a pattern matches as IAM says, variables of no other kind than those of single characters.
func matches(t *testing.T, p, text string) bool {
	t.Helper()
	switch {
	case p == "":
		return text == ""
	case p == "*":
		return true
	case strings.HasPrefix(p, "${"):
		if len(p) < 4 || p[3] != '}' || !strings.Contains("*?$", p[2:3]) {
			t.Fatalf("%q has a variable", p)
		}
		return text != "" && text[0] == p[2] && matches(t, p[4:], text[1:])
	case strings.ContainsAny(p[:1], "*?$"):
		t.Fatalf("%q has a wild card in its middle", p)
	}
	return text != "" && text[0] == p[0] && matches(t, p[1:], text[1:])
}

// A pattern matches its own text, has no other wild card than one at its end, and is never too long.
func FuzzPatterns(f *testing.F) {
	for _, seed := range []string{"", "in/", "${*}", "$$?*{}", "ü", "\x7f", strings.Repeat("\"", 600)} {
		f.Add(seed, "rest")
	}
	f.Fuzz(func(t *testing.T, text, rest string) {
		if !utf8.ValidString(text) {
			return
		}
		prefix, key := pattern.Prefix(text), pattern.Key(text)
		if !matches(t, prefix, text+rest) || !matches(t, key, text) {
			t.Errorf("%q is not matched by %q or %q", text, prefix, key)
		}
		if raw, err := json.Marshal(prefix); err != nil || len(raw) > pattern.MaxBytes+len(`"*"`) {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
	})
}
