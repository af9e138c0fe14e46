package job

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyMap(t *testing.T) {
	for _, tt := range []struct {
		name               string
		source, dest       string
		strip              bool
		key, want          string
		mapped, roundTrips bool
	}{
		{"nothing", "", "", false, "a/b", "a/b", true, true},
		{"a slash is no prefix", "", "/", false, "a/b", "a/b", true, true},
		{"slashes are no prefix", "", "///", false, "a", "a", true, true},
		{"prefix without slash", "", "out", false, "a/b", "out/a/b", true, true},
		{"prefix with slash", "", "out/", false, "a/b", "out/a/b", true, true},
		{"prefix with slashes", "", "out//", false, "a/b", "out/a/b", true, true},
		{"a slash in front stays", "", "/out", false, "a", "/out/a", true, true},
		{"a key's own slash stays", "", "out", false, "/a", "out//a", true, true},
		{"source prefix kept", "in/", "out", false, "in/a", "out/in/a", true, true},
		{"source prefix stripped", "in/", "out", true, "in/a", "out/a", true, true},
		{"literal prefix stripped", "dat", "out", true, "database/x", "out/abase/x", true, true},
		{"outside of the stripped prefix", "in/", "out", true, "other/a", "", false, false},
		{"nothing is left", "in/", "out", true, "in/", "", false, false},
		{"no key", "", "", false, "", "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := Defaults()
			j.Source.Prefix, j.Destination.Prefix, j.StripSourcePrefix = tt.source, tt.dest, tt.strip
			m := j.KeyMap()
			got, ok := m.Destination(tt.key)
			if got != tt.want || ok != tt.mapped {
				t.Fatalf("%q became %q, %v; want %q, %v", tt.key, got, ok, tt.want, tt.mapped)
			}
			if back, ok := m.Source(got); ok != tt.roundTrips || ok && back != tt.key {
				t.Errorf("%q came back as %q, %v", got, back, ok)
			}
		})
	}
}

func TestKeyMapRefusesForeignDestinationKeys(t *testing.T) {
	m := KeyMap{Strip: "in/", Add: "out/"}
	for _, key := range []string{"", "a", "out", "out/", "outer/a", "in/a"} {
		if got, ok := m.Source(key); ok {
			t.Errorf("%q is taken for the copy of %q", key, got)
		}
	}
}

// Keys come back as they were, and their order and distinctness survive: a range of the source is one of the destination.
func TestKeyMapKeepsKeysAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := Defaults()
		j.Source.Prefix = rapid.StringMatching(`[a-c/é😀]{0,3}`).Draw(t, "source prefix")
		j.Destination.Prefix = rapid.StringMatching(`[a-c/é]{0,3}`).Draw(t, "destination prefix")
		j.StripSourcePrefix = rapid.Bool().Draw(t, "strip")
		m := j.KeyMap()
		var keys, copies []string
		for _, rest := range rapid.SliceOfNDistinct(rapid.String(), 1, 8, rapid.ID).Draw(t, "keys") {
			key := j.Source.Prefix + rest
			copied, ok := m.Destination(key)
			if ok == (j.StripSourcePrefix && rest == "" || key == "") {
				t.Fatalf("%q: mapped %v", key, ok)
			}
			if !ok {
				continue
			}
			if back, ok := m.Source(copied); !ok || back != key {
				t.Fatalf("%q became %q and came back as %q, %v", key, copied, back, ok)
			}
			keys, copies = append(keys, key), append(copies, copied)
		}
		slices.Sort(keys)
		slices.Sort(copies)
		for i, key := range keys {
			if copied, _ := m.Destination(key); copied != copies[i] {
				t.Fatalf("key %d is %q, whose copy %q is not number %d of %q", i, key, copied, i, copies)
			}
		}
	})
}

// No destination prefix may be written with a doubled or missing slash.
func TestDestinationPrefixEndsInOneSlash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := Defaults()
		j.Destination.Prefix = rapid.StringMatching(`[a/]{0,5}`).Draw(t, "prefix")
		add := j.KeyMap().Add
		if add != "" && (!strings.HasSuffix(add, "/") || strings.HasSuffix(add, "//")) || add == "/" {
			t.Fatalf("%q became %q", j.Destination.Prefix, add)
		}
	})
}

// Whatever bytes a key has: it comes back from its copy's key, keeps its order, and a key without a place is refused.
func FuzzKeyMap(f *testing.F) {
	f.Add("", "", false, "a", "b")
	f.Add("photos/", "copy//", true, "photos/é😀", "photos/\x00")
	f.Add("a", "/", true, "a", "ab")
	f.Add("%2F", "a/b", false, "%2F\xff\xfe", "\u2028")
	f.Fuzz(func(t *testing.T, source, destination string, strip bool, one, two string) {
		j := Defaults()
		j.Source.Prefix, j.Destination.Prefix, j.StripSourcePrefix = source, destination, strip
		m := j.KeyMap()
		var copies []string
		for _, key := range []string{one, two} {
			copied, ok := m.Destination(key)
			if want := key != "" && (!strip || strings.HasPrefix(key, source) && key != source); ok != want {
				t.Fatalf("%q: mapped %t, want %t", key, ok, want)
			}
			if !ok {
				return
			}
			if back, ok := m.Source(copied); !ok || back != key {
				t.Errorf("%q became %q and came back as %q, %t", key, copied, back, ok)
			}
			copies = append(copies, copied)
		}
		if strings.Compare(one, two) != strings.Compare(copies[0], copies[1]) {
			t.Errorf("%q and %q have copies in another order: %q", one, two, copies)
		}
	})
}
