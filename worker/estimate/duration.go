package estimate

import (
	"fmt"
	"math"
	"strconv"

	"github.com/datatransferhub/dth/worker/job"
)

// Duration is how long a transfer takes, in seconds, from the start of the finder to the end of the proof.
type Duration struct {
	Seconds Range `json:"seconds"`
	// Find, Copy and Prove are parts of it; finding and copying overlap in the good case.
	Find  Range `json:"find"`
	Copy  Range `json:"copy"`
	Prove Range `json:"prove"`
	// Workers is how many the fleet comes to; 0 with nothing to copy, and without a stack.
	Workers Workers `json:"workers"`
	// WorkerHours and FinderHours are those of instances.
	WorkerHours Range `json:"workerHours"`
	FinderHours Range `json:"finderHours"`
	// Limit is what keeps the copy from being faster, in words.
	Limit string `json:"limit"`
}

// Workers is a size of the fleet. In the good case fewer are done before others start.
type Workers struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// Text returns the duration with the number of workers and what limits it.
func (d *Duration) Text() string {
	s := interval(seconds(d.Seconds.Low), seconds(d.Seconds.High))
	if d.Workers.High > 0 {
		s += " with " + interval(strconv.Itoa(d.Workers.Low), strconv.Itoa(d.Workers.High)) + " worker"
		if d.Workers.High > 1 {
			s += "s"
		}
	}
	return s + " (" + d.Limit + ")"
}

func duration(in *Input, c *counter) Duration {
	a := &in.Assume
	listed := float64(in.Totals.ListedSource + in.Totals.ListedDestination)
	after := listed + float64(max(0, c.added()))
	d := Duration{Find: over(listed, a.ListPerSecond), Prove: over(after, a.ListPerSecond), Limit: "nothing to copy"}
	if c.settled() > 0 {
		d.copies(in, c)
	}
	d.Seconds = Range{max(d.Find.Low, d.Copy.Low) + d.Prove.Low, d.Find.High + d.Copy.High + d.Prove.High}
	if in.Fleet.MaxWorkers == 0 {
		return d
	}
	// The finder starts for the pass and for the proof, which waits until the run was found drained; the first worker starts
	// when the finder has found something.
	boot := a.Boot.Seconds()
	d.Seconds = d.Seconds.add(2*boot + a.QuietLooks*a.Look.Seconds())
	if c.settled() > 0 {
		d.Seconds = d.Seconds.add(boot)
	}
	d.FinderHours = d.Find.plus(d.Prove).add(2 * boot).times(1.0 / 3600)
	return d
}

// copies fills in how long copying takes, and who does it.
func (d *Duration) copies(in *Input, c *counter) {
	good, bad := newPace(in, c, true), newPace(in, c, false)
	most := warranted(in, c)
	f, g := grow(in, good, most), grow(in, bad, most)
	d.Copy = Range{f.seconds, g.seconds}
	if in.Fleet.MaxWorkers > 0 {
		d.Workers = Workers{f.workers, g.workers}
		d.WorkerHours = Range{f.workerSeconds, g.workerSeconds}.times(1.0 / 3600)
	}
	d.Limit = bad.limit(g.workers)
}

// warranted returns how many workers the backlog warrants within the fleet's upper end; without a stack, one machine.
func warranted(in *Input, c *counter) int {
	if in.Fleet.MaxWorkers == 0 {
		return 1
	}
	messages := c.settled()
	if !c.serverSide {
		messages += in.Work.GiantParts
	}
	backlog := (messages + in.Assume.MessagesPerWorker - 1) / in.Assume.MessagesPerWorker
	return int(min(backlog, int64(in.Fleet.MaxWorkers)))
}

// growth is what a fleet took to copy everything while it grew.
type growth struct {
	seconds, workerSeconds float64
	workers                int
}

// grow begins with one worker and adds some at each step, up to most, until all is copied. Workers stay for a while when nothing
// is left, and their start is paid for too.
func grow(in *Input, p *pace, most int) growth {
	a := &in.Assume
	step, left, g := a.Step.Seconds(), 1.0, growth{workers: 1}
	for {
		takes := left * p.whole(g.workers)
		last := g.workers >= most || takes <= step
		if !last {
			takes = step
		}
		g.seconds += takes
		g.workerSeconds += takes * float64(g.workers)
		if last {
			g.workerSeconds += float64(g.workers) * (a.Boot + a.Idle).Seconds()
			return g
		}
		left -= takes / p.whole(g.workers)
		g.workers = min(most, g.workers+a.StepWorkers)
	}
}

// pace is how fast workers copy in one case, the good one or the bad one.
type pace struct {
	in             *Input
	objects, bytes float64 // to copy
	good           bool
	// What one worker and what the whole fleet does a second.
	workerObjects, workerBytes, fleetObjects, fleetBytes float64
	byBytes                                              string // what limits the bytes of a worker
}

func newPace(in *Input, c *counter, good bool) *pace {
	a := &in.Assume
	p := &pace{in: in, good: good, objects: float64(c.settled()), bytes: float64(in.Work.Bytes)}
	of := func(r Range) float64 {
		if good {
			return r.High
		}
		return r.Low
	}
	p.fleetObjects, p.fleetBytes = of(a.WritesPerSecond), math.Inf(1)
	switch m, _ := machineOf(in.Fleet.Instance); {
	case in.Fleet.MaxWorkers == 0:
		p.workerObjects, p.workerBytes, p.byBytes = of(a.DeskObjects), of(a.DeskBytes), "the machine's bandwidth, which is assumed"
	default:
		line := m.Baseline
		p.byBytes = "the baseline bandwidth of " + in.Fleet.Instance
		if in.leaves() && line > a.EdgeBytes {
			line, p.byBytes = a.EdgeBytes, "what an instance exchanges with other regions and the internet"
		}
		p.workerObjects, p.workerBytes = of(a.ObjectsPerSecond), of(a.BandwidthShare)*line
	}
	atOnce := float64(concurrency)
	if n := in.Job.Concurrency; n > 0 {
		atOnce = float64(n)
		p.workerObjects *= atOnce / concurrency
	}
	if c.serverSide {
		p.workerBytes, p.byBytes = of(a.CopyBytes)*atOnce, "server-side copies under way, at an assumed speed each"
	} else if in.Job.BytesPerSecond > 0 {
		p.fleetBytes = float64(in.Job.BytesPerSecond)
	}
	return p
}

// times returns how long all objects and all bytes would take so many workers, in seconds.
func (p *pace) times(workers int) (objects, bytes float64) {
	n := float64(workers)
	return p.objects / min(n*p.workerObjects, p.fleetObjects), p.bytes / min(n*p.workerBytes, p.fleetBytes)
}

// whole returns how long all of it takes. Small objects wait for answers while large ones fill the line, so at best they do not
// disturb each other.
func (p *pace) whole(workers int) float64 {
	objects, bytes := p.times(workers)
	if p.good {
		return max(objects, bytes)
	}
	return objects + bytes
}

func (p *pace) limit(workers int) string {
	objects, bytes := p.times(workers)
	n := float64(workers)
	switch {
	case objects >= bytes && n*p.workerObjects > p.fleetObjects:
		return fmt.Sprintf("small objects: the destination is sure to take %s a second", grouped(p.fleetObjects, 0))
	case objects >= bytes:
		return "small objects: calls a second"
	case n*p.workerBytes > p.fleetBytes:
		return "the bandwidth limit"
	}
	return p.byBytes
}

// leaves tells whether bytes leave the region of the stack, or come from elsewhere.
func (in *Input) leaves() bool {
	here := func(p job.Provider, region string) bool { return p == job.AmazonS3 && region == in.Fleet.Region }
	return !here(in.Job.Source.Provider, in.SourceRegion) || !here(in.Job.Destination.Provider, in.DestinationRegion)
}

// over returns how long an amount takes at a rate, in seconds.
func over(amount float64, rate Range) Range {
	if amount <= 0 {
		return Range{}
	}
	return Range{amount / rate.High, amount / rate.Low}
}

// idle adds the receive calls of workers that wait in vain before they go.
func (c *counter) idle(d Duration) {
	a := &c.in.Assume
	c.out.Queue.Receive += whole(float64(d.Workers.High*a.Receivers) * a.Idle.Seconds() / a.Wait.Seconds())
}
