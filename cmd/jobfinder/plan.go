package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/run"
)

// readPrices reads the prices of the person's own.
func (o *options) readPrices(file string) error {
	if file == "" {
		return nil
	}
	if !o.plan {
		return fmt.Errorf("--prices %s: prices are for --plan only", file)
	}
	document, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--prices: %w", err)
	}
	if o.prices, err = estimate.ParsePrices(document, filepath.Base(file)); err != nil {
		return fmt.Errorf("--prices %s: %w", file, err)
	}
	return nil
}

// plan compares both ends and queues nothing.
func (p *program) plan(ctx context.Context, out io.Writer, a *answering) error {
	if err := p.preflight(ctx); err != nil {
		return err
	}
	plan := &finder.Plan{Rules: estimate.RulesOf(p.cfg.Job)}
	totals, err := finder.Pass(ctx, finder.Config{
		Job: p.cfg.Job, Source: p.source, Destination: p.destination, PrefixFile: p.lists, Ledger: p.ledger,
		Sinks:      func() []diff.Sink { return []diff.Sink{plan} },
		OnProgress: func(n finder.Progress) { a.listed.Store(n.Source + n.Destination) },
	})
	if err != nil {
		return err
	}
	cost := p.estimate(totals, plan)
	a.listed.Store(totals.ListedSource + totals.ListedDestination)
	a.answer.Plan = &task.PlanResult{Totals: totals, Estimate: cost}
	for _, b := range plan.Histogram() {
		a.answer.Plan.Histogram = append(a.answer.Plan.Histogram, task.Bin(b))
	}
	for _, o := range plan.Largest() {
		a.answer.Plan.Largest = append(a.answer.Plan.Largest, task.Sized{Key: o.Key, Size: o.Size})
	}
	return p.print(out, map[string]any{"totals": totals, "histogram": plan.Histogram(), "largest": plan.Largest(), "estimate": cost})
}

// defaultCapacity is the upper end of a fleet whose configuration does not say it.
const defaultCapacity = 20

// estimate reckons with the fleet that the configuration names.
func (p *program) estimate(totals run.FinderTotals, plan *finder.Plan) *estimate.Estimate {
	prices := p.prices
	if prices == nil {
		prices = estimate.Builtin()
	}
	v := p.cfg.Values
	most, err := strconv.Atoi(v["maxCapacity"])
	if err != nil || most < 1 {
		most = defaultCapacity
	}
	fleet := estimate.Fleet{
		Region: p.region, MaxWorkers: most, Instance: prices.Cheapest(p.region, v.List("workerInstanceTypes")), Finder: v["finderInstanceType"],
	}
	return estimate.Of(estimate.Input{
		Job: p.cfg.Job, Totals: totals, Work: plan.Work(), Shared: p.destination.Shares(p.source),
		SourceRegion: p.source.Region(), DestinationRegion: p.destination.Region(), Fleet: fleet, Prices: prices,
	})
}
