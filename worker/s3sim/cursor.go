package s3sim

import "strings"

// cursor walks over a bucket in listing order: what was written, laid over the synthetic keyspace. It is used
// under the bucket's lock.
type cursor struct {
	b   *Bucket
	buf []byte // key of the synthetic entry at syn

	at      position
	written *Object // at position at; nil at the end
	syn     int64   // index in the synthetic keyspace; synEnd when there is none
	synEnd  int64
	onSyn   bool // the current entry is the synthetic one
}

// cursor returns one that stands on the first key at or after from, or strictly after it.
func (b *Bucket) cursor(from string, strictly bool) *cursor {
	c := &cursor{b: b, buf: make([]byte, 0, 128)}
	less := b.index.less
	c.seek(func(k string) bool {
		if strictly {
			return less(from, k)
		}
		return !less(k, from)
	})
	return c
}

// seek stands on the first key that makes after true.
func (c *cursor) seek(after func(string) bool) {
	c.at = c.b.index.search(after)
	c.written = c.b.index.object(c.at)
	if k := c.b.synthetic; k != nil {
		c.synEnd = k.N
		c.syn = k.search(after)
		c.settle()
	}
	c.choose()
}

// pastPrefix stands on the first key after all that begin with prefix.
func (c *cursor) pastPrefix(prefix string) {
	less := c.b.index.less
	c.seek(func(k string) bool { return less(prefix, k) && !strings.HasPrefix(k, prefix) })
}

// settle skips synthetic keys that are missing and renders the one that is not.
func (c *cursor) settle() {
	k := c.b.synthetic
	for c.syn < c.synEnd && k.missing(c.syn) {
		c.syn++
	}
	if c.syn < c.synEnd {
		c.buf = k.appendKey(c.buf[:0], c.syn)
	}
}

// choose decides between the two sources; it drops what is hidden by a written entry or a marker.
func (c *cursor) choose() {
	for c.written != nil {
		if c.syn < c.synEnd {
			if string(c.buf) < c.written.Key {
				break
			}
			if string(c.buf) == c.written.Key {
				c.syn++
				c.settle()
			}
		}
		if !c.written.DeleteMarker {
			c.onSyn = false
			return
		}
		c.advanceWritten()
	}
	c.onSyn = true
}

func (c *cursor) advanceWritten() {
	c.at = c.b.index.next(c.at)
	c.written = c.b.index.object(c.at)
}

func (c *cursor) valid() bool { return c.written != nil || c.syn < c.synEnd }

func (c *cursor) next() {
	if c.onSyn {
		c.syn++
		c.settle()
	} else {
		c.advanceWritten()
	}
	c.choose()
}

// key returns the current key; it is good until next.
func (c *cursor) key(buf []byte) []byte {
	if c.onSyn {
		return c.buf
	}
	return append(buf[:0], c.written.Key...)
}

func (c *cursor) object() *Object {
	if c.onSyn {
		return c.b.synthetic.object(c.b.sim, c.syn)
	}
	return c.written
}

func (c *cursor) appendRow(dst, key []byte, style *rowStyle) []byte {
	if c.onSyn {
		return c.b.synthetic.appendRow(dst, key, c.syn, style)
	}
	return c.written.appendRow(dst, key, style)
}
