package job

import "strings"

// KeyMap turns source keys into destination keys and back. It only replaces a constant prefix, so
// it keeps the order of keys: a range of the source maps to one range of the destination.
type KeyMap struct {
	Strip string // removed from the front of a source key
	Add   string // put in front of what remains; empty, or ends in "/"
}

// KeyMap returns the mapping of this job. A destination prefix is followed by exactly one "/";
// "" and "/" mean none.
func (j *Job) KeyMap() KeyMap {
	m := KeyMap{}
	if j.StripSourcePrefix {
		m.Strip = j.Source.Prefix
	}
	if p := strings.TrimRight(j.Destination.Prefix, "/"); p != "" {
		m.Add = p + "/"
	}
	return m
}

// Destination returns the destination key of a source key. It is false when the key does not carry
// the stripped prefix, or when nothing would be left of it.
func (m KeyMap) Destination(source string) (string, bool) {
	rest, ok := strings.CutPrefix(source, m.Strip)
	if !ok || rest == "" {
		return "", false
	}
	return m.Add + rest, true
}

// Source returns the source key whose copy a destination key is. It is false for destination keys
// outside the mapping.
func (m KeyMap) Source(destination string) (string, bool) {
	rest, ok := strings.CutPrefix(destination, m.Add)
	if !ok || rest == "" {
		return "", false
	}
	return m.Strip + rest, true
}
