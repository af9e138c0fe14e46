package estimate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/job"
)

// Item is one line of a bill.
type Item struct {
	Item string `json:"item"`
	// Price is the ID of the price; a table of one's own may name it.
	Price    string `json:"price"`
	Quantity Range  `json:"quantity"` // in Unit
	Unit     string `json:"unit"`
	// UnitPrice is the average over the tiers; nil, like Amount, where the price is not known.
	UnitPrice *float64 `json:"unitPrice"`
	Currency  string   `json:"currency,omitempty"`
	Amount    *Range   `json:"amount"`
	Note      string   `json:"note,omitempty"`

	// What the line was made of.
	region, remark string
	things         Range
}

// Total adds up the items of one currency.
type Total struct {
	Currency string `json:"currency"`
	Amount   Range  `json:"amount"`
}

// Unknown returns how many of the items have no known price.
func Unknown(items []Item) (n int) {
	for _, i := range items {
		if i.Amount == nil {
			n++
		}
	}
	return n
}

func totals(items []Item) []Total {
	sums := map[string]Range{}
	for _, i := range items {
		if i.Amount != nil {
			sums[i.Currency] = sums[i.Currency].plus(*i.Amount)
		}
	}
	out := []Total{}
	for _, c := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, Total{c, sums[c]})
	}
	slices.SortStableFunc(out, func(a, b Total) int { return cmp.Compare(btoi(b.Currency == dollar), btoi(a.Currency == dollar)) })
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Basis says what the amounts are reckoned with.
type Basis struct {
	Table string `json:"table"`
	AsOf  string `json:"asOf"`
	// Builtin is the date of the built-in table, which has what Table does not.
	Builtin string `json:"builtin"`
	// Used is how many IDs the amounts come from; Unconfirmed are those of which a figure was not read on the page that it names.
	Used        int      `json:"used"`
	Unconfirmed []string `json:"unconfirmed"`
	// StandIns are the regions that the prices of DefaultRegion stand in for.
	StandIns []string `json:"standIns"`
	// Pages are where the prices can be checked.
	Pages []string `json:"pages"`
}

// bill gathers items.
type bill struct {
	in     *Input
	prices *Prices
	items  []Item

	used, unconfirmed, standIns, pages map[string]bool
}

// add writes an item of so many things (calls, bytes, hours) unless there are none.
func (b *bill) add(item, id, region string, things Range, note string) {
	if things.High <= 0 {
		return
	}
	u, known := UnitOf(id)
	if !known {
		u = Unit{"", 1} // a storage class that this program does not know
	}
	line := Item{
		Item: item, Price: id, Quantity: things.times(1 / u.Scale), Unit: u.Name, Note: note, region: region, remark: note, things: things,
	}
	tiers := b.prices.Find(id, region)
	if len(tiers) == 0 {
		var why string
		line.Currency, why = b.missing(id, region)
		line.Note = joined(why, note)
		b.items = append(b.items, line)
		return
	}
	amount := Range{cost(tiers, line.Quantity.Low), cost(tiers, line.Quantity.High)}
	average := amount.High / line.Quantity.High
	line.Amount, line.UnitPrice, line.Currency = &amount, &average, tiers[0].Currency
	b.note(tiers, region)
	b.items = append(b.items, line)
}

// missing says why a price is not known, and in which currency it would be.
func (b *bill) missing(id, region string) (currency, why string) {
	if p, unpriced := unpricedOf(region); unpriced {
		b.mark(&b.pages, p.Source)
		return p.Currency, "unknown: the table has no prices of " + region + ", which are in " + p.Currency
	}
	switch {
	case strings.HasPrefix(id, string(job.S3Compatible)+"."):
		return "", "unknown (own store)"
	case id == ownLine:
		return "", "unknown (own line)"
	case strings.HasSuffix(id, "."+job.StorageClassSource):
		return "", "unknown: depends on the class that each object has"
	}
	return "", "unknown: not in the table"
}

func (b *bill) mark(set *map[string]bool, name string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[name] = true
}

// note remembers what an amount came from.
func (b *bill) note(tiers []Price, region string) {
	for _, t := range tiers {
		b.mark(&b.used, t.ID)
		if !t.Confirmed {
			b.mark(&b.unconfirmed, t.ID)
		}
		if t.Source != "" {
			b.mark(&b.pages, t.Source)
		}
		if t.Region != "" && t.Region != region {
			b.mark(&b.standIns, region)
		}
	}
}

func (b *bill) basis() Basis {
	names := func(set map[string]bool) []string { return append([]string{}, slices.Sorted(maps.Keys(set))...) }
	return Basis{
		Table: b.prices.name, AsOf: b.prices.asOf, Builtin: AsOf, Used: len(b.used),
		Unconfirmed: names(b.unconfirmed), StandIns: names(b.standIns), Pages: names(b.pages),
	}
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

func calls(n ...int64) Range {
	var sum int64
	for _, v := range n {
		sum += v
	}
	return exactly(float64(sum))
}
