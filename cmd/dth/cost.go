package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
)

// costFlags say what an estimate is reckoned with.
type costFlags struct {
	maxCapacity int
	given       bool // the number of workers
	instance    string
	region      string
	file        string

	cmd    *cobra.Command
	prices *estimate.Prices
}

// defaultCapacity is that of the plugin's parameter maxCapacity.
const defaultCapacity = 20

func (f *costFlags) register(cmd *cobra.Command) {
	f.cmd = cmd
	fs := cmd.Flags()
	fs.IntVar(&f.maxCapacity, "max-capacity", 0, "estimate: most workers of the stack; 0 is a copy by this machine [20 where an end is Amazon S3, else 0]")
	fs.StringVar(&f.instance, "worker-instance-type", estimate.DefaultInstance, "estimate: instance type of the workers")
	fs.StringVar(&f.region, "stack-region", "", "estimate: region of the stack [the destination's, or the source's]")
	fs.StringVar(&f.file, "prices", "", "estimate: file with prices of your own, YAML or JSON, that replace built-in ones")
}

// check reads the prices, and refuses what no estimate can be made with, before anything is listed.
func (f *costFlags) check() error {
	f.given = f.cmd.Flags().Changed("max-capacity")
	if f.maxCapacity < 0 || f.maxCapacity > 1000 {
		return fmt.Errorf("--max-capacity: %d: allowed are 0 to 1000", f.maxCapacity)
	}
	if !estimate.IsInstance(f.instance) {
		return fmt.Errorf("--worker-instance-type: %q: allowed is an instance type, such as c7g.large", f.instance)
	}
	if f.region != "" && !estimate.IsRegion(f.region) {
		return fmt.Errorf("--stack-region: %q: allowed is a region of AWS, such as eu-west-1", f.region)
	}
	if f.file == "" {
		return nil
	}
	document, err := os.ReadFile(f.file)
	if err != nil {
		return fmt.Errorf("--prices: %w", err)
	}
	if f.prices, err = estimate.ParsePrices(document, filepath.Base(f.file)); err != nil {
		return fmt.Errorf("--prices %s: %w", f.file, err)
	}
	return nil
}

func (f *costFlags) estimate(c *comparison, plan *finder.Plan) *estimate.Estimate {
	fleet := estimate.Fleet{Region: f.region, MaxWorkers: f.maxCapacity, Instance: f.instance}
	if !f.given && (c.job.Source.Provider == job.AmazonS3 || c.job.Destination.Provider == job.AmazonS3) {
		fleet.MaxWorkers = defaultCapacity
	}
	return estimate.Of(estimate.Input{
		Job: c.job, Totals: c.totals, Work: plan.Work(), Shared: c.shared,
		SourceRegion: c.sourceRegion, DestinationRegion: c.destinationRegion, Fleet: fleet, Prices: f.prices,
	})
}
