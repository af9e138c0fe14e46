// Package record is the port to the table with one record for each image and tag: what became of it, when, and why not. recordaws
// (DynamoDB) and recordsqlite are the adapters; recordtest holds the suite that both pass.
package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Status is what became of an image.
type Status string

// The statuses.
const (
	Done      Status = "Done"
	Unchanged Status = "Unchanged" // its digest was there
	Deleted   Status = "Deleted"   // at the destination, since the source does not have it
	Failed    Status = "Error"
)

// Statuses returns all of them.
func Statuses() []Status { return []Status{Done, Unchanged, Deleted, Failed} }

// Key names a record.
type Key struct {
	Image string // repository at the source, with its registry where that is not the source's own
	Tag   string // or digest, of what has no tag
}

// String writes a key as people do: REPOSITORY:TAG, or REPOSITORY@DIGEST.
func (k Key) String() string {
	if strings.Contains(k.Tag, ":") {
		return k.Image + "@" + k.Tag
	}
	return k.Image + ":" + k.Tag
}

// ParseKey reads what String writes. The error says what is allowed.
func ParseKey(text string) (Key, error) {
	name, tag, found := strings.Cut(text, "@")
	if !found {
		// The colon of a registry's port is followed by a slash.
		if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') {
			name, tag, found = text[:i], text[i+1:], true
		}
	}
	if !found || name == "" || tag == "" {
		return Key{}, fmt.Errorf("%q: allowed are REPOSITORY:TAG and REPOSITORY@DIGEST", text)
	}
	return Key{name, tag}, nil
}

// Record is what is known of one image. Times are UTC with millisecond precision.
type Record struct {
	Key
	Status            Status
	SourceDigest      string
	DestinationDigest string
	MediaType         string
	Bytes             int64    // of configuration and layers, of all platforms; 0 when it was not copied
	Platforms         []string // os/architecture or os/architecture/variant
	Referrers         int      // signatures, SBOMs, attestations that the destination holds, too
	RunID             string
	Attempts          int
	ErrorClass        string
	ErrorMessage      string
	StartedAt         time.Time
	FinishedAt        time.Time
	Execution         string // that copied it; empty on one machine
}

// maxMessage bounds an error's text in a record.
const maxMessage = 2000

// Bounded returns what of an error's text is kept.
func Bounded(text string) string {
	if len(text) <= maxMessage {
		return strings.ToValidUTF8(text, "\ufffd")
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// ErrPlace says that a list was to go on at a place that no page of it gave.
var ErrPlace = errors.New("this is no place in a list of images")

// Page is one page of records.
type Page struct {
	Records []Record
	Next    string // opaque; empty at the end
}

// Store is the table.
type Store interface {
	// Put writes a record, and replaces the one that is there unless that one is of later: a task that was thought dead, and ends
	// after the one that took its place, changes nothing, and that is no error. Later is who finished later; a record that does not
	// say when it finished replaces only such ones.
	Put(ctx context.Context, r Record) error
	// Get returns the records of those keys that have one. Any number of keys may be asked for.
	Get(ctx context.Context, keys []Key) (map[Key]Record, error)
	// List returns records of a status, or of all when it is empty, ordered by image and tag within a status. A page may be
	// shorter than limit although more follow. What is after, and no page gave, is ErrPlace.
	List(ctx context.Context, status Status, limit int, after string) (Page, error)
}
