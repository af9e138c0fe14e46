package estimate

import (
	"fmt"
	"math"

	"github.com/datatransferhub/dth/worker/job"
)

// Duration is how long a transfer takes, in seconds, from the start of the finder to the end of the proof.
type Duration struct {
	Seconds Range `json:"seconds"`
	// Find, Copy and Prove are parts of it; finding and copying overlap in the good case.
	Find  Range `json:"find"`
	Copy  Range `json:"copy"`
	Prove Range `json:"prove"`
	// Workers is how many the backlog warrants, within the fleet's upper end; 0 with nothing to copy, and without a stack.
	Workers int `json:"workers"`
	// WorkerHours and FinderHours are those of instances.
	WorkerHours Range `json:"workerHours"`
	FinderHours Range `json:"finderHours"`
	// Limit is what keeps the copy from being faster, in words.
	Limit string `json:"limit"`
}

// speed is what a fleet brings about, the worse case as Low.
type speed struct {
	objects, bytes Range // a second
	byBytes        string
}

func duration(in *Input, c *counter) Duration {
	a := &in.Assume
	d := Duration{Workers: workers(in, c)}
	listed := float64(in.Totals.ListedSource + in.Totals.ListedDestination)
	after := listed + float64(max(0, c.added()))
	d.Find = over(listed, a.ListPerSecond)
	d.Prove = over(after, a.ListPerSecond)
	v := speedOf(in, c, d.Workers)
	objects, bytes := over(float64(c.settled()), v.objects), over(float64(in.Work.Bytes), v.bytes)
	// Small objects wait for answers while large ones fill the line, so at best they do not disturb each other.
	d.Copy = Range{max(objects.Low, bytes.Low), objects.High + bytes.High}
	switch {
	case c.settled() == 0:
		d.Limit = "nothing to copy"
	case objects.High >= bytes.High:
		d.Limit = "small objects: calls a second"
	default:
		d.Limit = v.byBytes
	}
	d.Seconds = Range{max(d.Find.Low, d.Copy.Low) + d.Prove.Low, d.Find.High + d.Copy.High + d.Prove.High}
	if in.Fleet.MaxWorkers > 0 {
		d.instances(in)
	}
	return d
}

// workers returns how many workers the backlog warrants.
func workers(in *Input, c *counter) int {
	messages := c.settled()
	if !c.serverSide {
		messages += in.Work.GiantParts
	}
	if in.Fleet.MaxWorkers == 0 || messages == 0 {
		return 0
	}
	warranted := (messages + in.Assume.MessagesPerWorker - 1) / in.Assume.MessagesPerWorker
	return int(min(warranted, int64(in.Fleet.MaxWorkers)))
}

// instances adds the starts of instances to the duration, and counts their hours.
func (d *Duration) instances(in *Input) {
	a := &in.Assume
	boot := a.Boot.Seconds()
	d.Seconds = d.Seconds.add(2*boot + a.QuietLooks*a.Look.Seconds()) // the finder starts for the pass and for the proof
	d.FinderHours = d.Find.plus(d.Prove).add(2 * boot).times(1.0 / 3600)
	if d.Workers == 0 {
		return
	}
	steps := math.Ceil(float64(d.Workers-1) / float64(a.StepWorkers))
	growing := steps * a.Step.Seconds()
	// The first worker starts when the finder has found something; in the bad case most of the fleet comes late.
	d.Seconds = d.Seconds.add(boot)
	d.Seconds.High += growing
	n := float64(d.Workers)
	d.WorkerHours = Range{n * d.Copy.Low, n * (d.Copy.High + growing)}.add(n * (boot + a.Idle.Seconds())).times(1.0 / 3600)
}

// speedOf returns how fast the objects can be copied.
func speedOf(in *Input, c *counter, workers int) speed {
	a := &in.Assume
	var v speed
	n := float64(workers)
	switch {
	case in.Fleet.MaxWorkers == 0:
		v = speed{a.DeskObjects, a.DeskBytes, "the machine's bandwidth, which is assumed"}
		n = 1
	default:
		m, _ := machineOf(in.Fleet.Instance)
		line := m.Baseline
		v.byBytes = fmt.Sprintf("the baseline bandwidth of %s", in.Fleet.Instance)
		if in.leaves() && line > a.EdgeBytes {
			line, v.byBytes = a.EdgeBytes, "what an instance exchanges with other regions and the internet"
		}
		v.objects, v.bytes = a.ObjectsPerSecond.times(n), a.BandwidthShare.times(n*line)
	}
	if in.Job.Concurrency > 0 {
		v.objects = v.objects.times(float64(in.Job.Concurrency) / concurrency)
	}
	v.objects = Range{min(v.objects.Low, a.WritesPerSecond.Low), min(v.objects.High, a.WritesPerSecond.High)}
	if c.serverSide {
		atOnce := float64(concurrency)
		if in.Job.Concurrency > 0 {
			atOnce = float64(in.Job.Concurrency)
		}
		v.bytes, v.byBytes = a.CopyBytes.times(n*atOnce), "server-side copies under way, at an assumed speed each"
	} else if limit := float64(in.Job.BytesPerSecond); limit > 0 && v.bytes.High > limit {
		v.bytes, v.byBytes = v.bytes.atMost(limit), "the bandwidth limit"
	}
	return v
}

// leaves tells whether bytes leave the region of the stack, or come from elsewhere.
func (in *Input) leaves() bool {
	here := func(p job.Provider, region string) bool { return p == job.AmazonS3 && region == in.Fleet.Region }
	return !here(in.Job.Source.Provider, in.SourceRegion) || !here(in.Job.Destination.Provider, in.DestinationRegion)
}

// over returns how long an amount takes at a rate, in seconds.
func over(amount float64, rate Range) Range {
	if amount <= 0 || rate.Low <= 0 {
		return Range{}
	}
	return Range{amount / rate.High, amount / rate.Low}
}

// idle adds the receive calls of workers that wait in vain before they go.
func (c *counter) idle(d Duration) {
	a := &c.in.Assume
	c.out.Queue.Receive += whole(float64(d.Workers*a.Receivers) * a.Idle.Seconds() / a.Wait.Seconds())
}
