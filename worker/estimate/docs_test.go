package estimate_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/run"
)

// TestPageIsComputed keeps the tables of the page equal to what the program says.
func TestPageIsComputed(t *testing.T) {
	const file = "../../docs/guide/costs.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(page)
	for name, text := range map[string]string{
		"example": fence(estimate.Of(example()).Text()), "ways": ways(), "idle": month(0), "busy": month(13_700),
		"assumptions": assumptions(), "machines": machines(), "date": "As known on " + estimate.AsOf + ".\n",
		"unpriced": unpriced(), "prices": prices(),
	} {
		block := regexp.MustCompile(`(?s)(<!-- begin: ` + name + ` -->\n).*?(<!-- end: ` + name + ` -->\n)`)
		if len(block.FindAllString(got, -1)) != 1 {
			t.Errorf("%s has no place for %s", file, name)
		}
		got = block.ReplaceAllStringFunc(got, func(old string) string {
			m := block.FindStringSubmatch(old)
			return m[1] + "\n" + text + "\n" + m[2]
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != string(page) {
		t.Errorf("%s is not what the program says; go test ./worker/estimate -update writes it", file)
	}
}

// example is the transfer of the page.
func example() estimate.Input {
	i := input(job.AmazonS3, job.AmazonS3, 100e6, 100<<10)
	i.Work.AddMany(4, 5e12, estimate.Rules{})
	i.SourceRegion, i.DestinationRegion = "us-east-1", "eu-west-1"
	i.Job.Write.StorageClass = "INTELLIGENT_TIERING"
	i.Totals = run.FinderTotals{ListedSource: 100e6 + 4, ListCalls: 130_001, Decisions: map[string]run.Tally{"new": {Objects: 100e6 + 4}}}
	return i
}

func fence(text string) string { return "```\n" + text + "```\n" }

func ways() string {
	var b strings.Builder
	b.WriteString("| | duration | once | each month |\n|---|---|---:|---:|\n")
	for _, w := range []struct {
		name   string
		change func(*estimate.Input)
	}{
		{"as above", func(*estimate.Input) {}},
		{"with up to 100 workers", func(i *estimate.Input) { i.Fleet.MaxWorkers = 100 }},
		{"with workers of c7gn.large", func(i *estimate.Input) { i.Fleet.Instance = "c7gn.large" }},
		{"within one region", func(i *estimate.Input) { i.SourceRegion = i.DestinationRegion }},
		{"server-side", func(i *estimate.Input) { i.Job.Mode = job.ModeServerSide }},
		{"into STANDARD", func(i *estimate.Input) { i.Job.Write.StorageClass = "STANDARD" }},
		{"into STANDARD_IA", func(i *estimate.Input) { i.Job.Write.StorageClass = "STANDARD_IA" }},
		{"into GLACIER_IR", func(i *estimate.Input) { i.Job.Write.StorageClass = "GLACIER_IR" }},
		{"into DEEP_ARCHIVE", func(i *estimate.Input) { i.Job.Write.StorageClass = "DEEP_ARCHIVE" }},
		{"from Google GCS", func(i *estimate.Input) { i.Job.Source.Provider = job.GoogleGCS }},
		{"from Alibaba Cloud OSS, mainland China", func(i *estimate.Input) { i.Job.Source.Provider = job.AliyunOSS }},
		{"from a store of one's own", func(i *estimate.Input) { i.Job.Source.Provider = job.S3Compatible }},
		{"by one machine that is no instance", func(i *estimate.Input) { i.Fleet.MaxWorkers = 0 }},
	} {
		i := example()
		w.change(&i)
		e := estimate.Of(i)
		took, _, _ := strings.Cut(e.Duration.Text(), " (") // without what limits it
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", w.name, took, estimate.Sum(e.Items, e.Totals), estimate.Sum(e.Monthly, e.MonthlyTotals))
	}
	return b.String()
}

// month is a month of passes that find so many new objects of 1 MiB each.
func month(found int64) string {
	const listed = 1_000_000
	i := input(job.AmazonS3, job.AmazonS3, found, 1<<20)
	i.Totals.ListedSource, i.Totals.ListedDestination, i.Totals.ListCalls = listed, listed, 2_600
	m := estimate.MonthOf(i, estimate.PassesAMonth)
	return fence(estimate.Table(m.Items, m.Totals))
}

func assumptions() string {
	var b strings.Builder
	b.WriteString("| what | value | where from |\n|---|---|---|\n")
	for _, s := range estimate.Sources() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Name, s.Value, s.From)
	}
	return b.String()
}

func machines() string {
	var b strings.Builder
	b.WriteString("| type | Gbit/s, each way |\n|---|---:|\n")
	for _, m := range estimate.Machines() {
		fmt.Fprintf(&b, "| %s | %v |\n", m.Type, m.Baseline*8/1e9)
	}
	return b.String()
}

func unpriced() string {
	var b strings.Builder
	b.WriteString("| regions | currency | where to look |\n|---|---|---|\n")
	for _, p := range estimate.Unpriced() {
		fmt.Fprintf(&b, "| %s... | %s, unknown | %s |\n", p.Prefix, p.Currency, p.Source)
	}
	return b.String()
}

func prices() string {
	var b strings.Builder
	b.WriteString("| id | price | unit | from | region | confirmed | page |\n|---|---:|---|---:|---|---|---|\n")
	for _, p := range estimate.Builtin().Rows() {
		u, _ := estimate.UnitOf(p.ID)
		confirmed, from := "no", ""
		if p.Confirmed {
			confirmed = "yes"
		}
		if p.From > 0 {
			from = fmt.Sprintf("%.0f", p.From)
		}
		fmt.Fprintf(&b, "| %s | %s %v | %s | %s | %s | %s | %s |\n", p.ID, p.Currency, p.Price, u.Name, from, p.Region, confirmed, p.Source)
	}
	return b.String()
}
