// Package pattern writes keys of objects as patterns of IAM policies, which match them and as little else as can be said.
package pattern

import "strings"

// MaxBytes is the most that a pattern takes as JSON, in bytes: three of them and their names fit into the answer of a custom
// resource, which may have 4,096, and all statements of a role into its policy, which may have 10,240 characters.
const MaxBytes = 1000

// Prefix returns the pattern of all keys that begin with a text.
func Prefix(text string) string {
	b, _ := literal(text)
	return b + "*"
}

// Key returns the pattern of one key.
func Key(key string) string {
	b, whole := literal(key)
	if !whole {
		b += "*"
	}
	return b
}

// literal escapes what means something in a pattern, as policy variables. It ends at the first character that policies cannot
// hold, or where the pattern gets too long; what follows, a wild card stands for, which allows a little more.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func literal(text string) (escaped string, whole bool) {
	var b strings.Builder
	size := 0
	for _, r := range text {
		next, cost := string(r), 1
		switch r {
		case '*', '?', '$':
			next, cost = "${"+next+"}", 4
		case '"', '\\':
			cost = 2
		case '&', '<', '>': // \u0026 and the like
			cost = 6
		}
		if r < 0x20 || r > 0x7e || size+cost > MaxBytes {
			return b.String(), false
		}
		size += cost
		b.WriteString(next)
	}
	return b.String(), true
}
