package estimate_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/job"
)

// TestBuiltinTable: every row has a unit, a page and a currency, and tiers that make sense.
func TestBuiltinTable(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, estimate.AsOf); err != nil {
		t.Error(err)
	}
	table := estimate.Builtin()
	seen := map[estimate.Price]bool{}
	for _, r := range table.Rows() {
		if _, known := estimate.UnitOf(r.ID); !known {
			t.Errorf("%s has no unit", r.ID)
		}
		if u, err := url.Parse(r.Source); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: source %q is no page", r.ID, r.Source)
		}
		if !regexp.MustCompile(`^(USD|CNY)$`).MatchString(r.Currency) || r.Price <= 0 || r.Price > 100 {
			t.Errorf("%+v", r)
		}
		key := estimate.Price{ID: r.ID, Region: r.Region, From: r.From}
		if seen[key] {
			t.Errorf("%s is there twice", r.ID)
		}
		seen[key] = true
		tiers := table.Find(r.ID, r.Region)
		if tiers[0].From != 0 {
			t.Errorf("%s begins at %v", r.ID, tiers[0].From)
		}
		for i := 1; i < len(tiers); i++ {
			if tiers[i].Price >= tiers[i-1].Price || tiers[i].From <= tiers[i-1].From {
				t.Errorf("%s: tier %d is not cheaper than the one before", r.ID, i)
			}
		}
	}
	for _, p := range estimate.Unpriced() {
		if got := table.Find("Amazon_S3.list", p.Prefix+"somewhere-1"); got != nil {
			t.Errorf("%s has prices: %v", p.Prefix, got)
		}
	}
}

func TestOwnPrices(t *testing.T) {
	const document = `
asOf: 2026-10-31
prices:
  - {id: Amazon_S3.egress.internet, price: 0.1, source: contract}
  - {id: Amazon_S3.egress.internet, price: 0.05, from: 100, unit: GB}
  - {id: Amazon_S3.list, region: cn-north-1, price: 0.036, currency: CNY}
  - {id: S3_Compatible.get, price: 0.001, currency: EUR}
  - {id: EC2.x9.huge, price: 3}
`
	p, err := estimate.ParsePrices([]byte(document), "mine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	i := input(job.AmazonS3, job.S3Compatible, 300, 1<<30)
	i.Prices, i.SourceRegion, i.Fleet.Region, i.Fleet.Instance = p, "cn-north-1", "cn-north-1", "x9.huge"
	e := estimate.Of(i)
	for name, want := range map[string]string{
		"source: list": "CNY", "traffic: workers to destination": "USD", "workers": "USD",
	} {
		if line := itemOf(t, e.Items, name); line.Amount == nil || line.Currency != want {
			t.Errorf("%+v", line)
		}
	}
	// 100 GB at 0.10 and 200 at 0.05.
	if line := itemOf(t, e.Items, "traffic: workers to destination"); !near(line.Amount.High, 20) {
		t.Errorf("%+v", line)
	}
	if line := itemOf(t, e.Items, "source: get and head"); line.Amount != nil {
		t.Errorf("a price that the table does not have in China: %+v", line)
	}
	if e.Prices.Table != "mine.yaml" || e.Prices.AsOf != "2026-10-31" || len(e.Totals) != 2 || e.Totals[0].Currency != "USD" {
		t.Errorf("%+v, %+v", e.Prices, e.Totals)
	}
	i.SourceRegion = "us-east-1"
	if line := itemOf(t, estimate.Of(i).Items, "source: list"); line.Currency != "USD" || line.Amount == nil {
		t.Errorf("a price of China replaced that of another region: %+v", line)
	}
	j := `{"asOf": "2026-10-31", "prices": [{"id": "S3_Compatible.get", "price": 1e-3}]}`
	if _, err := estimate.ParsePrices([]byte(j), "mine.json"); err != nil {
		t.Error(err)
	}
}

func TestOwnPricesRefused(t *testing.T) {
	row := func(s string) string { return "asOf: 2026-10-31\nprices:\n  - {id: SQS.requests, price: 1}\n  - " + s }
	for name, c := range map[string]struct {
		document string
		says     []string
	}{
		"empty":            {"", []string{"one object with asOf and prices"}},
		"a list":           {"- 1", []string{"one object"}},
		"two documents":    {"asOf: 2026-10-31\n---\nprices: []", []string{"one object"}},
		"no YAML":          {"{", []string{"neither YAML nor JSON"}},
		"no date":          {"prices: [{id: SQS.requests, price: 1}]", []string{"asOf", "nothing", "2026-11-01"}},
		"wrong date":       {"asOf: yesterday\nprices: [{id: SQS.requests, price: 1}]", []string{"asOf", `"yesterday"`}},
		"no rows":          {"asOf: 2026-10-31\nprices: []", []string{"prices", "1 to 500"}},
		"a strange field":  {"asOf: 2026-10-31\nprice: []", []string{`"price"`, "no such field"}},
		"an alias":         {"asOf: &a 2026-10-31\nprices: [*a]", []string{"anchors"}},
		"no object":        {row("12"), []string{"row 2", "object"}},
		"no such id":       {row("{id: SQS.request, price: 1}"), []string{"row 2", "id", `"SQS.request"`, "SQS.requests"}},
		"no price":         {row("{id: SQS.requests}"), []string{"row 2", "price", "nothing", "0 to 1000000"}},
		"text for a price": {row("{id: SQS.requests, price: cheap}"), []string{"row 2", "price", `"cheap"`}},
		"less than none":   {row("{id: SQS.requests, price: -1}"), []string{"row 2", "price", "-1"}},
		"no number":        {row("{id: SQS.requests, price: .nan}"), []string{"row 2", "price"}},
		"endless":          {row("{id: SQS.requests, price: .inf}"), []string{"row 2", "price"}},
		"unknown field":    {row("{id: SQS.requests, price: 1, per: 1000}"), []string{"row 2", "per", "no such field"}},
		"another unit":     {row("{id: SQS.requests, price: 1, unit: request}"), []string{"row 2", "unit", `"request"`, "million requests"}},
		"no region":        {row("{id: SQS.requests, price: 1, region: Ireland}"), []string{"row 2", "region", `"Ireland"`, "eu-west-1"}},
		"region of others": {row("{id: Google_GCS.get, price: 1, region: eu-west-1}"), []string{"row 2", "region", "no region"}},
		"currency":         {row("{id: SQS.requests, price: 1, currency: $}"), []string{"row 2", "currency", `"$"`, "USD"}},
		"twice":            {row("{id: SQS.requests, price: 2}"), []string{"row 2", "from", "same quantity"}},
		"two currencies":   {row("{id: SQS.requests, price: 2, from: 5, currency: EUR}"), []string{"row 2", "currency", "one currency"}},
		"no first tier":    {row("{id: KMS.key, price: 2, from: 5}"), []string{"row 2", "from", "begin at 0"}},
		"large":            {"#" + strings.Repeat("x", 1<<20), []string{"bytes", "65536"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := estimate.ParsePrices([]byte(c.document), "x")
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the message does not say %q: %v", s, err)
				}
			}
		})
	}
}

func FuzzParsePrices(f *testing.F) {
	f.Add([]byte("asOf: 2026-10-31\nprices:\n  - {id: SQS.requests, region: eu-west-1, price: 0.4, currency: USD, unit: million requests, from: 0, source: x}\n"))
	f.Add([]byte(`{"asOf":"2026-10-31","prices":[{"id":"EC2.c7g.large","price":0},{"id":"EC2.c7g.large","price":1e-9,"from":3}]}`))
	f.Add([]byte("asOf: &a 2026-10-31\nprices: [*a]"))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := estimate.ParsePrices(document, "fuzzed")
		if err != nil {
			if len(err.Error()) > 100*len(document)+2000 {
				t.Errorf("a message of %d bytes about %d", len(err.Error()), len(document))
			}
			return
		}
		i := input(job.AmazonS3, job.S3Compatible, 10, 1<<20)
		i.Prices = p
		for _, line := range estimate.Of(i).Items {
			if line.Amount != nil && !(line.Amount.Low >= 0 && line.Amount.Low <= line.Amount.High) {
				t.Errorf("%+v", line)
			}
		}
	})
}
