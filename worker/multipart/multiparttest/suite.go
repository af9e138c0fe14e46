// Package multiparttest is the contract of package multipart as tests. Every adapter passes it.
package multiparttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datatransferhub/dth/worker/multipart"
)

// Run runs the suite. open is called once a test and returns empty records.
func Run(t *testing.T, open func(t *testing.T) multipart.Records) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s multipart.Records)
	}{
		{"intents are kept until they are deleted", intents},
		{"an upload is read as it was recorded", roundTrip},
		{"one upload is recorded of one version of an object", once},
		{"versions of an object are apart", versions},
		{"parts are kept in order, the first record of each", parts},
		{"an upload goes with its parts, and with nothing else", deleting},
		{"many parts are listed and deleted whole", many},
		{"whoever records the last part is told so", last},
		{"the first failure of an upload stays", failures},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func at() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func intents(t *testing.T, s multipart.Records) {
	list := func(want ...multipart.Intent) {
		t.Helper()
		got, err := s.Intents(t.Context())
		check(t, err)
		less := func(a, b multipart.Intent) bool { return a.DestinationKey+a.ID < b.DestinationKey+b.ID }
		if diff := cmp.Diff(want, got, cmpopts.SortSlices(less), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	list()
	a := multipart.Intent{DestinationKey: "a/ÄÖ \"x\"", At: at(), Worker: "w1"}
	b := multipart.Intent{DestinationKey: strings.Repeat("k", 1024), At: at().Add(time.Minute), Worker: "w2"}
	check(t, s.PutIntent(t.Context(), a))
	check(t, s.PutIntent(t.Context(), b))
	list(a, b)
	a.Worker, a.At = "w3", at().Add(time.Hour)
	check(t, s.PutIntent(t.Context(), a))
	list(a, b)
	other := a
	other.ID = "of another attempt"
	check(t, s.PutIntent(t.Context(), other))
	list(a, other, b)
	check(t, s.DeleteIntent(t.Context(), other))
	list(a, b)
	check(t, s.DeleteIntent(t.Context(), b))
	check(t, s.DeleteIntent(t.Context(), b))
	list(a)
}

func sample(key, etag, id string) multipart.Upload {
	return multipart.Upload{
		SourceKey: key, SourceETag: etag, DestinationKey: "copy/" + key, ID: id, Size: 1 << 45, PartSize: 1 << 26, Parts: 16,
		RunID: "r1", Created: at(), Checksums: true,
	}
}

func record(t *testing.T, s multipart.Records, u multipart.Upload) {
	t.Helper()
	got, err := s.PutUpload(t.Context(), u)
	check(t, err)
	if diff := cmp.Diff(u, got); diff != "" {
		t.Error(diff)
	}
}

// wantUpload checks what is recorded of an object's version; no ID means nothing.
func wantUpload(t *testing.T, s multipart.Records, want multipart.Upload) {
	t.Helper()
	got, ok, err := s.GetUpload(t.Context(), want.SourceKey, want.SourceETag)
	check(t, err)
	if !ok {
		got = multipart.Upload{SourceKey: want.SourceKey, SourceETag: want.SourceETag}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func wantUploads(t *testing.T, s multipart.Records, want ...multipart.Upload) {
	t.Helper()
	got, err := s.Uploads(t.Context())
	check(t, err)
	less := func(a, b multipart.Upload) bool { return a.ID < b.ID }
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(less), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func roundTrip(t *testing.T, s multipart.Records) {
	wantUploads(t, s)
	wantUpload(t, s, multipart.Upload{SourceKey: "none", SourceETag: "e"})
	full := sample("a/ÄÖ \"x\" 🌍", "0123-16", "id/with+signs=")
	bare := multipart.Upload{SourceKey: strings.Repeat("k", 1024), SourceETag: "e", DestinationKey: "d", ID: "2", Created: at()}
	record(t, s, full)
	record(t, s, bare)
	wantUpload(t, s, full)
	wantUpload(t, s, bare)
	wantUploads(t, s, full, bare)
}

func once(t *testing.T, s multipart.Records) {
	first, second := sample("k", "e", "1"), sample("k", "e", "2")
	record(t, s, first)
	got, err := s.PutUpload(t.Context(), second)
	if !errors.Is(err, multipart.ErrExists) {
		t.Fatalf("the second upload: %v", err)
	}
	if diff := cmp.Diff(first, got); diff != "" {
		t.Error(diff)
	}
	record(t, s, first)
	wantUpload(t, s, first)
	wantUploads(t, s, first)
}

func versions(t *testing.T, s multipart.Records) {
	// Keys and ETags that would be one name if they were put together carelessly.
	a, b, c := sample("k", "e1", "1"), sample("k", "e2", "2"), sample("ke", "1", "3")
	for _, u := range []multipart.Upload{a, b, c} {
		record(t, s, u)
	}
	check(t, s.DeleteUpload(t.Context(), a))
	wantUpload(t, s, multipart.Upload{SourceKey: "k", SourceETag: "e1"})
	wantUploads(t, s, b, c)
}

func part(n int, etag string) multipart.Part {
	return multipart.Part{Number: n, ETag: etag, CRC64NVME: "rosUhgp5mIg=", Size: 1 << 33}
}

func putPart(t *testing.T, s multipart.Records, u multipart.Upload, p, want multipart.Part) {
	t.Helper()
	got, err := s.PutPart(t.Context(), u, p)
	check(t, err)
	if diff := cmp.Diff(want, got.Part); diff != "" {
		t.Error(diff)
	}
}

func wantParts(t *testing.T, s multipart.Records, u multipart.Upload, want ...multipart.Part) {
	t.Helper()
	got, err := s.Parts(t.Context(), u)
	check(t, err)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func parts(t *testing.T, s multipart.Records) {
	u := sample("k", "e", "1")
	u.Parts = 10000
	record(t, s, u)
	wantParts(t, s, u)
	bare := multipart.Part{Number: 9, ETag: "nine"}
	for _, p := range []multipart.Part{part(10000, "last"), part(2, "two"), part(10, "ten"), bare, part(1, "one")} {
		putPart(t, s, u, p, p)
	}
	putPart(t, s, u, part(2, "two again"), part(2, "two"))
	wantParts(t, s, u, part(1, "one"), part(2, "two"), bare, part(10, "ten"), part(10000, "last"))
}

func deleting(t *testing.T, s multipart.Records) {
	old, other := sample("k", "e", "1"), sample("other", "e", "2")
	record(t, s, old)
	record(t, s, other)
	putPart(t, s, old, part(1, "old"), part(1, "old"))
	putPart(t, s, other, part(1, "other"), part(1, "other"))
	check(t, s.DeleteUpload(t.Context(), old))
	check(t, s.DeleteUpload(t.Context(), old))
	wantParts(t, s, old)
	wantParts(t, s, other, part(1, "other"))

	anew := sample("k", "e", "3")
	record(t, s, anew)
	wantParts(t, s, anew)
	putPart(t, s, anew, part(1, "new"), part(1, "new"))
	check(t, s.DeleteUpload(t.Context(), old)) // of a worker that is late
	wantUpload(t, s, anew)
	wantParts(t, s, anew, part(1, "new"))
	wantUploads(t, s, other, anew)
}

func many(t *testing.T, s multipart.Records) {
	u := sample("k", "e", "1")
	u.Parts = 150
	record(t, s, u)
	var want []multipart.Part
	for n := range u.Parts {
		want = append(want, part(n+1, fmt.Sprintf("e%d", n)))
		putPart(t, s, u, want[n], want[n])
	}
	wantParts(t, s, u, want...)
	check(t, s.DeleteUpload(t.Context(), u))
	wantParts(t, s, u)
	wantUploads(t, s)
}

func last(t *testing.T, s multipart.Records) {
	for _, parts := range []int{1, 16, 64, 65, 130} {
		u := sample("k", "e", fmt.Sprint("upload of ", parts))
		u.Parts = parts
		for i, n := range rand.Perm(parts) {
			for again := range 2 {
				got, err := s.PutPart(t.Context(), u, part(n+1, "e"))
				check(t, err)
				if want := i == parts-1; got.All != want {
					t.Errorf("%d of %d parts are there, recorded %d times: all %t", i+1, parts, again+1, got.All)
				}
			}
		}
	}
}

func failures(t *testing.T, s multipart.Records) {
	u := sample("k", "e", "1")
	u.Giant, u.VersionID, u.Modified, u.Again, u.DestinationSeen, u.DestinationETag = true, "v", at(), 2, true, "old"
	first := multipart.Failure{Class: "network", Text: "broke \"off\"\n", Part: 3, At: at()}
	check(t, s.FailUpload(t.Context(), u, first)) // nothing is there
	check(t, s.AskUpload(t.Context(), u, at()))
	wantUploads(t, s)
	record(t, s, u)
	wantUpload(t, s, u)
	check(t, s.FailUpload(t.Context(), u, first))
	check(t, s.FailUpload(t.Context(), u, multipart.Failure{Class: "kms", At: at()}))
	check(t, s.AskUpload(t.Context(), u, at()))
	check(t, s.AskUpload(t.Context(), u, at().Add(time.Hour)))
	u.Failure, u.Asked = &first, at().Add(time.Hour)
	wantUpload(t, s, u)

	late := u
	late.ID = "another"
	check(t, s.FailUpload(t.Context(), late, multipart.Failure{Class: "other", At: at()}))
	check(t, s.AskUpload(t.Context(), late, at().Add(2*time.Hour)))
	wantUpload(t, s, u)
}
