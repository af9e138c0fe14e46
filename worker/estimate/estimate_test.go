package estimate_test

import (
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/run"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/guide/costs.md")

// input is a transfer of n objects of one size between two ends, by a stack of 20.
func input(source, destination job.Provider, n, size int64) estimate.Input {
	j := job.Defaults()
	j.Source.Provider, j.Destination.Provider = source, destination
	j.Mode = job.ModeStream
	in := estimate.Input{Job: &j, Fleet: estimate.Fleet{MaxWorkers: 20}}
	in.Work.AddMany(n, size, estimate.RulesOf(&j))
	in.Totals = run.FinderTotals{ListedSource: n, ListCalls: n/1000 + 2, Decisions: map[string]run.Tally{"new": {Objects: n, Bytes: n * size}}}
	return in
}

func itemOf(t *testing.T, items []estimate.Item, name string) estimate.Item {
	t.Helper()
	i := slices.IndexFunc(items, func(i estimate.Item) bool { return i.Item == name })
	if i < 0 {
		t.Fatalf("no item %q in\n%s", name, estimate.Table(items, nil))
	}
	return items[i]
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// TestWhoBillsTheTraffic: whoever the bytes leave, and only then.
func TestWhoBillsTheTraffic(t *testing.T) {
	const in, out = "traffic: source to workers", "traffic: workers to destination"
	const gigabytes = 1000
	for name, c := range map[string]struct {
		source, destination job.Provider
		regions             [3]string // source, destination, stack
		workers             int
		want                map[string]string // item to currency and amount; "?" is unknown
	}{
		"within a region":     {job.AmazonS3, job.AmazonS3, [3]string{"us-east-1", "us-east-1"}, 20, nil},
		"to another region":   {job.AmazonS3, job.AmazonS3, [3]string{"us-east-1", "eu-west-1"}, 20, map[string]string{in: "USD 20"}},
		"pushed":              {job.AmazonS3, job.AmazonS3, [3]string{"us-east-1", "eu-west-1", "us-east-1"}, 20, map[string]string{out: "USD 20"}},
		"by a third region":   {job.AmazonS3, job.AmazonS3, [3]string{"us-east-1", "eu-west-1", "us-west-2"}, 20, map[string]string{in: "USD 20", out: "USD 20"}},
		"out of China":        {job.AmazonS3, job.AmazonS3, [3]string{"cn-north-1", "us-east-1"}, 20, map[string]string{in: "CNY ?"}},
		"into China":          {job.AmazonS3, job.AmazonS3, [3]string{"us-east-1", "cn-north-1"}, 20, map[string]string{in: "USD 90"}},
		"from Google":         {job.GoogleGCS, job.AmazonS3, [3]string{}, 20, map[string]string{in: "USD 120"}},
		"from Alibaba":        {job.AliyunOSS, job.AmazonS3, [3]string{}, 20, map[string]string{in: "CNY 500"}},
		"to one's own store":  {job.AmazonS3, job.S3Compatible, [3]string{}, 20, map[string]string{out: "USD 90"}},
		"from one's own":      {job.S3Compatible, job.AmazonS3, [3]string{}, 20, map[string]string{in: " ?"}},
		"by a desk":           {job.AmazonS3, job.AmazonS3, [3]string{}, 0, map[string]string{in: "USD 90", out: " ?"}},
		"between own, a desk": {job.S3Compatible, job.S3Compatible, [3]string{}, 0, map[string]string{in: " ?", out: " ?"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := input(c.source, c.destination, gigabytes, 1<<30)
			i.SourceRegion, i.DestinationRegion = c.regions[0], c.regions[1]
			i.Fleet = estimate.Fleet{MaxWorkers: c.workers, Region: c.regions[2]}
			got := map[string]string{}
			for _, line := range estimate.Of(i).Items {
				if strings.HasPrefix(line.Item, "traffic") {
					line.Item = strings.Replace(line.Item, "this machine", "workers", 1)
					got[line.Item] = line.Currency + " ?"
					if line.Amount != nil {
						got[line.Item] = line.Currency + " " + strings.TrimSuffix(format(line.Amount.High), ".00")
					}
				}
			}
			for _, item := range []string{in, out} {
				if got[item] != c.want[item] {
					t.Errorf("%s: %q, want %q", item, got[item], c.want[item])
				}
			}
		})
	}
}

func format(v float64) string {
	text := estimate.Table([]estimate.Item{{Item: "x", Quantity: estimate.Range{Low: v, High: v}}}, nil)
	return strings.Fields(strings.Split(text, "\n")[1])[1]
}

// TestOwnStoresAreUnknown: no amount, and no total that could be taken for the whole.
func TestOwnStoresAreUnknown(t *testing.T) {
	i := input(job.S3Compatible, job.S3Compatible, 1000, 1<<20)
	i.Fleet.MaxWorkers = 0
	e := estimate.Of(i)
	for _, line := range append(e.Items, e.Monthly...) {
		if line.Amount != nil || line.UnitPrice != nil || !strings.Contains(line.Note, "unknown (own") {
			t.Errorf("%+v", line)
		}
	}
	if len(e.Items) == 0 || len(e.Totals) != 0 || !strings.Contains(e.Text(), "unknown (own store)") || strings.Contains(e.Text(), "USD") {
		t.Errorf("%s", e.Text())
	}
	i.Fleet.MaxWorkers = 5
	if e = estimate.Of(i); len(e.Totals) != 1 || !strings.Contains(e.Text(), "without 5 of unknown price") {
		t.Errorf("%s", e.Text())
	}
}

// TestClasses: what a class bills beside the bytes themselves.
func TestClasses(t *testing.T) {
	const n, size = 1000, 100 << 10
	const gib = float64(1 << 30)
	for class, want := range map[string]map[string]float64{
		"":             {"destination: put, STANDARD": 1.0 * 0.005, "storage, STANDARD": n * size / gib * 0.023},
		"STANDARD_IA":  {"destination: put, STANDARD_IA": 1.0 * 0.01, "storage, STANDARD_IA": n * (128 << 10) / gib * 0.0125},
		"GLACIER_IR":   {"destination: put, GLACIER_IR": 1.0 * 0.02, "storage, GLACIER_IR": n * (128 << 10) / gib * 0.004},
		"DEEP_ARCHIVE": {"destination: put, DEEP_ARCHIVE": 1.0 * 0.05, "storage, DEEP_ARCHIVE": n * (size + 32<<10) / gib * 0.00099, "storage: names of archived objects": n * (8 << 10) / gib * 0.023},
	} {
		i := input(job.AmazonS3, job.AmazonS3, n, size)
		i.Job.Write.StorageClass = class
		e := estimate.Of(i)
		for name, amount := range want {
			line := itemOf(t, append(slices.Clone(e.Items), e.Monthly...), name)
			if line.Amount == nil || !near(line.Amount.High, amount) || !near(line.Amount.Low, amount) {
				t.Errorf("%s: %s costs %v, want %v", class, name, line.Amount, amount)
			}
		}
	}
	i := input(job.AmazonS3, job.AmazonS3, 10, 1<<20)
	i.Work.AddMany(5, 1000, estimate.Rules{})
	i.Job.Write.StorageClass = "INTELLIGENT_TIERING"
	if line := itemOf(t, estimate.Of(i).Monthly, "storage: monitoring"); !near(line.Quantity.High, 0.01) {
		t.Errorf("small objects are watched: %+v", line)
	}
	i.Job.Write.StorageClass = job.StorageClassSource
	if line := itemOf(t, estimate.Of(i).Items, "destination: put, SOURCE"); line.Amount != nil || !strings.Contains(line.Note, "unknown: depends on the class") {
		t.Errorf("%+v", line)
	}
	// An upload into an archive: its parts are billed as STANDARD.
	i = input(job.AmazonS3, job.AmazonS3, 1, 640<<20)
	i.Job.Write.StorageClass = "GLACIER"
	e := estimate.Of(i)
	if put, parts := itemOf(t, e.Items, "destination: put, GLACIER"), itemOf(t, e.Items, "destination: parts"); !near(put.Amount.High, 0.03/1000) || !near(parts.Amount.High, 11*0.005/1000) {
		t.Errorf("%v and %v", put.Amount, parts.Amount)
	}
}

func TestRegionsOfTheirOwn(t *testing.T) {
	i := input(job.AmazonS3, job.AmazonS3, 100, 1<<20)
	i.SourceRegion, i.DestinationRegion = "cn-north-1", "cn-northwest-1"
	e := estimate.Of(i)
	for _, line := range e.Items {
		if line.Amount != nil || line.Currency != "CNY" || !strings.Contains(line.Note, "unknown: the table has no prices of cn-") {
			t.Errorf("%+v", line)
		}
	}
	if e.Fleet.Region != "cn-northwest-1" || !slices.Contains(e.Prices.Pages, "https://www.amazonaws.cn/en/s3/pricing/") {
		t.Errorf("%+v", e.Prices)
	}
	i.SourceRegion, i.DestinationRegion = "eu-west-1", "us-east-1"
	if e = estimate.Of(i); !slices.Equal(e.Prices.StandIns, []string{"eu-west-1"}) || !strings.Contains(e.Text(), "Prices of us-east-1 stand in for eu-west-1") {
		t.Errorf("%+v", e.Prices)
	}
}

func TestWhatLimitsTheCopy(t *testing.T) {
	for name, c := range map[string]struct {
		n, size int64
		change  func(*estimate.Input)
		workers int
		limit   string
	}{
		"nothing":          {0, 0, func(*estimate.Input) {}, 0, "nothing to copy"},
		"few":              {201, 1000, func(*estimate.Input) {}, 1, "small objects: calls a second"},
		"many":             {1e8, 1000, func(*estimate.Input) {}, 20, "sure to take 3,500 a second"},
		"by five":          {1e6, 1000, func(i *estimate.Input) { i.Fleet.MaxWorkers = 5 }, 5, "small objects: calls a second"},
		"parts of a giant": {1, 5 * job.TiB, func(*estimate.Input) {}, 20, "baseline bandwidth of c7g.large"},
		"other regions": {1, 5 * job.TiB, func(i *estimate.Input) {
			i.Fleet.Instance, i.SourceRegion = "c7gn.large", "eu-west-1"
		}, 20, "other regions and the internet"},
		"a limit":     {1, 5 * job.TiB, func(i *estimate.Input) { i.Job.BytesPerSecond = job.MiB }, 20, "the bandwidth limit"},
		"a desk":      {1, 5 * job.TiB, func(i *estimate.Input) { i.Fleet.MaxWorkers = 0 }, 0, "the machine's bandwidth"},
		"server-side": {1, 5 * job.TiB, func(i *estimate.Input) { i.Job.Mode = job.ModeServerSide }, 1, "server-side copies"},
	} {
		t.Run(name, func(t *testing.T) {
			i := input(job.AmazonS3, job.AmazonS3, c.n, c.size)
			c.change(&i)
			d := estimate.Of(i).Duration
			if d.Workers.High != c.workers || !strings.Contains(d.Limit, c.limit) {
				t.Errorf("%d workers, limit %q", d.Workers, d.Limit)
			}
		})
	}
	// A limit of 1 MiB/s is what it takes, in the good case and in the bad one.
	i := input(job.AmazonS3, job.AmazonS3, 1, job.TiB)
	i.Job.BytesPerSecond = job.MiB
	if d := estimate.Of(i).Duration.Copy; d.Low != 1<<20 || d.High < 1<<20 || d.High > 1<<20+1 {
		t.Errorf("%+v", d)
	}
}

// TestEstimatesAreInOrder: no bound passes the other, nothing is negative, and more work never costs less.
func TestEstimatesAreInOrder(t *testing.T) {
	providers := endpoint.Providers()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1e9).Draw(t, "objects")
		size := rapid.Int64Range(0, 48*job.TiB/max(1, n/1000+1)).Draw(t, "size")
		i := input(job.Provider(rapid.SampledFrom(providers).Draw(t, "source")), job.Provider(rapid.SampledFrom([]string{"Amazon_S3", "S3_Compatible"}).Draw(t, "destination")), n, size)
		i.Fleet.MaxWorkers = rapid.IntRange(0, 1000).Draw(t, "workers")
		i.Fleet.Instance = rapid.SampledFrom([]string{"", "c7gn.large", "x9.huge"}).Draw(t, "instance")
		i.Job.Write.StorageClass = rapid.SampledFrom([]string{"", "GLACIER", "STANDARD_IA", "INTELLIGENT_TIERING", "SOURCE", "NEW"}).Draw(t, "class")
		i.Job.Mode = rapid.SampledFrom([]job.TransferMode{job.ModeStream, job.ModeServerSide}).Draw(t, "mode")
		less, more := estimate.Of(i), estimate.Of(double(i))
		for _, e := range []*estimate.Estimate{less, more} {
			d := e.Duration
			ranges := []estimate.Range{d.Seconds, d.Find, d.Copy, d.Prove, d.WorkerHours, d.FinderHours}
			for _, line := range append(slices.Clone(e.Items), e.Monthly...) {
				ranges = append(ranges, line.Quantity)
				if line.Amount != nil {
					ranges = append(ranges, *line.Amount)
				} else if !strings.HasPrefix(line.Note, "unknown") {
					t.Fatalf("an amount is missing without a word: %+v", line)
				}
			}
			for _, r := range ranges {
				if !(r.Low >= 0 && r.Low <= r.High) || math.IsInf(r.High, 0) {
					t.Fatalf("%+v in\n%s", r, e.Text())
				}
			}
		}
		for k, total := range less.Totals {
			if total.Amount.High > more.Totals[k].Amount.High {
				t.Fatalf("less work costs more:\n%s\n%s", less.Text(), more.Text())
			}
		}
	})
}

func double(i estimate.Input) estimate.Input {
	i.Work.Merge(i.Work)
	i.Totals.ListedSource *= 2
	i.Totals.ListCalls *= 2
	return i
}

// TestText keeps what is printed, to the letter.
func TestText(t *testing.T) {
	stack := input(job.AliyunOSS, job.AmazonS3, 2_500_000, 300<<10)
	stack.Work.AddMany(3, 20*job.GiB, estimate.Rules{})
	stack.DestinationRegion = "eu-west-1"
	stack.Job.Write.StorageClass = "INTELLIGENT_TIERING"
	stack.Job.IncludeTags = true
	desk := input(job.AmazonS3, job.S3Compatible, 1234, 5<<20)
	desk.Fleet.MaxWorkers = 0
	side := input(job.AmazonS3, job.AmazonS3, 1_000_000, 1<<20)
	side.Job.Mode, side.Shared = job.ModeAuto, true
	nothing := input(job.AmazonS3, job.AmazonS3, 0, 0)
	nothing.Totals = run.FinderTotals{ListedSource: 50_000, ListedDestination: 50_000, ListCalls: 120}
	for name, i := range map[string]estimate.Input{"stack": stack, "desk": desk, "server-side": side, "nothing": nothing} {
		golden(t, "testdata/"+name+".txt", estimate.Of(i).Text())
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what is printed (%v); go test ./worker/estimate -update writes it\n%s", file, err, got)
	}
}
