package consume

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/event"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
)

// Events says which events of the source bucket a task follows: those of the objects that its passes would list.
type Events struct {
	Job      *job.Job
	Filter   *job.Filter
	Prefixes []string // merged; none selects everything
}

// EventRun is the run that the outcome of an event is counted in: one a day, by the time of the event, so that an event
// that is delivered twice belongs to the same run both times.
func EventRun(r event.Record) string { return eventRun + r.Time.UTC().Format(eventDay) }

const eventRun, eventDay = "events-", "20060102"

// EventDay returns the beginning of the day whose events a run counts; false for other runs.
func EventDay(runID string) (time.Time, bool) {
	day, is := strings.CutPrefix(runID, eventRun)
	t, err := time.Parse(eventDay, day)
	return t, is && err == nil
}

// Object returns the message that an event asks for, or why it asks for nothing. What an event says of its object may be
// outdated by the time it is read; it is a reason to look, and its ETag guards the copy.
func (e *Events) Object(r event.Record) (o message.Object, nothing string) {
	switch {
	case e.Job.Events == "" || e.Job.Events == job.EventsNone:
		return o, "events are not followed (srcEvent is No)"
	case r.Kind == event.Ignored || r.Kind == event.Tagged:
		return o, "the event does not change the object's content"
	case r.Bucket != e.Job.Source.Bucket:
		return o, "the event is of another bucket"
	case r.Kind == event.Removed && e.Job.Events != job.EventsCreateAndDelete:
		return o, "deletions are not followed (srcEvent is Create)"
	case !e.selected(r.Key):
		return o, "the key is under none of the task's prefixes"
	}
	o = message.Object{Run: EventRun(r), Key: r.Key, Op: message.Copy, Sequencer: r.Sequencer}
	switch {
	case r.Kind == event.Removed && !e.Filter.TakesKey(r.Key), r.Kind == event.Created && !e.Filter.Takes(r.Key, r.Size, r.Time):
		return o, "the task's filters leave the object out"
	case r.Kind == event.Removed:
		o.Op = message.Delete
	case r.Kind == event.Created && r.ETag != "":
		o.Size, o.ETag, o.Modified = r.Size, r.ETag, r.Time
	default:
		o.Look = true // a restored object, or an event that this release does not know
	}
	return o, ""
}

func (e *Events) selected(key string) bool {
	if len(e.Prefixes) == 0 {
		return true
	}
	for _, p := range e.Prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// read returns what a message asks for; false when it is dealt with already, because it asks for nothing or cannot be
// read.
func (c *Consumer) read(work context.Context, m queue.Message) (message.Message, bool) {
	content, err := message.Decode(m.Body)
	if errors.Is(err, message.ErrForeign) && c.Events != nil {
		return c.readEvent(work, m)
	}
	if err != nil {
		c.undecodable(work, m, err)
		return nil, false
	}
	// One that was received before may have been copied by somebody who died before that was on record: what a newer run found
	// in place must have a record all the same.
	if o, ok := content.(message.Object); ok && o.Sequencer == "" && c.Superseded != nil && c.Superseded(o.Run) {
		return content, !c.drop(work, m, &o)
	}
	return content, true
}

// drop drops the message of an overtaken run, if nobody can have begun it, and has it counted once. It reports whether the
// message is dealt with.
func (c *Consumer) drop(work context.Context, m queue.Message, o *message.Object) bool {
	if m.Receives <= 1 && !o.Seen {
		c.record.add(entry{message: m, run: o.Run, key: o.Key, superseded: true, remove: true})
		return true
	}
	// Whoever had it may have dropped it as well, and died before it was deleted.
	counters, err := c.Runs.Counters(work, o.Run)
	if err != nil {
		c.Log.Warn("reading counters failed; the message reappears", "run", o.Run, "key", o.Key, "error", err)
		c.release(work, m, c.handBackDelay(m.Receives))
		return true
	}
	for i := range counters {
		if slices.Contains(counters[i].Dropped, m.ID) {
			c.discard(m)
			return true
		}
	}
	return false
}

func (c *Consumer) readEvent(work context.Context, m queue.Message) (message.Message, bool) {
	n, err := event.Decode(m.Body)
	if err != nil {
		c.undecodable(work, m, err)
		return nil, false
	}
	var wanted []message.Object
	for _, r := range n.Records {
		o, nothing := c.Events.Object(r)
		if nothing != "" {
			c.record.ignored.Add(1)
			c.Log.Debug("event asks for nothing", "event", r.Name, "key", r.Key, "because", nothing)
			continue
		}
		wanted = append(wanted, o)
	}
	switch len(wanted) {
	case 0:
		if n.Test || n.Nothing != "" {
			c.record.ignored.Add(1)
			c.Log.Info("message asks for nothing", "id", m.ID, "test", n.Test, "because", n.Nothing)
		}
		c.discard(m)
		return nil, false
	case 1:
		return wanted[0], true
	}
	c.split(work, m, wanted)
	return nil, false
}

// split sends a message for each object of an event message with several, so that each has its own receives.
func (c *Consumer) split(work context.Context, m queue.Message, objects []message.Object) {
	bodies := make([]string, len(objects))
	var err error
	for i := range objects {
		if bodies[i], err = objects[i].Encode(); err != nil {
			c.undecodable(work, m, err)
			return
		}
	}
	if err := c.Queue.Send(work, bodies); err != nil {
		c.Log.Warn("dividing a message failed; it reappears", "id", m.ID, "error", err)
		c.release(work, m, c.handBackDelay(m.Receives))
		return
	}
	c.discard(m)
}

// discard deletes a message that asks for nothing.
func (c *Consumer) discard(m queue.Message) { c.record.add(entry{message: m, remove: true}) }
