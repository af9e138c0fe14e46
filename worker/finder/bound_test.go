package finder

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
)

// ahead watches how many messages were sent that the latest document does not answer for.
type ahead struct {
	takes, keeping time.Duration // a send, a document
	refuse         error         // of every document

	mu             sync.Mutex
	sent, answered int64
	most           int64
	docs           int
}

func (a *ahead) Send(_ context.Context, bodies []string) error {
	a.mu.Lock()
	a.sent += int64(len(bodies)) // from now on it may be in the queue
	a.most = max(a.most, a.sent-a.answered)
	a.mu.Unlock()
	time.Sleep(a.takes)
	return nil
}

func (a *ahead) put(_ context.Context, doc []byte) error {
	time.Sleep(a.keeping)
	if a.refuse != nil {
		return a.refuse
	}
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.docs++
	a.answered = d.messages()
	return nil
}

// What a finder that is killed has sent beyond its last checkpoint is bounded by number, however fast it sends, and the pass takes
// hardly longer. Where positions cannot be marked or checkpoints cannot be kept there is no bound, and the pass gets through.
func TestSentAheadOfTheCheckpointIsBounded(t *testing.T) {
	const n, bound = 60_000, 5000
	for name, c := range map[string]struct {
		noMarks bool
		refuse  error
		within  time.Duration
		bounded bool
	}{
		"as ever":                    {within: 20 * time.Second, bounded: true},
		"no listing from a position": {noMarks: true, within: time.Minute},
		"no checkpoint can be kept":  {refuse: errors.New("too large"), within: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := job.Defaults()
				if c.noMarks {
					j.Source.Bucket = "bucket" + directoryBucket
				}
				src := newEnd(1000, numbered(n, "k")...)
				src.pause = func() { time.Sleep(100 * time.Millisecond) }
				a := &ahead{takes: 25 * time.Millisecond, keeping: 20 * time.Millisecond, refuse: c.refuse}
				began := time.Now()
				totals, err := Pass(t.Context(), Config{
					Job: &j, Source: src, Destination: newEnd(1000), Concurrency: 16, SpillDir: t.TempDir(),
					Sinks:       func() []diff.Sink { return []diff.Sink{&Sender{Queue: a}} },
					Checkpoints: &Checkpoints{Put: a.put, Ahead: bound},
				})
				took := time.Since(began)
				t.Logf("%v, %d documents, at most %d messages ahead of them", took, a.docs, a.most)
				if err != nil || totals.Decisions["new"].Objects != n || took > c.within {
					t.Errorf("%+v, %v, after %v", totals, err, took)
				}
				if c.bounded && (a.most > bound || a.most == 0) {
					t.Errorf("%d messages were ahead of the checkpoint, more than %d", a.most, bound)
				}
			})
		})
	}
}

// A sink that waits for room is told of a send that failed.
func TestAFailedSendEndsThePassThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := job.Defaults()
		refused := errors.New("queue is gone")
		_, err := Pass(t.Context(), Config{
			Job: &j, Source: newEnd(1000, numbered(20_000, "k")...), Destination: newEnd(1000),
			Sinks:       func() []diff.Sink { return []diff.Sink{&Sender{Queue: slowly{&outbox{err: refused}, time.Minute}}} },
			Checkpoints: &Checkpoints{Put: (&keptDocs{}).put, Ahead: 1000},
		})
		if !errors.Is(err, refused) {
			t.Errorf("the pass ends with %v", err)
		}
	})
}
