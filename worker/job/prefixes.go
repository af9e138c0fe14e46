package job

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxKey is the longest key or prefix in bytes.
const MaxKey = 1024

// ParsePrefixes reads a prefix list: one literal prefix a line, with LF or CRLF; blank lines are ignored.
// Everything else in a line belongs to the prefix, spaces too. Errors name the line.
func ParsePrefixes(text string) ([]string, error) {
	var prefixes []string
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case len(line) > MaxKey:
			return nil, fmt.Errorf("prefix list, line %d: the prefix has %d bytes, allowed are %d", i+1, len(line), MaxKey)
		case !utf8.ValidString(line):
			return nil, fmt.Errorf("prefix list, line %d: %q is not UTF-8", i+1, line)
		}
		prefixes = append(prefixes, line)
	}
	return MergePrefixes(prefixes), nil
}

// MergePrefixes sorts prefixes and drops those that another one contains, so that no key is listed twice.
func MergePrefixes(prefixes []string) []string {
	sorted := slices.Clone(prefixes)
	slices.Sort(sorted)
	var out []string
	for _, p := range sorted {
		if len(out) > 0 && strings.HasPrefix(p, out[len(out)-1]) {
			continue
		}
		out = append(out, p)
	}
	return out
}
