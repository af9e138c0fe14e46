// Package endpoint knows what each kind of object store can do and where it is reached. The engine asks
// this table instead of the provider's name, so that a new provider is one new row.
package endpoint

import (
	"fmt"
	"slices"
	"sort"

	"github.com/datatransferhub/dth/worker/job"
)

// Fact is one cell of the provider table with the place where it is documented.
type Fact[T any] struct {
	Value  T
	Source string // address of the provider's own page, or how it was found out
}

// Addressing is how a bucket is named in a request.
type Addressing string

// The two ways, and the choice by host: path style where the host is an IP address, is
// localhost or has a port, or where the bucket has a dot; virtual-host style elsewhere.
const (
	PathStyle   Addressing = "path"
	VirtualHost Addressing = "virtual"
	ByHost      Addressing = "by host"
)

// Conditions says which preconditions a store honours on writes.
type Conditions string

// The kinds of conditional writes.
const (
	NoConditions    Conditions = "none"
	IfAbsentOnly    Conditions = "if-none-match"
	AllConditions   Conditions = "if-match and if-none-match"
	ConditionsTried Conditions = "tried" // sent, and given up for good when the store says that it does not know them
)

// Checksums says whether a store keeps and checks CRC64NVME.
type Checksums string

// The kinds of checksum support.
const (
	ChecksumsKnown Checksums = "crc64nvme"
	ChecksumsNone  Checksums = "none"
	ChecksumsTried Checksums = "tried" // sent with small objects; used everywhere once the store echoes one
)

// Capabilities is one row of the provider table.
type Capabilities struct {
	Provider job.Provider

	ListVersion    Fact[int]  // of ListObjects; 1 where version 2 lists without a token
	StartAfter     Fact[bool] // a listing can begin after any key (version 1: marker)
	URLEncoding    Fact[bool] // encoding-type=url is honoured
	ListsUTF8Order Fact[bool] // in byte order of UTF-8; where not, ranges are sorted on disk

	ReadIfMatch Fact[bool]
	WriteIf     Fact[Conditions]
	Addressing  Fact[Addressing]
	Checksums   Fact[Checksums]
	ETagIsMD5   Fact[bool] // of objects written by a single PUT without KMS

	LargestObject Fact[int64] // bytes
	LargestPut    Fact[int64] // bytes in a single PUT
	MaxParts      Fact[int]

	StorageClasses Fact[[]string] // that objects can be written in
	// ArchivedClasses are the classes whose bytes cannot be read without a restore first.
	ArchivedClasses Fact[[]string]

	ACLs     Fact[bool]
	Tags     Fact[bool]
	TagCount Fact[bool] // reads say how many tags an object has

	// Host is the service's host for a region, "" where an endpoint address must be given. %s stands for
	// the region.
	Host Fact[string]
	// DefaultRegion signs requests when no region was given.
	DefaultRegion string
}

// NeedsRestore reports whether objects of a storage class cannot be read without a restore first.
func (c *Capabilities) NeedsRestore(class string) bool {
	return slices.Contains(c.ArchivedClasses.Value, class)
}

// Of returns the row of a provider.
func Of(p job.Provider) (Capabilities, error) {
	for _, c := range table() {
		if c.Provider == p {
			return c, nil
		}
	}
	return Capabilities{}, fmt.Errorf("provider %q is unknown; allowed: %v", p, Providers())
}

// Providers returns the names of all rows.
func Providers() []string {
	var names []string
	for _, c := range table() {
		names = append(names, string(c.Provider))
	}
	sort.Strings(names)
	return names
}
