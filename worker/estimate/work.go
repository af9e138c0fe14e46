package estimate

import (
	"cmp"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/transfer"
)

// SmallestBilled is the size in bytes that smaller objects are billed as in the storage classes for infrequent access, and from
// which Intelligent-Tiering watches an object: 128 KiB.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
const SmallestBilled = 128 << 10

// The records of parts in the run table (worker/multipart/multipartaws): so many share an item, and each takes so many bytes of
// it. Every write is billed by the size of the item that it leaves, at 1 KiB a unit.
const (
	partsAnItem   = 64
	bytesAPart    = 112
	bytesAUnit    = 1 << 10
	bytesReadUnit = 4 << 10
)

// Rules say how objects are cut into parts. The zero value has the defaults.
type Rules struct {
	GiantThreshold int64 // bytes; 0 is job.DefaultGiantThreshold
	MaxParts       int   // that the destination takes; 0 is 10,000
}

// RulesOf returns the rules of a job.
func RulesOf(j *job.Job) Rules { return Rules{GiantThreshold: j.GiantThreshold} }

// Work is what there is to copy, added up object by object, so that nothing of it depends on how many objects there are.
// Sizes are bytes.
type Work struct {
	Objects, Bytes int64
	// Tiny are the objects below SmallestBilled.
	Tiny, TinyBytes int64
	// Whole are the objects that go as one stream; of them, Rechecked are so large that the source is looked at once more
	// afterwards.
	Whole, Rechecked int64
	// Parted are the objects below the giant threshold that one process copies in parts, and Parts their parts.
	Parted, Parts int64
	// Giants are the objects whose GiantParts the fleet shares; GiantItems are the items that hold the records of the parts.
	Giants, GiantParts, GiantItems int64
	// GiantLooks is the number of items that are read while giants are copied: whenever an item is full, all that are there, and
	// all at the completion.
	GiantLooks int64
	// PartUnits are the write units that the records of all parts take, of giants and others, and their removal.
	PartUnits int64
	// Long are the objects that the destination cannot copy from the source by one call, and LongParts their parts.
	Long, LongParts int64
}

// Add counts one object of this size.
func (w *Work) Add(size int64, r Rules) { w.AddMany(1, size, r) }

// AddMany counts n objects of one size.
func (w *Work) AddMany(n, size int64, r Rules) {
	giant := cmp.Or(r.GiantThreshold, job.DefaultGiantThreshold)
	part := transfer.PartSizeFor(size, r.MaxParts)
	parts := max(1, (size+part-1)/part)
	w.Objects += n
	w.Bytes += n * size
	if size < SmallestBilled {
		w.Tiny += n
		w.TinyBytes += n * size
	}
	if size > transfer.MaxServerSide {
		w.Long += n
		w.LongParts += n * parts
	}
	switch {
	case size >= giant:
		items := (parts + partsAnItem - 1) / partsAnItem
		w.Giants += n
		w.GiantParts += n * parts
		w.GiantItems += n * items
		w.GiantLooks += n * items
		if items > 1 {
			w.GiantLooks += n * items * (items + 1) / 2
		}
		w.PartUnits += n * partUnits(parts)
	case size >= transfer.MultipartFrom:
		w.PartUnits += n * partUnits(parts)
		w.Parted += n
		w.Parts += n * parts
	default:
		w.Whole += n
		if size >= transfer.RecheckFrom {
			w.Rechecked += n
		}
	}
}

// partUnits returns the write units that recording and forgetting the parts of one upload takes.
func partUnits(parts int64) (units int64) {
	of := func(n int64) (sum int64) {
		for i := int64(1); i <= n; i++ {
			sum += unitsOf(i*bytesAPart, bytesAUnit)
		}
		return sum + unitsOf(n*bytesAPart, bytesAUnit) // its removal
	}
	units = parts / partsAnItem * of(partsAnItem)
	if rest := parts % partsAnItem; rest > 0 {
		units += of(rest)
	}
	return units
}

// unitsOf returns how many units of this size, begun ones included, some bytes take.
func unitsOf(bytes, unit int64) int64 { return (bytes + unit - 1) / unit }

// Merge adds other work.
func (w *Work) Merge(o Work) {
	w.Objects += o.Objects
	w.Bytes += o.Bytes
	w.Tiny += o.Tiny
	w.TinyBytes += o.TinyBytes
	w.Whole += o.Whole
	w.Rechecked += o.Rechecked
	w.Parted += o.Parted
	w.Parts += o.Parts
	w.Giants += o.Giants
	w.GiantParts += o.GiantParts
	w.GiantItems += o.GiantItems
	w.GiantLooks += o.GiantLooks
	w.PartUnits += o.PartUnits
	w.Long += o.Long
	w.LongParts += o.LongParts
}
