package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func (w *world) service() aws.Config {
	url := w.aws.URL()
	return aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("t", "t", ""), HTTPClient: &http.Client{Transport: &w.transport}}
}

// keys lists a bucket, past the proxies.
func keys(ctx context.Context, b *storeaws.Bucket) (map[string]store.Object, error) {
	out := map[string]store.Object{}
	for token, after := "", ""; ; {
		page, err := b.List(ctx, store.ListRequest{Token: token, StartAfter: after})
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			out[o.Key] = o
		}
		if token = page.Next; token == "" {
			return out, nil
		}
	}
}

func sum(ctx context.Context, b *storeaws.Bucket, key string) (string, error) {
	body, err := b.Get(ctx, store.GetRequest{Key: key})
	if err != nil {
		return "", err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// written remembers the last row that was written for each object in the name of each run. A row may be replaced in the name
// of another run: a message that was delivered twice may outlive the run that sent it.
type written struct {
	mu   sync.Mutex
	runs map[string]map[string]string // run, key: outcome
	rows map[string][]line            // key: all rows, in order
	bad  error
}

// line is what a row says of its writing.
type line struct {
	run, worker, seq, outcome, before string
}

func (w *written) add(raw []byte) {
	var row struct { //nolint:revive // names of attributes
		ObjectKey, RunId, Status, Method, Error, Worker, Before struct{ S string }
		Seq                                                     struct{ N string }
	}
	err := json.Unmarshal(raw, &row)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.bad = errors.Join(w.bad, fmt.Errorf("a ledger row cannot be read: %w", err))
		return
	}
	if w.runs == nil {
		w.runs, w.rows = map[string]map[string]string{}, map[string][]line{}
	}
	of := w.runs[row.RunId.S]
	if of == nil {
		of = map[string]string{}
		w.runs[row.RunId.S] = of
	}
	r := ledger.Record{Status: ledger.Status(row.Status.S), Method: row.Method.S, Error: row.Error.S}
	of[row.ObjectKey.S] = r.Outcome()
	w.rows[row.ObjectKey.S] = append(w.rows[row.ObjectKey.S], line{row.RunId.S, row.Worker.S, row.Seq.N, r.Outcome(), row.Before.S})
}

// explain tells what may have been miscounted in a run: every object whose row was written more than once, and what counters
// cover.
func (w *written) explain(runID string, all []run.Counters) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "counters of %s cover %d: %v, pending %+v\n", c.Worker, c.Seq, c.Outcomes, c.Pending)
	}
	for key, lines := range w.rows {
		if len(lines) < 2 || !slices.ContainsFunc(lines, func(l line) bool { return l.run == runID }) {
			continue
		}
		fmt.Fprintf(&b, "%s\n", key)
		for _, l := range lines {
			fmt.Fprintf(&b, "  run %s, worker %s row %s: %s, in place of %s\n", l.run, l.worker, l.seq, l.outcome, l.before)
		}
	}
	return b.String()
}

// of tallies a run's outcomes.
func (w *written) of(runID string) (map[string]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tally := map[string]int64{}
	for _, outcome := range w.runs[runID] {
		tally[outcome]++
	}
	return tally, w.bad
}

// countersEqualLedger compares the counters of a run with the rows that were written in its name.
func (w *world) countersEqualLedger(ctx context.Context, runID string) error {
	want, err := w.written.of(runID)
	if err != nil {
		return err
	}
	all, err := runaws.Open(w.service(), "runs", retry.Policy{}).Counters(ctx, runID)
	if err != nil {
		return err
	}
	got := map[string]int64{}
	for name, n := range run.Total(all).Outcomes {
		got[name] = n.Objects
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("counters of run %s say %v, the ledger %v\n%s", runID, got, want, w.written.explain(runID, all))
	}
	w.say("counters of run %s equal its ledger rows: %v", runID, got)
	return nil
}

// judge holds both sides, the records and the logs against what was promised.
func (w *world) judge(ctx context.Context) error {
	var all error
	fail := func(format string, args ...any) { all = errors.Join(all, fmt.Errorf(format, args...)) }
	source, err := keys(ctx, w.ends[0])
	if err != nil {
		return err
	}
	destination, err := keys(ctx, w.ends[1])
	if err != nil {
		return err
	}
	table, err := ledgeraws.Open(ctx, w.service(), "ledger", retry.Policy{})
	if err != nil {
		return err
	}
	defer table.Close()
	rows, err := table.Get(ctx, slices.Collect(maps.Keys(source)))
	if err != nil {
		return err
	}
	named, equal := map[string]int{}, 0
	for key := range source {
		row, recorded := rows[key]
		if !recorded {
			fail("%q has no record", key)
			continue
		}
		switch {
		case row.Status == ledger.Done:
		case row.Status == ledger.Failed && row.ErrorClass != "" && row.Error != "", row.Status == ledger.Skipped && row.Error != "":
			named[fmt.Sprintf("%s %s", row.Status, row.ErrorClass)]++ // the ledger says why
			if row.ErrorClass == string(failure.BadCredentials) {
				fail("%q is FAILED for a secret that was corrected", key)
			}
			continue
		default:
			fail("%q is there, and its record says %s %q %q", key, row.Status, row.ErrorClass, row.Error)
			continue
		}
		if _, there := destination[key]; !there {
			fail("%q is DONE and not there", key)
			continue
		}
		a, errA := sum(ctx, w.ends[0], key)
		b, errB := sum(ctx, w.ends[1], key)
		if errA != nil || errB != nil || a != b {
			fail("%q has other bytes at the destination (%v, %v)", key, errA, errB)
			continue
		}
		equal++
	}
	const most = 5 // the sample has one
	if n := sumOf(named); n > most {
		fail("%d objects are named as not copied, which is more than the sample asks for: %v", n, named)
	}
	w.say("%d objects are equal by SHA-256, named in the ledger are %v", equal, named)
	w.onlyThere(source, destination, fail)
	if visible, flying, delayed := w.queue.Depth(); visible+flying+delayed != 0 {
		fail("%d messages are in the queue", visible+flying+delayed)
	}
	if visible, flying, _ := w.dead.Depth(); visible+flying != 0 {
		fail("%d dead letters are on no record", visible+flying)
	}
	swept, err := giant.Sweep(ctx, multipartaws.Open(w.service(), "runs", retry.Policy{}), w.ends[1], time.Now())
	if err != nil {
		fail("sweeping as a worker does after half an hour: %w", err)
	}
	w.say("%d uploads were created, but recorded by nobody: swept", swept)
	open, err := w.ends[1].Uploads(ctx, "")
	if err != nil {
		fail("listing uploads: %w", err)
	}
	if len(open) > 0 {
		fail("%d uploads are open at the destination, the first of %s", len(open), open[0].Key)
	}
	return errors.Join(all, w.noTrace(), w.noConnections())
}

// onlyThere looks at what only the destination holds: what was there before and never at the source, all of it, and nothing else.
func (w *world) onlyThere(source, destination map[string]store.Object, fail func(string, ...any)) {
	extra := 0
	for key := range destination {
		if _, there := source[key]; there {
			continue
		}
		_, had := w.before[1][key]
		if _, was := w.before[0][key]; was || !had {
			fail("%q is at the destination, and was deleted at the source", key)
			continue
		}
		extra++
	}
	for key := range w.before[1] {
		_, was := w.before[0][key]
		_, there := destination[key]
		if !was && !there {
			fail("%q was at the destination only, and is gone", key)
		}
	}
	w.say("%d objects are at the destination only, as before", extra)
}

func sumOf(tally map[string]int) (n int) {
	for _, v := range tally {
		n += v
	}
	return n
}

// noTrace searches logs and records for the secret.
func (w *world) noTrace() error {
	w.mu.Lock()
	found := bytes.Contains(w.logs.Bytes(), []byte(w.secret))
	w.mu.Unlock()
	for _, t := range []interface{ Items(func([]byte) bool) }{w.ledger, w.runs} {
		t.Items(func(raw []byte) bool {
			found = found || bytes.Contains(raw, []byte(w.secret))
			return true
		})
	}
	if found {
		return errors.New("a secret is in a log or a record")
	}
	return nil
}

// noConnections waits for the connections of programs that have ended to be gone.
func (w *world) noConnections() error {
	w.transport.CloseIdleConnections()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		n := w.gates[0].open.Load() + w.gates[1].open.Load() + w.aws.Stats().Open
		if n == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d connections are open although all programs have ended", n)
		}
	}
}

// retries adds up what the workers say of their tries, over all runs.
func (w *world) retries(ctx context.Context) (run.Totals, error) {
	runs := runaws.Open(w.service(), "runs", retry.Policy{})
	latest, err := runs.Latest(ctx, 1000)
	if err != nil {
		return run.Totals{}, err
	}
	var all []run.Counters
	for _, r := range latest {
		c, err := runs.Counters(ctx, r.ID)
		if err != nil {
			return run.Totals{}, err
		}
		all = append(all, c...)
	}
	return run.Total(all), nil
}
