// Package sample describes the objects of the sample source bucket: a few thousand of mixed sizes,
// names that give trouble elsewhere, content headers, metadata, tags, and one giant. The same seed
// always gives the same objects, byte for byte.
package sample

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// PartSize is the size from which sample objects are uploaded in parts, and the size of the parts.
const PartSize = 8 << 20

// blockSize is the granularity of content: every block of an object has its own random stream, so
// that a part can be made without the bytes before it. PartSize is a multiple of it.
const blockSize = 1 << 20

// The pair that fails on purpose: the destination holds Blocker, a plain object. A server that keeps
// objects as files can then hold no Refused below it, and refuses the copy.
const (
	Refused = "fails-on-purpose/report/2024.csv"
	Blocker = "fails-on-purpose/report"
)

// Giant is the key of the largest object.
const Giant = "giant/disk-image.raw"

// Object is one object of the sample.
type Object struct {
	Key      string
	Size     int64
	Checksum string // algorithm that the uploader states: CRC64NVME, CRC32C, CRC32, SHA256 or empty
	Headers  Headers
	Metadata map[string]string
	Tags     map[string]string

	seed uint64
}

// Headers are the content headers of an object; empty ones are not sent.
type Headers struct {
	Type, Encoding, Language, Disposition, CacheControl string
}

// Options shape the sample.
type Options struct {
	Seed  uint64
	Count int   // objects in all, the named ones included
	Giant int64 // size of the giant in bytes; 0: none
}

// Objects lists the sample of a source bucket, largest first, so that a parallel upload ends evenly.
func Objects(o Options) ([]Object, error) {
	rng := rand.New(rand.NewPCG(o.Seed, 0x5eed))
	list := named(o.Giant)
	if o.Count < len(list) {
		return nil, fmt.Errorf("%d objects asked for; the named ones alone are %d", o.Count, len(list))
	}
	for i := range o.Count - len(list) {
		list = append(list, ordinary(rng, i))
	}
	for i := range list {
		list[i].seed = o.Seed
		dress(&list[i], i)
	}
	slices.SortStableFunc(list, func(a, b Object) int { return int(b.Size/PartSize - a.Size/PartSize) })
	return list, nil
}

// Obstacle is the object that stands in the destination from the start.
func Obstacle(seed uint64) Object {
	return Object{Key: Blocker, Size: 64, Headers: Headers{Type: "text/plain"}, seed: seed}
}

// Bytes makes the object's content from offset on, length bytes. Offset is a multiple of PartSize.
func (o *Object) Bytes(offset, length int64) []byte {
	content := make([]byte, length)
	for at := int64(0); at < length; at += blockSize {
		block := rand.NewChaCha8(o.blockSeed((offset + at) / blockSize))
		block.Read(content[at:min(at+blockSize, length)]) //nolint:errcheck // never fails
	}
	return content
}

func (o *Object) blockSeed(block int64) [32]byte {
	text := binary.LittleEndian.AppendUint64(nil, o.seed)
	text = binary.LittleEndian.AppendUint64(text, uint64(block))
	return sha256.Sum256(append(text, o.Key...))
}

// ordinary makes the i-th object of the crowd. Most are small, few reach 1 MiB.
func ordinary(rng *rand.Rand, i int) Object {
	size := int64(math.Exp(rng.Float64() * math.Log(64<<10)))
	if rng.IntN(20) == 0 {
		size = 64<<10 + rng.Int64N(960<<10)
	}
	year, month, day := 2019+rng.IntN(7), 1+rng.IntN(12), 1+rng.IntN(28)
	var key string
	switch i % 6 {
	case 0:
		key = fmt.Sprintf("photos/%d/%02d/IMG_%05d.jpg", year, month, i)
	case 1:
		key = fmt.Sprintf("logs/%d/%02d/%02d/host-%d/%05d.json.gz", year, month, day, rng.IntN(8), i)
	case 2:
		key = fmt.Sprintf("warehouse/orders/year=%d/month=%02d/part-%05d.snappy.parquet", year, month, i)
	case 3:
		key = fmt.Sprintf("thumbs/%02x/%02x/%08x-%05d.webp", rng.IntN(256), rng.IntN(256), rng.Uint32(), i)
	case 4:
		key = fmt.Sprintf("invoices/customer %d/Invoice %d-%05d.pdf", rng.IntN(40), year, i)
	default:
		key = fmt.Sprintf("note-%05d.txt", i)
	}
	return Object{Key: key, Size: size}
}
