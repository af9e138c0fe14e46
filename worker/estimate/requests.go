package estimate

import (
	"math"
	"strings"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/job"
)

// Requests are the calls of a run that nothing disturbs, from its first listing to the proof.
type Requests struct {
	Source      SourceCalls      `json:"source"`
	Destination DestinationCalls `json:"destination"`
	Queue       QueueCalls       `json:"queue"`
	Tables      TableCalls       `json:"tables"`
}

// SourceCalls are the calls at the source.
type SourceCalls struct {
	List int64 `json:"list"`
	Head int64 `json:"head"`
	Get  int64 `json:"get"`  // whole objects and parts
	Tags int64 `json:"tags"` // GetObjectTagging
}

// DestinationCalls are the calls at the destination. Tags and ACLs travel with the call that writes the object.
type DestinationCalls struct {
	List     int64 `json:"list"`
	Put      int64 `json:"put"`
	Create   int64 `json:"create"` // multipart uploads
	Part     int64 `json:"part"`
	Complete int64 `json:"complete"`
	Copy     int64 `json:"copy"`     // server-side, whole objects
	CopyPart int64 `json:"copyPart"` // server-side, parts
	Delete   int64 `json:"delete"`
}

// QueueCalls are the calls of the queue, of up to ten messages each.
type QueueCalls struct {
	Send    int64 `json:"send"`
	Receive int64 `json:"receive"` // with those that wait in vain while workers are idle
	Delete  int64 `json:"delete"`
}

// TableCalls are the calls of both tables, and the units that they are billed by.
type TableCalls struct {
	Writes     int64 `json:"writes"`
	WriteUnits int64 `json:"writeUnits"`
	ReadUnits  int64 `json:"readUnits"`
}

// counter adds up the calls of one input.
type counter struct {
	in         *Input
	serverSide bool
	deleted    int64 // destination objects to delete
	out        Requests
}

func count(in *Input) *counter {
	c := &counter{in: in, serverSide: in.ServerSide(), deleted: deletions(in)}
	c.lists()
	if c.serverSide {
		c.copies()
	} else {
		c.streams()
	}
	if in.Job.IncludeTags {
		c.out.Source.Tags = in.Work.Objects
	}
	c.out.Source.Head += c.deleted // a delete looks at the source first
	c.out.Destination.Delete = c.deleted
	if in.Fleet.MaxWorkers > 0 {
		c.queue()
		c.tables()
	}
	return c
}

// deletions returns how many destination objects the job deletes.
func deletions(in *Input) int64 {
	if !in.Job.DeleteExtraneous {
		return 0
	}
	var n int64
	for name, t := range in.Totals.Decisions {
		if kind, _, _ := strings.Cut(name, ":"); kind == "extraneous" {
			n += t.Objects
		}
	}
	return n
}

// added returns how many objects the destination has more after the copy.
func (c *counter) added() int64 { return c.in.Totals.Decisions["new"].Objects - c.deleted }

// lists shares the calls of the pass by what each end listed, and adds those of the proof.
func (c *counter) lists() {
	t := c.in.Totals
	listed := t.ListedSource + t.ListedDestination
	source, destination := t.ListCalls, int64(0)
	if listed > 0 && !c.in.Job.SkipCompare {
		source = max(1, int64(math.Round(float64(t.ListCalls)*float64(t.ListedSource)/float64(listed))))
		source = min(source, max(1, t.ListCalls-1))
		destination = t.ListCalls - source
	}
	rate := 1.0 / 1000 // calls an object
	if t.ListedSource > 0 {
		rate = max(rate, float64(source)/float64(t.ListedSource))
	}
	after := int64(math.Ceil(rate * float64(t.ListedDestination+c.added())))
	c.out.Source.List = 2 * source
	c.out.Destination.List = destination + max(destination, after, 1)
}

// streams counts copies whose bytes pass through a worker.
func (c *counter) streams() {
	w, s, d := &c.in.Work, &c.out.Source, &c.out.Destination
	s.Get = w.Whole + w.Parts + w.GiantParts
	s.Head = w.Rechecked + 2*w.Parted + 2*w.Giants // before and after
	if c.in.Fleet.MaxWorkers > 0 {
		s.Head += w.Giants // whoever completes it looks too
	}
	d.Put = w.Whole
	d.Create = w.Parted + w.Giants
	d.Complete = d.Create
	d.Part = w.Parts + w.GiantParts
}

// copies counts copies that the destination makes by itself.
func (c *counter) copies() {
	w, s, d := &c.in.Work, &c.out.Source, &c.out.Destination
	s.Head = w.Objects + w.Long
	d.Copy = w.Objects - w.Long
	d.Create, d.Complete, d.CopyPart = w.Long, w.Long, w.LongParts
}

// settled returns how many objects get a record.
func (c *counter) settled() int64 { return c.in.Work.Objects + c.deleted }

func (c *counter) queue() {
	a, w := &c.in.Assume, &c.in.Work
	objects := float64(c.settled())
	var parts, giants float64
	if !c.serverSide {
		parts, giants = float64(w.GiantParts), float64(w.Giants)
	}
	c.out.Queue = QueueCalls{
		Send:    whole(objects/a.PerCall + max(parts/a.PerCall, giants) + giants),
		Receive: whole(objects/a.PerCall + (parts+giants)/a.PartsPerCall),
		Delete:  whole(objects/a.DeletesPerCall + (parts+giants)/a.PartsPerCall),
	}
}

func (c *counter) tables() {
	a, w, t := &c.in.Assume, &c.in.Work, &c.out.Tables
	rows := float64(c.settled()) * a.WritesPerObject
	reads := c.reads()
	if c.serverSide {
		// Intent, upload, its intent's and its own removal; parts of one upload are few.
		uploads := 4*w.Long + 2*w.LongParts
		t.Writes = whole(rows+2*a.PassWrites) + uploads
		t.WriteUnits, t.ReadUnits = t.Writes, reads
		return
	}
	uploads := 4*(w.Parted+w.Giants) + w.Giants // a giant is also recorded as in progress
	t.Writes = whole(rows+2*a.PassWrites) + uploads + w.Parts + w.GiantParts + w.GiantItems + w.Parted
	t.WriteUnits = whole(rows+2*a.PassWrites) + uploads + w.PartUnits
	t.ReadUnits = reads
}

// reads returns the read units of both tables.
func (c *counter) reads() int64 {
	w := &c.in.Work
	var units int64
	if guarded(c.in.Job) {
		units += c.settled()
	}
	if !c.serverSide {
		// Recorded upload; for a giant also its ledger record at both ends of its life, and the items of its parts.
		units += w.Parted + 5*w.Giants + w.GiantLooks*unitsOf(partsAnItem*bytesAPart, bytesReadUnit)
	}
	// The proof asks the ledger where ETags say nothing.
	if strings.HasPrefix(c.in.Job.Write.SSE, "aws:kms") {
		return units + w.Objects
	}
	return units + w.Parted + w.Giants
}

// guarded tells whether the record of every object is read before it is copied (worker/transfer).
func guarded(j *job.Job) bool {
	can, err := endpoint.Of(j.Destination.Provider)
	return err == nil && can.WriteIf.Value == endpoint.NoConditions || j.Events != "" && j.Events != job.EventsNone
}

// whole rounds up to whole calls.
func whole(v float64) int64 { return int64(math.Ceil(v - 1e-9)) }
