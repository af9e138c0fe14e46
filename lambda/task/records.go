package task

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

// RunDetail is a run with the counters of all its workers.
type RunDetail struct {
	run.Run
	Totals  run.Totals
	Settled int64
}

// RunPage is a page of runs, the newest first.
type RunPage struct {
	Runs []RunDetail
	Next string
}

// Runs returns the runs of a task, the newest first.
func (s *Service) Runs(ctx context.Context, c Caller, id string, first int, after string) (RunPage, error) {
	if err := c.need(Viewer); err != nil {
		return RunPage{}, err
	}
	first, err := clamp(first, 25, MaxPage)
	if err != nil {
		return RunPage{}, err
	}
	from, err := parseRunCursor(after)
	if err != nil {
		return RunPage{}, s.failed("", err)
	}
	var page RunPage
	err = s.records(ctx, c, id, func(_ Task, r Records) error {
		runs, err := from.read(ctx, r.Runs, first+1)
		if err != nil {
			return err
		}
		if len(runs) > first {
			runs = runs[:first]
			page.Next = runCursor{runs[first-1].Started, runs[first-1].ID}.String()
		}
		for i := range runs {
			detail, err := counted(ctx, r, runs[i])
			if err != nil {
				return err
			}
			page.Runs = append(page.Runs, detail)
		}
		return nil
	})
	return page, err
}

// runCursor is the place of a run in the list of a task's runs.
type runCursor struct {
	started time.Time
	id      string
}

func (c runCursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.started.UTC().Format(time.RFC3339Nano) + " " + c.id))
}

func parseRunCursor(text string) (c runCursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	started, id, _ := strings.Cut(string(raw), " ")
	if err == nil {
		c.started, err = time.Parse(time.RFC3339Nano, started)
	}
	if c.id = id; err != nil || id == "" {
		return c, ErrCursor
	}
	return c, nil
}

func (c runCursor) read(ctx context.Context, runs run.Store, limit int) ([]run.Run, error) {
	if c.id == "" {
		return runs.Latest(ctx, limit)
	}
	return runs.Before(ctx, c.started, c.id, limit)
}

// RunOf returns one run of a task.
func (s *Service) RunOf(ctx context.Context, c Caller, id, runID string) (RunDetail, error) {
	var detail RunDetail
	err := s.records(ctx, c, id, func(_ Task, r Records) error {
		found, err := r.Runs.Get(ctx, runID)
		if errors.Is(err, run.ErrNotFound) {
			return &Error{Code: NotFound, Field: "runId", Value: runID, Message: "the task has no such run", Next: "look at the list of its runs"}
		}
		if err != nil {
			return err
		}
		detail, err = counted(ctx, r, found)
		return err
	})
	return detail, err
}

func counted(ctx context.Context, r Records, found run.Run) (RunDetail, error) {
	all, err := r.Runs.Counters(ctx, found.ID)
	if err != nil {
		return RunDetail{}, err
	}
	return RunDetail{Run: found, Totals: run.Total(all), Settled: run.Settled(all)}, nil
}

// ObjectQuery asks for failed objects. Records of other outcomes are in no order but that of their keys' hashes: they are found one by
// one, and counted by the runs.
type ObjectQuery struct {
	Class     string // of the error; "": all
	KeyPrefix string
	First     int // 1 to MaxObjects
	After     string
}

// MaxObjects is the longest page of objects.
const MaxObjects = 500

// objectReads bounds what one page of objects reads, whatever the filter.
const objectReads = 5

// Objects returns failed objects: by class, and in the order of their keys within one. A page may be short although more
// follow.
func (s *Service) Objects(ctx context.Context, c Caller, id string, q ObjectQuery) (ledger.Page, error) {
	if err := c.need(Viewer); err != nil {
		return ledger.Page{}, err
	}
	first, err := clamp(q.First, 50, MaxObjects)
	if err != nil {
		return ledger.Page{}, err
	}
	if q.Class != "" && !class.MatchString(q.Class) {
		return ledger.Page{}, invalid("errorClass", q.Class, "allowed are the classes of this task's failed objects")
	}
	if len(q.KeyPrefix) > 1024 || !utf8.ValidString(q.KeyPrefix) {
		return ledger.Page{}, invalid("keyPrefix", q.KeyPrefix, "allowed are up to 1024 bytes of UTF-8")
	}
	var page ledger.Page
	err = s.records(ctx, c, id, func(_ Task, r Records) (err error) {
		if err := checkPlace(r, q.After); err != nil {
			return err
		}
		if q.KeyPrefix != "" && r.Images == nil {
			page, err = below(ctx, r.Objects, q, first)
			return err
		}
		page.Next = q.After
		for range objectReads {
			more, err := r.Objects.Failures(ctx, q.Class, first-len(page.Records), page.Next)
			if err != nil {
				return err
			}
			for i := range more.Records {
				if strings.HasPrefix(more.Records[i].Key, q.KeyPrefix) {
					page.Records = append(page.Records, more.Records[i])
				}
			}
			if page.Next = more.Next; more.Next == "" || len(page.Records) >= first {
				return nil
			}
		}
		return nil
	})
	return page, err
}

// below returns failed objects whose keys begin with a prefix: in each class it begins there and ends behind it, so that what it reads
// does not depend on how many failed before.
func below(ctx context.Context, objects Outcomes, q ObjectQuery, first int) (page ledger.Page, err error) {
	place, err := ledger.ParseCursor(q.After)
	if err != nil {
		return page, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	from := before(q.KeyPrefix)
	for _, class := range classesOf(q.Class) {
		if class < place.Class {
			continue
		}
		at := ledger.Cursor{Class: class, Key: from}
		if class == place.Class {
			at.Key = max(from, place.Key)
		}
		for through := false; !through; {
			if len(page.Records) >= first {
				page.Next = at.String()
				return page, nil
			}
			more, err := objects.Failures(ctx, class, first-len(page.Records), at.String())
			if err != nil {
				return page, err
			}
			through = more.Next == "" || len(more.Records) == 0
			for _, r := range more.Records {
				at.Key = r.Key
				if strings.HasPrefix(r.Key, q.KeyPrefix) {
					page.Records = append(page.Records, r)
				} else if r.Key > q.KeyPrefix {
					through = true
				}
			}
		}
	}
	return page, nil
}

// classesOf are the classes that are looked into, in the order in which they are listed.
func classesOf(class string) []string {
	if class != "" {
		return []string{class}
	}
	var all []string
	for _, c := range failure.Classes() {
		all = append(all, string(c))
	}
	slices.Sort(all)
	return all
}

// before is a text that comes before everything that begins with a prefix, and behind next to everything else that does: a list that
// goes on behind it begins with the prefix.
func before(prefix string) string {
	last, size := utf8.DecodeLastRuneInString(prefix)
	head := prefix[:len(prefix)-size]
	switch {
	case last == 0:
		return head
	case last == 0xE000: // before it come halves of characters, which are in no text
		last = 0xD800
	}
	return head + string(last-1) + string(utf8.MaxRune)
}

// checkPlace refuses what no page gave.
func checkPlace(r Records, after string) error {
	if r.Images != nil {
		return nil // read where the place is read
	}
	if _, err := ledger.ParseCursor(after); err != nil {
		return fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return nil
}

// Object returns what became of one object.
func (s *Service) Object(ctx context.Context, c Caller, id, key string) (ledger.Record, error) {
	if err := c.need(Viewer); err != nil {
		return ledger.Record{}, err
	}
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) {
		return ledger.Record{}, invalid("key", key, "a key has 1 to 1024 bytes of UTF-8")
	}
	var record ledger.Record
	err := s.records(ctx, c, id, func(_ Task, r Records) error {
		found, err := r.Objects.Get(ctx, []string{key})
		if err != nil {
			return err
		}
		var there bool
		if record, there = found[key]; !there {
			return &Error{Code: NotFound, Field: "key", Value: key, Message: "the task has no record of this object", Next: "only objects that differed once have one"}
		}
		return nil
	})
	return record, err
}

// records opens what a task's stack has on record.
func (s *Service) records(ctx context.Context, c Caller, id string, with func(Task, Records) error) error {
	t, err := s.Get(ctx, c, id)
	if err != nil {
		return err
	}
	if !t.HasStack() {
		return t.noStack()
	}
	r, err := s.Engine.Records(ctx, t)
	if err != nil {
		return s.failed("opening the task's records", err)
	}
	if r.Close != nil {
		defer r.Close()
	}
	if err := with(t, r); err != nil {
		return s.failed("reading the task's records", err)
	}
	return nil
}

func (t *Task) noStack() error {
	return &Error{
		Code: WrongState, Field: "id", Value: t.ID, Message: fmt.Sprintf("the task is %s and has no stack, where this would be on record", t.State),
		Next: "the task's audit tells what became of it",
	}
}

// CheckAnswer returns what the latest check found; nil when none was asked for.
func (s *Service) CheckAnswer(ctx context.Context, c Caller, id string) (*Answer, error) {
	return s.answer(ctx, c, id, func(t *Task) *Request { return t.Check })
}

// PlanAnswer returns what the latest plan found; nil when none was asked for.
func (s *Service) PlanAnswer(ctx context.Context, c Caller, id string) (*Answer, error) {
	a, err := s.answer(ctx, c, id, func(t *Task) *Request { return t.Plan })
	if err != nil || a == nil || a.State != Finished || a.Plan == nil || a.Plan.Estimate == nil {
		return a, err
	}
	// The task keeps what its plan found it to cost, so that lists can show it; that it cannot be kept holds up no answer.
	_, keep := Amend(ctx, s.Store, id, func(t *Task) (*Entry, error) {
		if t.Plan != nil && (t.Estimate == nil || t.Estimate.Request != t.Plan.ID) {
			t.Estimate = estimateOf(t.Plan.ID, a.Finished, a.Plan.Estimate)
		}
		return nil, nil
	})
	if keep != nil {
		s.Log.Warn("the estimate of a plan is not on record", "task", id, "error", keep)
	}
	return a, nil
}

func estimateOf(request string, at time.Time, e *estimate.Estimate) *Estimate {
	return &Estimate{Request: request, At: at, Bytes: e.Bytes, Duration: e.Duration.Seconds, Costs: slices.Clone(e.Totals), Text: e.Text()}
}

// answerPatience is how long a check or plan may be without a sign of life.
const answerPatience = 20 * time.Minute

func (s *Service) answer(ctx context.Context, c Caller, id string, of func(*Task) *Request) (*Answer, error) {
	t, err := s.Get(ctx, c, id)
	if err != nil {
		return nil, err
	}
	asked := of(&t)
	if asked == nil {
		return nil, nil
	}
	if !t.HasStack() {
		return nil, t.noStack()
	}
	a, err := s.Engine.Answer(ctx, t, asked.ID)
	if errors.Is(err, ErrNoAnswer) {
		a = Answer{State: Running, Started: asked.Asked}
		if s.Now().Sub(asked.Asked) > answerPatience {
			a.State, a.Error = Broken, "nothing was heard of it; look at the finder's log, and start it again"
		}
		return &a, nil
	}
	if err != nil {
		return nil, s.failed("reading the answer", err)
	}
	return &a, nil
}
