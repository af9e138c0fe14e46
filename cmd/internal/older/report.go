package older

import (
	"fmt"
	"strings"
)

// Report says for a person what became of the file.
func (r *Result) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kept: %s\n", listed(r.Kept))
	for _, c := range r.Renamed {
		fmt.Fprintf(&b, "renamed: %s is %s now%s\n", c.Name, c.New, reason(c.Why))
	}
	for _, c := range r.Dropped {
		fmt.Fprintf(&b, "dropped: %s%s\n", c.Name, reason(c.Why))
	}
	for _, name := range r.Unknown {
		fmt.Fprintf(&b, "unknown, left out: %s\n", name)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if len(r.Samples) == 0 {
		return b.String()
	}
	b.WriteString("keys of copies, older and new:\n")
	for _, s := range r.Samples {
		verdict := "same"
		if !s.Agrees() {
			verdict = "DIFFERENT"
		}
		fmt.Fprintf(&b, "  %q -> %q, %q: %s\n", s.Source, s.Older, s.New, verdict)
	}
	if !r.KeysAgree() {
		b.WriteString("Every object would be copied again, under other keys. destPrefix is followed by exactly one slash here; move the copies, or give another destPrefix with --param.\n")
	}
	return b.String()
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
