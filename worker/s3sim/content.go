package s3sim

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"

	"github.com/minio/crc64nvme"
)

// Content is the bytes of an object.
type Content interface {
	Size() int64
	// WriteRange writes n bytes from off on.
	WriteRange(w io.Writer, off, n int64) error
}

// Bytes is content in memory.
type Bytes []byte

// Size implements Content.
func (b Bytes) Size() int64 { return int64(len(b)) }

// WriteRange implements Content.
func (b Bytes) WriteRange(w io.Writer, off, n int64) error {
	_, err := w.Write(b[off : off+n])
	return err
}

// patternBlock is the unit that generated content repeats. Each repetition begins with a header made of the
// object's seed and the block's number, so that no two blocks are equal, and the CRC of terabytes is
// a few thousand multiplications.
type patternBlock struct {
	bytes [patternSize]byte
	crc   uint64     // of the bytes after the header
	skip  zeroAppend // over the bytes after the header
	whole zeroAppend // over a whole block
}

const (
	patternSize   = 1 << 20
	patternHeader = 16
)

func newPatternBlock() *patternBlock {
	p := &patternBlock{}
	r := rand.New(rand.NewPCG(3, 1959))
	for i := 0; i < patternSize; i += 8 {
		binary.LittleEndian.PutUint64(p.bytes[i:], r.Uint64())
	}
	p.crc = crc64nvme.Checksum(p.bytes[patternHeader:])
	p.skip = appendZeros(patternSize - patternHeader)
	p.whole = appendZeros(patternSize)
	return p
}

// pattern is generated content.
type pattern struct {
	block *patternBlock
	seed  uint64
	size  int64
}

func (p pattern) Size() int64 { return p.size }

func (p pattern) header(block int64) (h [patternHeader]byte) {
	x := mix(p.seed ^ mix(uint64(block)))
	binary.LittleEndian.PutUint64(h[:8], x)
	binary.LittleEndian.PutUint64(h[8:], mix(x))
	return h
}

func (p pattern) WriteRange(w io.Writer, off, n int64) error {
	for n > 0 {
		at := off % patternSize
		take := min(n, patternSize-at)
		if at < patternHeader {
			h := p.header(off / patternSize)
			k := min(take, patternHeader-at)
			if _, err := w.Write(h[at : at+k]); err != nil {
				return err
			}
			off, n, at, take = off+k, n-k, at+k, take-k
		}
		if take > 0 {
			if _, err := w.Write(p.block.bytes[at : at+take]); err != nil {
				return err
			}
		}
		off, n = off+take, n-take
	}
	return nil
}

// crc returns the CRC64NVME of a range.
func (p pattern) crc(off, n int64) uint64 {
	sum := crc64nvme.New()
	head := min(n, (patternSize-off%patternSize)%patternSize)
	_ = p.WriteRange(sum, off, head) // a hash never fails
	off, n = off+head, n-head
	crc := sum.Sum64()
	for ; n >= patternSize; off, n = off+patternSize, n-patternSize {
		h := p.header(off / patternSize)
		block := p.block.skip.apply(crc64nvme.Checksum(h[:])) ^ p.block.crc
		crc = p.block.whole.apply(crc) ^ block
	}
	sum.Reset()
	_ = p.WriteRange(sum, off, n)
	return combine(crc, sum.Sum64(), n)
}

// joined is the content of a completed upload: its parts, one after the other.
type joined struct {
	parts []Content
	size  int64
}

func (j joined) Size() int64 { return j.size }

func (j joined) WriteRange(w io.Writer, off, n int64) error {
	for _, p := range j.parts {
		if n <= 0 {
			break
		}
		size := p.Size()
		if off >= size {
			off -= size
			continue
		}
		take := min(n, size-off)
		if err := p.WriteRange(w, off, take); err != nil {
			return err
		}
		off, n = 0, n-take
	}
	return nil
}

// section is a range of other content, as a part copy makes it.
type section struct {
	of      Content
	off, nn int64
}

func (s section) Size() int64 { return s.nn }

func (s section) WriteRange(w io.Writer, off, n int64) error {
	return s.of.WriteRange(w, s.off+off, n)
}

// dropped is content of which only the size was kept.
type dropped int64

var errDropped = errors.New("the bytes of this object were not kept")

func (d dropped) Size() int64 { return int64(d) }

func (d dropped) WriteRange(io.Writer, int64, int64) error { return errDropped }

// crcOf returns the CRC64NVME of content, false when its bytes were not kept.
func crcOf(c Content) (uint64, bool) {
	switch t := c.(type) {
	case Bytes:
		return crc64nvme.Checksum(t), true
	case pattern:
		return t.crc(0, t.size), true
	case section:
		if p, ok := t.of.(pattern); ok {
			return p.crc(t.off, t.nn), true
		}
	}
	sum := crc64nvme.New()
	err := c.WriteRange(sum, 0, c.Size())
	return sum.Sum64(), err == nil
}

func md5Of(c Content) (string, bool) {
	sum := md5.New()
	err := c.WriteRange(sum, 0, c.Size())
	return hex.EncodeToString(sum.Sum(nil)), err == nil
}
