package task

import (
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/cron"
	"github.com/datatransferhub/dth/worker/run"
)

// ReasonKind says of what sort a reason is to look at a task.
type ReasonKind string

// The kinds of reasons.
const (
	InError       ReasonKind = "ERROR"          // the task is in ERROR
	RunFailed     ReasonKind = "RUN_FAILED"     // its latest run itself failed
	ObjectsFailed ReasonKind = "OBJECTS_FAILED" // objects failed, and their records say why
	DeadLetters   ReasonKind = "DEAD_LETTERS"   // of those, messages that failed five times, as far as the run knows
	Different     ReasonKind = "DIFFERENT"      // objects differ after the proof, and nothing says why
	Unproved      ReasonKind = "UNPROVED"       // the latest run ended without a proof
	Stale         ReasonKind = "STALE"          // no run was proved within two intervals of the schedule
)

// Reason is why a person should look at a task.
type Reason struct {
	Kind  ReasonKind
	Count int64 // of objects; 0 where there is nothing to count
	Text  string
}

// Attention returns why a person should look at the task at a time; nothing when nobody has to. Of one that is stopped there is
// nothing left to mend.
func (t *Task) Attention(now time.Time) (all []Reason) {
	if t.State == Stopped {
		return nil
	}
	if t.State == Errored {
		all = append(all, Reason{Kind: InError, Text: t.Reason})
	}
	switch t.Health {
	case Failing:
		text := t.Reason
		if last := t.LastRun; last != nil && last.State == run.Failed && last.Error != "" {
			text = last.Error
		}
		all = append(all, Reason{Kind: RunFailed, Text: text})
	case Attention:
		all = append(all, t.left()...)
	case Unknown, Healthy:
	}
	if since, stale := t.stale(now); stale {
		all = append(all, Reason{Kind: Stale, Text: "no run was proved since " + since.UTC().Format(time.RFC3339) + ", for more than two intervals of the schedule"})
	}
	return all
}

// left is what the latest run left.
func (t *Task) left() (all []Reason) {
	last, a := t.LastRun, t.Agreement
	if last != nil && last.Failed > 0 {
		all = append(all, Reason{ObjectsFailed, last.Failed, fmt.Sprintf("%d objects of run %s failed", last.Failed, last.ID)})
	} else if a.Named > 0 {
		all = append(all, Reason{ObjectsFailed, a.Named, fmt.Sprintf("%d objects differ, and their records say why", a.Named)})
	}
	if last != nil && last.DeadLetters > 0 {
		all = append(all, Reason{DeadLetters, last.DeadLetters, fmt.Sprintf("%d messages failed five times before run %s", last.DeadLetters, last.ID)})
	}
	if n := a.Behind - a.Named; n > 0 {
		all = append(all, Reason{Different, n, fmt.Sprintf("%d objects differ after run %s, and nothing says why", n, a.RunID)})
	}
	if len(all) == 0 || last != nil && a.RunID != last.ID {
		all = append(all, Reason{Kind: Unproved, Text: "the latest run ended without a proof that both ends agree"})
	}
	return all
}

// quiet is how long an open run may say nothing before it counts as silent: it is told of every five minutes.
const quiet = 30 * time.Minute

// stale reports since when no run was proved, when that is longer than two intervals of the schedule. A run that is at work and
// tells of itself takes as long as it takes.
func (t *Task) stale(now time.Time) (since time.Time, stale bool) {
	if t.State != InProgress || t.Schedule.Kind != Scheduled || now.IsZero() {
		return since, false
	}
	if last := t.LastRun; last != nil && last.Finished.IsZero() && now.Sub(last.Told) < quiet {
		return since, false
	}
	schedule, err := cron.Parse(t.Schedule.Expression)
	if err != nil {
		return since, false // a task that polls has no ticks
	}
	if since = t.Agreement.Checked; t.Updated.After(since) {
		since = t.Updated
	}
	first, _ := schedule.Next(since)
	second, more := schedule.Next(first)
	return since, more && now.After(second) && now.After(since.Add(2*second.Sub(first)))
}

// NeedsAttention reports whether a person should look at the task at a time.
func (t *Task) NeedsAttention(now time.Time) bool { return len(t.Attention(now)) > 0 }
