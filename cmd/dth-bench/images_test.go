package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// What is not as it has to be is named, and ends the bench with an error; ratios are those to skopeo sync in the same run of both.
func TestJudge(t *testing.T) {
	good := func() *images {
		return &images{repositories: 1, tags: 1, want: map[string]string{"a 1": "x", "a 2": "y"}, rows: []measured{
			{program: "ours", took: time.Second, cpu: time.Second, uploads: 3, starts: 2, manifest: 2, same: 2},
			{program: "ours, again", took: time.Second, cpu: time.Second, same: 2},
			{program: "theirs", took: 4 * time.Second, cpu: 2 * time.Second, uploads: 3, again: 1, starts: 1, same: 1},
			{program: "theirs, again", took: 10 * time.Second, cpu: 10 * time.Second, same: 1},
		}}
	}
	var out bytes.Buffer
	if err := good().judge(&out); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"0.25 of the time, 0.50 of the CPU | 2 | 3 | 0 | 2 | 2 of 2 |", "0.10 of the time", "| theirs | 4.0 | 2.0 | 1.00 of the time"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	for want, spoil := range map[string]func(b *images){
		"digests equal after the first run":               func(b *images) { b.rows[0].same-- },
		"digests equal after the second run":              func(b *images) { b.rows[1].same-- },
		"layers sent to a repository that had got them":   func(b *images) { b.rows[0].again++ },
		"starts of skopeo in the second run":              func(b *images) { b.rows[1].starts++ },
		"layers and manifests written in the second run:": func(b *images) { b.rows[1].manifest++ },
	} {
		b := good()
		spoil(b)
		if err := b.judge(&out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
