package ledgeraws

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/ledger"
)

// An item that can be read says the same when it is written again.
func FuzzItem(f *testing.F) {
	f.Add(`{"ObjectKey":{"S":"k\n\"\\"},"Status":{"S":"DONE"},"Size":{"N":"5"},"RunId":{"S":"r"},"Worker":{"S":"w"},"Seq":{"N":"3"},"FinishedAt":{"S":"2026-01-02T03:04:05.678Z"}}`)
	f.Add(`{"ObjectKey":{"S":"é😀\u0000"},"Status":{"S":"IN_PROGRESS"},"Error":{"S":"elsewhere"},"Upload":{"S":"2~upload"},"Worker":{"S":"w"},"Seq":{"N":"-1"}}`)
	f.Add(`{"ObjectKey":{"S":"k"},"Status":{"S":"FAILED"},"Before":{"S":"[{\"r\":\"r\",\"w\":\"w\",\"n\":1,\"o\":\"GONE\"}]"}}`)
	f.Add(`{"Size":{"N":"1e3"},"StartedAt":{"S":"yesterday"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // no answer of the table
		}
		var in item
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		r, err := in.record()
		if err != nil || len(r.Error) > len(ledger.Bounded(r.Error)) {
			return
		}
		for _, at := range []*time.Time{&r.StartedAt, &r.FinishedAt} {
			if *at = at.Truncate(time.Millisecond); at.Year() > 9999 || at.Year() < 0 {
				return
			}
		}
		if len(r.Before) == 0 {
			r.Before = nil
		}
		written := appendItem(nil, &r, 0)
		var out item
		if err := json.Unmarshal(written, &out); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		again, err := out.record()
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	})
}
