package s3sim

import (
	"sort"
	"unicode/utf16"
	"unicode/utf8"
)

// index keeps objects in listing order, in chunks small enough for a cheap insertion anywhere.
type index struct {
	less   func(a, b string) bool
	chunks [][]*Object
	n      int
}

const chunkSize = 512

// position of an object: chunk and place within it.
type position struct{ chunk, at int }

// search returns the first position whose key makes after true. after must be false for a beginning of the
// order and true for the rest.
func (x *index) search(after func(key string) bool) position {
	c := sort.Search(len(x.chunks), func(i int) bool {
		last := x.chunks[i][len(x.chunks[i])-1]
		return after(last.Key)
	})
	if c == len(x.chunks) {
		return position{c, 0}
	}
	chunk := x.chunks[c]
	return position{c, sort.Search(len(chunk), func(i int) bool { return after(chunk[i].Key) })}
}

func (x *index) from(key string) position {
	return x.search(func(k string) bool { return !x.less(k, key) })
}

func (x *index) object(p position) *Object {
	if p.chunk >= len(x.chunks) {
		return nil
	}
	return x.chunks[p.chunk][p.at]
}

func (x *index) next(p position) position {
	if p.at++; p.at >= len(x.chunks[p.chunk]) {
		return position{p.chunk + 1, 0}
	}
	return p
}

func (x *index) get(key string) *Object {
	if o := x.object(x.from(key)); o != nil && o.Key == key {
		return o
	}
	return nil
}

// put adds an object, or replaces the one of the same key.
func (x *index) put(o *Object) {
	p := x.from(o.Key)
	if old := x.object(p); old != nil && old.Key == o.Key {
		x.chunks[p.chunk][p.at] = o
		return
	}
	x.n++
	if len(x.chunks) == 0 {
		x.chunks = append(x.chunks, []*Object{o})
		return
	}
	if p.chunk == len(x.chunks) {
		p = position{p.chunk - 1, len(x.chunks[p.chunk-1])}
	}
	c := append(x.chunks[p.chunk], nil)
	copy(c[p.at+1:], c[p.at:])
	c[p.at] = o
	x.chunks[p.chunk] = c
	if len(c) > chunkSize {
		x.split(p.chunk)
	}
}

func (x *index) split(i int) {
	c := x.chunks[i]
	half := len(c) / 2
	if i == len(x.chunks)-1 {
		half = len(c) - 1 // keys that come in order leave full chunks behind
	}
	right := append(make([]*Object, 0, chunkSize+1), c[half:]...)
	x.chunks = append(x.chunks, nil)
	copy(x.chunks[i+2:], x.chunks[i+1:])
	x.chunks[i], x.chunks[i+1] = c[:half:half], right
}

func (x *index) remove(key string) {
	p := x.from(key)
	if o := x.object(p); o == nil || o.Key != key {
		return
	}
	x.n--
	c := x.chunks[p.chunk]
	x.chunks[p.chunk] = append(c[:p.at:p.at], c[p.at+1:]...)
	if len(x.chunks[p.chunk]) == 0 {
		x.chunks = append(x.chunks[:p.chunk], x.chunks[p.chunk+1:]...)
	}
}

func lessUTF8(a, b string) bool { return a < b }

// lessUTF16 orders by code units: characters beyond the basic plane sort before U+E000..U+FFFF.
func lessUTF16(a, b string) bool {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			a1, a2 := units(ra)
			b1, b2 := units(rb)
			return a1 < b1 || a1 == b1 && a2 < b2
		}
		a, b = a[na:], b[nb:]
	}
	return a == "" && b != ""
}

func units(r rune) (rune, rune) {
	if r < 0x10000 {
		return r, 0
	}
	return utf16.EncodeRune(r)
}
