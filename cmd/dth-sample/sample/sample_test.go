package sample_test

import (
	"bytes"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datatransferhub/dth/cmd/dth-sample/sample"
)

func objects(t *testing.T, o sample.Options) []sample.Object {
	t.Helper()
	list, err := sample.Objects(o)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryKeyCanBeHeldAsAFile(t *testing.T) {
	list := objects(t, sample.Options{Seed: 1, Count: 3000, Giant: 64 << 20})
	if len(list) != 3000 {
		t.Fatalf("%d objects, want 3000", len(list))
	}
	keys := map[string]bool{}
	for _, o := range list {
		if keys[o.Key] {
			t.Errorf("key %q occurs twice", o.Key)
		}
		keys[o.Key] = true
		if len(o.Key) > 1024 || !utf8.ValidString(o.Key) {
			t.Errorf("key %q is no key of S3", o.Key)
		}
		for _, name := range strings.Split(o.Key, "/") {
			if name == "" || name == "." || name == ".." || len(name) > 255 {
				t.Errorf("key %q: a file cannot be named %q", o.Key, name)
			}
		}
	}
	for key := range keys {
		for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
			if keys[dir] {
				t.Errorf("key %q lies below the object %q", key, dir)
			}
		}
	}
	for _, key := range []string{sample.Giant, sample.Refused} {
		if !keys[key] {
			t.Errorf("key %q is missing", key)
		}
	}
	if !strings.HasPrefix(sample.Refused, sample.Blocker+"/") {
		t.Errorf("%q does not stand in the way of %q", sample.Blocker, sample.Refused)
	}
}

func TestTheSameSeedGivesTheSameObjects(t *testing.T) {
	options := sample.Options{Seed: 7, Count: 200, Giant: 20 << 20}
	first, again := objects(t, options), objects(t, options)
	options.Seed = 8
	other := objects(t, options)
	for i := range first {
		if first[i].Key != again[i].Key || first[i].Size != again[i].Size {
			t.Fatalf("object %d differs: %q and %q", i, first[i].Key, again[i].Key)
		}
	}
	content := func(o sample.Object) []byte { return o.Bytes(0, o.Size) }
	if !bytes.Equal(content(first[0]), content(again[0])) {
		t.Error("the same seed gave other bytes")
	}
	if bytes.Equal(content(first[0]), content(other[0])) {
		t.Error("another seed gave the same bytes")
	}
}

func TestPartsMakeTheWhole(t *testing.T) {
	list := objects(t, sample.Options{Seed: 1, Count: 100, Giant: 40<<20 + 5})
	giant := list[0]
	if giant.Key != sample.Giant {
		t.Fatalf("the largest object is %q", giant.Key)
	}
	whole := giant.Bytes(0, giant.Size)
	var joined []byte
	for at := int64(0); at < giant.Size; at += sample.PartSize {
		joined = append(joined, giant.Bytes(at, min(sample.PartSize, giant.Size-at))...)
	}
	if !bytes.Equal(whole, joined) {
		t.Error("the parts do not make the whole")
	}
}

func TestTooFewObjectsAreRefused(t *testing.T) {
	if _, err := sample.Objects(sample.Options{Count: 3}); err == nil {
		t.Error("three objects cannot hold the named ones")
	}
}
