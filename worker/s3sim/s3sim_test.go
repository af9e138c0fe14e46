package s3sim

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"sort"
	"testing"
	"time"

	"github.com/minio/crc64nvme"
	"pgregory.net/rapid"
)

func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := index{less: lessUTF8}
		model := map[string]*Object{}
		for range rapid.IntRange(0, 3000).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 1500).Draw(t, "key"))
			if rapid.IntRange(0, 3).Draw(t, "op") == 0 {
				x.remove(key)
				delete(model, key)
				continue
			}
			o := &Object{Key: key}
			x.put(o)
			model[key] = o
		}
		keys := make([]string, 0, len(model))
		for k := range model {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		if x.n != len(keys) {
			t.Fatalf("n = %d, want %d", x.n, len(keys))
		}
		p := position{}
		for _, k := range keys {
			if o := x.object(p); o == nil || o != model[k] || x.get(k) != o {
				t.Fatalf("at %v: %v, want %s", p, o, k)
			}
			p = x.next(p)
		}
		if x.object(p) != nil {
			t.Fatal("the walk goes on after the last key")
		}
	})
}

func TestPatternCRC(t *testing.T) {
	block := newPatternBlock()
	p := pattern{block: block, seed: 9, size: 5*patternSize + 77}
	var all bytes.Buffer
	if err := p.WriteRange(&all, 0, p.size); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int64{{0, p.size}, {0, 0}, {5, 3}, {10, patternSize}, {patternSize, 2 * patternSize}, {patternSize - 1, 3*patternSize + 9}, {p.size - 1, 1}} {
		want := crc64nvme.Checksum(all.Bytes()[r[0] : r[0]+r[1]])
		if got := p.crc(r[0], r[1]); got != want {
			t.Errorf("range %v: %x, want %x", r, got, want)
		}
		var part bytes.Buffer
		if err := p.WriteRange(&part, r[0], r[1]); err != nil || !bytes.Equal(part.Bytes(), all.Bytes()[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v differs, %v", r, err)
		}
	}
	other := pattern{block: block, seed: 10, size: p.size}
	if other.crc(0, p.size) == p.crc(0, p.size) {
		t.Error("two seeds have one content")
	}
}

func TestSyntheticKeysGrow(t *testing.T) {
	for _, format := range []Format{Flat, Hex, Dates} {
		for _, n := range []int64{0, 1, 2, 100_000, 10_000_000} {
			b := New(Options{}).Bucket("b")
			b.Fill(Synthetic{N: n, Format: format, Prefix: "x/"})
			k := b.synthetic
			last := ""
			for i := int64(0); i < n; i += 1 + n/1000 {
				for _, j := range []int64{i, i + 1} {
					if j >= n {
						continue
					}
					key := string(k.appendKey(nil, j))
					if key < last || k.find(key) != j {
						t.Fatalf("format %d, n %d: key %d %q after %q, found at %d", format, n, j, key, last, k.find(key))
					}
					last = key
				}
			}
		}
	}
}

// The server of a listing benchmark must cost little beside its client.
func BenchmarkSyntheticPage(b *testing.B) {
	for _, format := range []Format{Flat, Hex, Dates} {
		b.Run(fmt.Sprint("format", format), func(b *testing.B) {
			s := New(Options{})
			s.Bucket("b").Fill(Synthetic{N: 10_000_000, Format: format, Size: 4096, Modified: time.Now()})
			r := httptest.NewRequest("GET", "/b?list-type=2&encoding-type=url&start-after=2030", nil)
			w := httptest.NewRecorder()
			w.Body = bytes.NewBuffer(make([]byte, 0, 1<<20))
			for b.Loop() {
				w.Body.Reset()
				s.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/key")
		})
	}
}
