package s3sim

import (
	"math/bits"
	"sort"
	"strconv"
	"time"
)

// Synthetic is a keyspace that exists only as arithmetic: millions of keys in listing order, that cost no memory
// and less than a microsecond each to list. Objects that are written or deleted in its bucket lie
// over it.
type Synthetic struct {
	N      int64  // number of keys before MissingEvery takes its share
	Format Format // how keys look
	Prefix string // before every key

	Size         int64 // of every object
	Seed         uint64
	Modified     time.Time // zero: 2024-01-02 03:04:05
	StorageClass string

	// MissingEvery leaves out every so-many-th key; ChangedEvery gives every so-many-th another content and
	// ETag than the same keyspace without it. 0: none. Two keyspaces that differ in these have a known
	// difference.
	MissingEvery, ChangedEvery int64

	// MD5 makes ETags true. It costs the MD5 of Size bytes a listed key; without it, ETags are digits that
	// depend on seed and key only.
	MD5 bool

	sim      *Sim
	modified []byte
	step     uint64
}

// Format says how synthetic keys look.
type Format int

// The formats.
const (
	Flat  Format = iota // object-000000001234.bin
	Hex                 // 16 hex digits spread over the whole space, as hashes are
	Dates               // 2024/01/31/23/0042.log, 100 keys an hour
)

const perHour = 100

// Fill gives the bucket a synthetic keyspace in place of the one it had.
func (b *Bucket) Fill(k Synthetic) {
	if k.Modified.IsZero() {
		k.Modified = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	k.sim = b.sim
	k.modified = appendTime(nil, k.Modified)
	k.step = 1
	if k.N > 0 {
		k.step, _ = bits.Div64(1, 0, uint64(k.N)+1)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.synthetic = &k
}

// Count returns the number of keys that a keyspace lists.
func (k *Synthetic) Count() int64 {
	if k.MissingEvery > 0 {
		return k.N - k.N/k.MissingEvery
	}
	return k.N
}

func (k *Synthetic) missing(i int64) bool {
	return k.MissingEvery > 0 && i%k.MissingEvery == k.MissingEvery-1
}

func (k *Synthetic) changed(i int64) bool {
	return k.ChangedEvery > 0 && i%k.ChangedEvery == 0
}

// appendKey writes key i. Keys grow with i in byte order.
func (k *Synthetic) appendKey(dst []byte, i int64) []byte {
	dst = append(dst, k.Prefix...)
	switch k.Format {
	case Hex:
		x := uint64(i) * k.step
		if k.step > 1 {
			x += mix(uint64(i)) % k.step
		}
		return append(dst, hexID(x)...)
	case Dates:
		hour := i / perHour
		year, month, day := time.Unix((18262+hour/24)*86400, 0).UTC().Date() // days from 2020-01-01 on
		dst = append(digits(dst, uint64(year), 4), '/')
		dst = append(digits(dst, uint64(month), 2), '/')
		dst = append(digits(dst, uint64(day), 2), '/')
		dst = append(digits(dst, uint64(hour%24), 2), '/')
		return append(digits(dst, uint64(i%perHour), 4), ".log"...)
	}
	dst = append(dst, "object-"...)
	return append(digits(dst, uint64(i), 12), ".bin"...)
}

func digits(dst []byte, x uint64, width int) []byte {
	var b [20]byte
	at := len(b)
	for x > 0 || len(b)-at < width {
		at--
		b[at] = byte('0' + x%10)
		x /= 10
	}
	return append(dst, b[at:]...)
}

// search returns the first index whose key makes after true, N when there is none.
func (k *Synthetic) search(after func(key string) bool) int64 {
	buf := make([]byte, 0, 128)
	return int64(sort.Search(int(k.N), func(i int) bool {
		buf = k.appendKey(buf[:0], int64(i))
		return after(string(buf))
	}))
}

// find returns the index of a key, -1 when it is none of the keyspace.
func (k *Synthetic) find(key string) int64 {
	i := k.search(func(s string) bool { return s >= key })
	if i == k.N || k.missing(i) || string(k.appendKey(nil, i)) != key {
		return -1
	}
	return i
}

func (k *Synthetic) seedOf(i int64) uint64 {
	seed := k.Seed ^ mix(uint64(i))
	if k.changed(i) {
		seed = ^seed
	}
	return seed
}

const hexPairs = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

func (k *Synthetic) appendETag(dst []byte, i int64) []byte {
	if k.MD5 {
		sum, _ := md5Of(k.content(i)) // a pattern is always there
		return append(dst, sum...)
	}
	x := mix(k.seedOf(i))
	y := mix(x)
	var tag [32]byte
	for i := 0; i < 16; i += 2 {
		at := x & 255 * 2
		tag[i], tag[i+1] = hexPairs[at], hexPairs[at+1]
		at = y & 255 * 2
		tag[16+i], tag[17+i] = hexPairs[at], hexPairs[at+1]
		x, y = x>>8, y>>8
	}
	return append(dst, tag[:]...)
}

func (k *Synthetic) content(i int64) Content { return k.sim.Pattern(k.Size, k.seedOf(i)) }

// object makes the object of an index, as reads need it.
func (k *Synthetic) object(s *Sim, i int64) *Object {
	o := &Object{
		Key: string(k.appendKey(nil, i)), Content: k.content(i), ETag: string(k.appendETag(nil, i)),
		Modified: k.Modified, StorageClass: k.StorageClass,
	}
	if !s.quirks.NoChecksums {
		crc, _ := crcOf(o.Content)
		o.Sum = Sum{Algorithm: "CRC64NVME", Value: encodeCRC(crc)}
	}
	return o
}

// appendRow writes the entry of a listing.
func (k *Synthetic) appendRow(dst, key []byte, i int64, style *rowStyle) []byte {
	dst = append(dst, "<Contents><Key>"...)
	dst = style.key(dst, key)
	dst = append(dst, "</Key><LastModified>"...)
	dst = append(dst, k.modified...)
	dst = append(dst, "</LastModified><ETag>&quot;"...)
	dst = k.appendETag(dst, i)
	dst = append(dst, "&quot;</ETag>"...)
	if style.checksums {
		dst = append(dst, "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"...)
	}
	dst = append(dst, "<Size>"...)
	dst = strconv.AppendInt(dst, k.Size, 10)
	dst = append(dst, "</Size><StorageClass>"...)
	dst = append(dst, class(k.StorageClass)...)
	return append(dst, "</StorageClass></Contents>"...)
}

func class(c string) string {
	if c == "" {
		return "STANDARD"
	}
	return c
}
