package list

import (
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/store"
)

// alphabet gathers the characters that keys use, from a sample of them.
type alphabet struct {
	mu     sync.Mutex
	ascii  [utf8.RuneSelf]bool
	others map[rune]struct{}
	sorted []rune // of all; nil when it must be made anew
}

// maxAlphabet bounds the characters beyond ASCII that are remembered.
const maxAlphabet = 512

// observe samples the keys of a page.
func (a *alphabet) observe(objects []store.Object) {
	const step = 97 // a prime: with pages of 1,000, all last digits come by
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := 0; i < len(objects); i += step {
		a.add(objects[i].Key)
	}
}

func (a *alphabet) add(key string) {
	for _, c := range key {
		switch {
		case c < utf8.RuneSelf:
			if !a.ascii[c] && sayable(c) {
				a.ascii[c], a.sorted = true, nil
			}
		case len(a.others) < maxAlphabet && sayable(c):
			if _, known := a.others[c]; !known {
				if a.others == nil {
					a.others = map[rune]struct{}{}
				}
				a.others[c], a.sorted = struct{}{}, nil
			}
		}
	}
}

// after returns the known characters behind c, in order.
func (a *alphabet) after(c rune) []rune {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sorted == nil {
		for c, known := range a.ascii {
			if known {
				a.sorted = append(a.sorted, rune(c))
			}
		}
		for c := range a.others {
			a.sorted = append(a.sorted, c)
		}
		slices.Sort(a.sorted)
	}
	i, found := slices.BinarySearch(a.sorted, c)
	if found {
		i++
	}
	return slices.Clone(a.sorted[i:])
}

// sayable reports whether every store and every XML document takes a character.
func sayable(c rune) bool {
	return c >= ' ' && (c < 0x7f || c > 0xa0) && c != utf8.RuneError && c&0xfffe != 0xfffe
}

// orderless reports whether orders by UTF-8 and by UTF-16 may differ at a character: the places of U+E000 to
// U+FFFF and of everything behind them are exchanged.
func orderless(c rune) bool { return c >= 0xe000 && c <= 0xffff }

// successor returns the next character that can be said; false behind the last one.
func successor(c rune) (rune, bool) {
	for c++; c <= utf8.MaxRune; c++ {
		if c >= 0xd800 && c < 0xe000 {
			c = 0xe000
		}
		if sayable(c) {
			return c, true
		}
	}
	return 0, false
}
