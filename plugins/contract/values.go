package contract

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/units"
)

// The accessors below read values that Validate has accepted; an absent value is the zero value.

// Is reports whether a Bool is true, or a Yes/No choice is Yes.
func (v Values) Is(name string) bool { return v[name] == "true" || v[name] == "Yes" }

// Integer returns an Integer or Percent.
func (v Values) Integer(name string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(v[name], "%"), 10, 64) // was checked
	return n
}

// Size returns a Size in bytes and whether it was given.
func (v Values) Size(name string) (int64, bool) {
	n, err := units.ParseSize(v[name])
	return n, err == nil
}

// Rate returns a Rate in bytes a second.
func (v Values) Rate(name string) int64 {
	n, _ := units.ParseRate(v[name]) // was checked
	return n
}

// Time returns a Time, the zero time when it was not given.
func (v Values) Time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339, v[name]) // was checked
	return t
}

// List returns the entries of a List: separated by commas or new lines, without the white space around them. A comma
// within braces belongs to the entry: *.{jpg,png} is one pattern.
func (v Values) List(name string) []string {
	var out []string
	for _, line := range v.Lines(name) {
		for _, entry := range splitCommas(line) {
			if entry = strings.TrimSpace(entry); entry != "" {
				out = append(out, entry)
			}
		}
	}
	return out
}

// OneLine is a list on one line, as CloudFormation takes it: its entries with commas between them, without remarks where the list
// may have some. Behind a remark on the same line nothing would be an entry any more.
func (p *Parameter) OneLine(list string) string {
	if p.Remarks {
		lines := strings.Split(list, "\n")
		list = strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }), "\n")
	}
	return strings.Join(Values{p.Name: list}.List(p.Name), ",")
}

// splitCommas splits at the commas outside of braces. A backslash takes the next byte's meaning away, as in patterns.
func splitCommas(line string) (out []string) {
	depth, from := 0, 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case ',':
			if depth == 0 {
				out, from = append(out, line[from:i]), i+1
			}
		}
	}
	return append(out, line[from:])
}

// Lines returns the lines of a Lines value as they are, without blank ones.
func (v Values) Lines(name string) []string {
	var out []string
	for line := range strings.SplitSeq(v[name], "\n") {
		if line = strings.TrimSuffix(line, "\r"); strings.TrimSpace(line) != "" {
			out = append(out, line)
		}
	}
	return out
}
