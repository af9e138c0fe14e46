package finder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/list"
)

// Checkpoints make a pass resumable: from time to time a document is kept that says how far it is, and with that
// document another process goes on where this one ended. All sinks of such a pass are Settlers.
type Checkpoints struct {
	// From is the document of the pass that is continued; nil: the pass begins.
	From []byte
	// Unfit is told why From cannot be continued, before the pass begins from its beginning.
	Unfit func(why error)
	// Put keeps a document in place of the one before. An error does not end the pass: the document before is still
	// true, only older.
	Put func(ctx context.Context, doc []byte) error
	// Every is the time between documents; 0 is 10 s. While messages are sent it is a tenth of that, or less: a document is
	// written as soon as a quarter of Ahead is sent, because what was sent since the last document is sent again by whoever
	// continues.
	Every time.Duration
	// Ahead is how many messages may be sent that the last document does not answer for: sinks wait beyond it. 0 is MaxAhead.
	// It holds as long as documents can be kept and positions be marked; a pass never stands still for it.
	Ahead int64
	// MarkEvery is how many names lie between two positions that a document can name; 0 is 2000.
	MarkEvery int
}

// Settler is a sink that works on after it has taken decisions, and can be waited for.
type Settler interface {
	Background
	// Settle returns when everything that was taken before the call is done and safe.
	Settle(ctx context.Context) error
	// Unsettled returns how much was taken since the last Settle began.
	Unsettled() int64
}

// MaxAhead is how many messages a finder that is killed has sent at most that its successor sends again. As many are sent while a
// document is taken and kept; with fewer, sending would wait for that.
const MaxAhead = 10_000

// Bounded is a Settler that takes no more than it is allowed to.
type Bounded interface {
	Settler
	// Bound allows so many. From then on full is told, from any goroutine, when there may soon be no room for more.
	Bound(allowed int64, full func())
	// Allow allows so many in all, and lets those go on who wait for that. It never takes back.
	Allow(total int64)
	// Taken returns how many were taken in all, and whether somebody waits.
	Taken() (total int64, waiting bool)
}

// version of the document.
const version = 1

// document is what a checkpoint holds.
type document struct {
	Version int           `json:"v"`
	Of      string        `json:"of"` // digest of the job and its prefixes
	List    list.Snapshot `json:"list"`
	Totals  diff.Totals   `json:"totals"` // of committed prefixes
}

// digest identifies what is compared: a checkpoint of another job, or of other prefixes, says nothing about this one.
func digest(j *job.Job, prefixes []string) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	if err := e.Encode(j); err != nil {
		return "", fmt.Errorf("identifying the job of a checkpoint: %w", err)
	}
	for _, p := range prefixes {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// UnfitError says why a checkpoint cannot be continued.
type UnfitError struct{ Reason string }

func (e *UnfitError) Error() string { return "the checkpoint cannot be continued: " + e.Reason }

// read reads the document to continue from; nil when there is none, or none that fits.
func (c *Checkpoints) read(of string) *document {
	if len(c.From) == 0 {
		return nil
	}
	d := &document{}
	var reason string
	switch err := json.Unmarshal(c.From, d); {
	case err != nil:
		reason = err.Error()
	case d.Version != version:
		reason = fmt.Sprintf("it is of version %d, this program knows %d", d.Version, version)
	case d.Of != of:
		reason = "the parameters of the task, or its list of prefixes, have changed"
	default:
		return d
	}
	if c.Unfit != nil {
		c.Unfit(&UnfitError{reason})
	}
	return nil
}

// keeper keeps the checkpoints of a pass.
type keeper struct {
	*Checkpoints // nil: there are none
	of           string
	pass         *list.Pass
	differ       *diff.Differ
	sinks        []Settler
	base         int64         // messages that the document answers for which the pass continues
	answered     int64         // messages of this pass that the last document answers for
	still        time.Time     // since when it is no more than the one before; zero: it is more
	stood        int           // how often in a row a standstill was ended
	full         chan struct{} // a sink has soon no room
}

// open takes up the document to continue from, if there is one.
func (k *keeper) open(j *job.Job, l *list.Config, sinks []diff.Sink) error {
	for _, s := range sinks {
		settler, ok := s.(Settler)
		if !ok {
			return fmt.Errorf("a pass with a sink of type %T has no checkpoints", s)
		}
		k.sinks = append(k.sinks, settler)
	}
	k.full = make(chan struct{}, 1)
	for _, b := range k.bounded() {
		b.Bound(k.ahead(), func() {
			select {
			case k.full <- struct{}{}:
			default:
			}
		})
	}
	var err error
	if k.of, err = digest(j, l.Prefixes); err != nil {
		return err
	}
	if from := k.read(k.of); from != nil {
		k.differ.Resume(from.Totals)
		l.Resume = &from.List
		k.base = from.messages()
	}
	return nil
}

func (k *keeper) ahead() int64 { return cmp.Or(k.Ahead, MaxAhead) }

func (k *keeper) bounded() (all []Bounded) {
	for _, s := range k.sinks {
		if b, ok := s.(Bounded); ok {
			all = append(all, b)
		}
	}
	return all
}

// messages returns how many messages the document answers for.
func (d *document) messages() int64 {
	n := messages(d.Totals)
	for i := range d.List.Open {
		var t diff.Totals
		if json.Unmarshal(d.List.Open[i].Totals, &t) == nil { // a prefix that is sorted anew has none
			n += messages(t)
		}
	}
	return n
}

func messages(t diff.Totals) (n int64) {
	for name, tally := range t.Decisions {
		if kind, _, _ := strings.Cut(name, ":"); kind == string(diff.New) || kind == string(diff.Changed) {
			n += tally.Objects
		}
	}
	return n
}

// standstill is how long a pass may wait for a document to answer for more than the one before. It takes a page of a listing at
// most for what was sent to be marked, where it can be.
const standstill = 2 * time.Second

// allow tells the sinks how much they may take now that the latest document answers for so many messages. Some it will never
// answer for: those of a prefix that had to be begun anew, or of a range that cannot be marked. Then half of what may be ahead is
// let through, and each time twice as much.
func (k *keeper) allow(answered int64) {
	if answered > k.answered {
		k.answered, k.still, k.stood = answered, time.Time{}, 0
	} else if k.still.IsZero() {
		k.still = time.Now()
	}
	more := int64(0)
	if !k.still.IsZero() && time.Since(k.still) >= standstill && k.waiting() {
		more = k.ahead() / 2 << min(k.stood, 20)
		k.still = time.Now()
		k.stood++
	}
	for _, b := range k.bounded() {
		b.Allow(k.answered + k.ahead())
		if taken, waiting := b.Taken(); waiting {
			b.Allow(taken + more)
		}
	}
}

// waiting reports whether a sink waits for a document.
func (k *keeper) waiting() bool {
	for _, b := range k.bounded() {
		if _, waiting := b.Taken(); waiting {
			return true
		}
	}
	return false
}

// begin begins to keep checkpoints. The function that it returns ends that, with a last one when the pass was stopped
// from outside.
func (k *keeper) begin(ctx context.Context, pass *list.Pass) func(stopped bool) {
	if k.Checkpoints == nil {
		return func(bool) {}
	}
	k.pass = pass
	keeping, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { k.run(keeping) })
	return func(stopped bool) {
		cancel()
		ended.Wait()
		if stopped {
			k.stop(ctx)
		}
	}
}

// keep takes a snapshot, waits until everything that it calls settled is, and keeps it. The order matters: whatever the
// snapshot counts was taken by the sinks before it, so what they have taken by now includes it.
func (k *keeper) keep(ctx context.Context) error {
	d := document{Version: version, Of: k.of}
	var begun bool
	d.List, begun = k.pass.Snapshot(func() { d.Totals = k.differ.Totals() })
	if !begun {
		return nil
	}
	for _, s := range k.sinks {
		if err := s.Settle(ctx); err != nil {
			return err
		}
	}
	doc, err := json.Marshal(&d)
	if err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	if err = k.Put(ctx, doc); err != nil {
		k.allow(k.answered) // a pass that cannot be continued is better than one that stands still
		return err
	}
	k.allow(d.messages() - k.base)
	return nil
}

// run keeps checkpoints until the context ends. Errors are not its concern: those of sinks end the pass by themselves, and
// Put has told of its own.
func (k *keeper) run(ctx context.Context) {
	every := k.Every
	if every <= 0 {
		every = 10 * time.Second
	}
	tick := time.NewTicker(every / 10)
	defer tick.Stop()
	last := time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-k.full:
			k.pause(ctx, apart-time.Since(last))
		case <-tick.C:
			if time.Since(last) < every && !k.unsettled() {
				continue
			}
		}
		for again := true; again && ctx.Err() == nil; again = k.waiting() {
			_ = k.keep(ctx) // see above
			last = time.Now()
			k.pause(ctx, min(apart/5, every/10))
		}
	}
}

// apart is how much time lies between two documents at least, unless a sink waits for one.
const apart = 100 * time.Millisecond

// pause returns after a time, or when a sink has no room.
func (k *keeper) pause(ctx context.Context, d time.Duration) {
	if d <= 0 || k.waiting() && d > apart/5 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-k.full:
	case <-t.C:
	}
}

// unsettled reports whether sinks have taken something since they were last waited for.
func (k *keeper) unsettled() bool {
	for _, s := range k.sinks {
		if s.Unsettled() > 0 {
			return true
		}
	}
	return false
}

// stopPatience bounds the last checkpoint of a pass that is stopped. Whoever stops it waits two minutes at most.
const stopPatience = 20 * time.Second

// stop keeps a last checkpoint of a pass that was stopped half-way, so that hardly anything is done twice.
func (k *keeper) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	_ = k.keep(ctx) // the document before is still true
}
