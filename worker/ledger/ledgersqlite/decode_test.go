package ledgersqlite

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/ledger"
)

// A document that can be read says the same when it is written again.
func FuzzDecode(f *testing.F) {
	f.Add(`{"st":"DONE","sz":5,"se":"e","de":"d","cs":"c","sa":1,"fa":2,"w":"w","n":3,"be":[{"r":"r","w":"v","n":1,"o":"FAILED","c":"kms"}]}`)
	f.Add(`{"st":"IN_PROGRESS","er":"elsewhere","up":"2~upload","w":"w","n":9223372036854775807}`)
	f.Add(`{"st":"FAILED","ec":"kms","er":"\u0000<>","w":"","n":-1}`)
	f.Add(`{"be":null,"sa":-62135596800000}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := decode("k", text)
		if err != nil {
			return
		}
		if len(r.Error) > len(ledger.Bounded(r.Error)) {
			return // longer than any that was written
		}
		written, err := encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode("k", written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if len(r.Before) == 0 {
			r.Before = nil
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	})
}
