package contract

import (
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

// List returns the entries of a List: separated by commas or new lines, without the white space around them.
func (v Values) List(name string) []string {
	return split(v[name], func(r rune) bool { return r == ',' || r == '\n' }, true)
}

// Lines returns the lines of a Lines value as they are, without blank ones.
func (v Values) Lines(name string) []string {
	return split(strings.ReplaceAll(v[name], "\r\n", "\n"), func(r rune) bool { return r == '\n' }, false)
}

func split(text string, at func(rune) bool, trim bool) []string {
	var out []string
	for _, part := range strings.FieldsFunc(text, at) {
		if trim {
			part = strings.TrimSpace(part)
		}
		if strings.TrimSpace(part) != "" {
			out = append(out, part)
		}
	}
	return out
}
