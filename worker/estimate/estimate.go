// Package estimate says what a transfer will cost and how long it takes, before it is made: its requests, counted as the engine
// makes them; its bytes; its duration, between a bad and a good case; and its cost, item by item, from one dated table of
// prices. Nothing here talks to a network, and a price that is not known is never taken for none.
package estimate

import (
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/run"
)

// Input is what an estimate is made of.
type Input struct {
	Job *job.Job
	// Totals are those of a plan pass, and Work what it found to copy.
	Totals run.FinderTotals
	Work   Work
	// Shared says that the destination could copy from the source by itself, as far as addresses tell.
	Shared bool
	// SourceRegion and DestinationRegion are those of ends on Amazon S3; empty is DefaultRegion.
	SourceRegion, DestinationRegion string
	Fleet                           Fleet
	// Prices is the table to reckon with; nil is Builtin.
	Prices *Prices
	// Assume are the assumptions; the zero value is Defaults.
	Assume Assumptions
}

// Fleet is who makes the transfer.
type Fleet struct {
	// Region is where the stack is; empty is the destination's region, or the source's, whichever is on Amazon S3.
	Region string `json:"region,omitempty"`
	// MaxWorkers is the upper end of the fleet; 0: no stack, the copy runs on a machine of its own (dth copy).
	MaxWorkers int `json:"maxWorkers"`
	// Instance and Finder are instance types; empty are DefaultInstance and DefaultFinder.
	Instance string `json:"instance,omitempty"`
	Finder   string `json:"finder,omitempty"`
}

// Estimate is what is expected of a transfer.
type Estimate struct {
	Fleet      Fleet    `json:"fleet"`
	ServerSide bool     `json:"serverSide"` // the destination copies by itself
	Requests   Requests `json:"requests"`
	Bytes      int64    `json:"bytes"` // that are copied
	Duration   Duration `json:"duration"`
	// Items are what the transfer costs once; Monthly what follows from it each month.
	Items   []Item `json:"items"`
	Monthly []Item `json:"monthly"`
	// Totals add up Items by currency, MonthlyTotals Monthly.
	Totals        []Total `json:"totals"`
	MonthlyTotals []Total `json:"monthlyTotals"`
	// NotIncluded are costs that the estimate leaves out.
	NotIncluded []string `json:"notIncluded"`
	// Prices says what the amounts are reckoned with.
	Prices Basis `json:"prices"`
}

// Of returns the estimate of a transfer.
func Of(in Input) *Estimate {
	in.complete()
	c := count(&in)
	d := duration(&in, c)
	c.idle(d)
	e := &Estimate{
		Fleet: in.Fleet, ServerSide: c.serverSide, Requests: c.out, Bytes: in.Work.Bytes, Duration: d, NotIncluded: notIncluded(&in),
	}
	b := &bill{in: &in, prices: in.Prices}
	b.transfer(c, d)
	e.Items, e.Totals = b.items, totals(b.items)
	b.items = nil
	b.monthly(c)
	e.Monthly, e.MonthlyTotals = b.items, totals(b.items)
	e.Prices = b.basis()
	return e
}

// complete fills in what is left to its default.
func (in *Input) complete() {
	if in.Assume == (Assumptions{}) {
		in.Assume = Defaults()
	}
	if in.Prices == nil {
		in.Prices = Builtin()
	}
	for _, region := range []*string{&in.SourceRegion, &in.DestinationRegion} {
		if *region == "" {
			*region = DefaultRegion
		}
	}
	if in.Fleet.MaxWorkers == 0 {
		in.Fleet = Fleet{}
		return
	}
	for _, f := range []struct {
		field    *string
		fallback string
	}{{&in.Fleet.Instance, DefaultInstance}, {&in.Fleet.Finder, DefaultFinder}, {&in.Fleet.Region, in.home()}} {
		if *f.field == "" {
			*f.field = f.fallback
		}
	}
}

// home is where a stack is that nobody says the region of.
func (in *Input) home() string {
	switch {
	case in.Job.Destination.Provider == job.AmazonS3:
		return in.DestinationRegion
	case in.Job.Source.Provider == job.AmazonS3:
		return in.SourceRegion
	}
	return DefaultRegion
}

// ServerSide reports whether the destination copies by itself, unless it turns out that it may not read the source.
func (in *Input) ServerSide() bool {
	return in.Job.Mode == job.ModeServerSide || in.Job.Mode != job.ModeStream && in.Shared
}
