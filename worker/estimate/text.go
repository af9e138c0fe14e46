package estimate

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/datatransferhub/dth/worker/units"
)

// Text returns the estimate as people read it, in lines.
func (e *Estimate) Text() string {
	var b strings.Builder
	who := "on this machine"
	if e.Fleet.MaxWorkers > 0 {
		who = fmt.Sprintf("by a stack in %s with up to %d workers of %s", e.Fleet.Region, e.Fleet.MaxWorkers, e.Fleet.Instance)
	}
	fmt.Fprintf(&b, "estimate of a copy %s\n", who)
	way := ""
	if e.ServerSide {
		way = ", server-side where the destination may read the source"
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-13s"+format+"\n", append([]any{name}, args...)...)
	}
	s, d, q, t := &e.Requests.Source, &e.Requests.Destination, &e.Requests.Queue, &e.Requests.Tables
	row("bytes", "%s%s", units.FormatSize(e.Bytes), way)
	row("source", "%s", list("list", s.List, "head", s.Head, "get", s.Get, "tags", s.Tags))
	row("destination", "%s", list("list", d.List, "put", d.Put, "create", d.Create, "part", d.Part, "complete", d.Complete,
		"copy", d.Copy, "copy part", d.CopyPart, "delete", d.Delete))
	if e.Fleet.MaxWorkers > 0 {
		row("queue", "%s", list("send", q.Send, "receive", q.Receive, "delete", q.Delete))
		row("tables", "%s", list("writes", t.Writes, "write units", t.WriteUnits, "read units", t.ReadUnits))
	}
	row("duration", "%s", e.Duration.Text())
	b.WriteString("\n" + Table(e.Items, e.Totals))
	if len(e.Monthly) > 0 {
		b.WriteString("\neach month from then on\n" + Table(e.Monthly, e.MonthlyTotals))
	}
	b.WriteString("\nnot included\n")
	for _, n := range e.NotIncluded {
		fmt.Fprintf(&b, "  - %s\n", n)
	}
	b.WriteString("\n" + e.Prices.Text())
	return b.String()
}

// list prints counts with their names, and leaves out what does not occur.
func list(pairs ...any) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if n := pairs[i+1].(int64); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", grouped(float64(n), 0), pairs[i]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// seconds prints a time in the unit that suits it.
func seconds(s float64) string {
	switch {
	case s < 1:
		return "1 s"
	case s < 99.5:
		return fmt.Sprintf("%.0f s", s)
	case s < 5400:
		return fmt.Sprintf("%.0f min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1f h", s/3600)
	}
	return fmt.Sprintf("%.1f days", s/86400)
}

func interval(low, high string) string {
	if low == high {
		return low
	}
	return low + " to " + high
}

// Table returns items and their totals in columns.
func Table(items []Item, totals []Total) string {
	rows := [][]string{{"item", "quantity", "unit", "unit price", "amount", ""}}
	for _, i := range items {
		price, amount := "?", "?"
		if i.UnitPrice != nil {
			price, amount = significant(*i.UnitPrice), i.Currency+" "+money(*i.Amount)
		}
		rows = append(rows, []string{i.Item, interval(amountOf(i.Quantity.Low), amountOf(i.Quantity.High)), i.Unit, price, amount, i.Note})
	}
	for _, t := range totals {
		note := ""
		if n := Unknown(items); n > 0 {
			note = fmt.Sprintf("without %d of unknown price", n)
		}
		rows = append(rows, []string{"total", "", "", "", t.Currency + " " + money(t.Amount), note})
	}
	if len(totals) == 0 {
		rows = append(rows, []string{"total", "", "", "", "?", "unknown: no item has a known price"})
	}
	return columns(rows)
}

// Sum returns the totals of items in one line, with a word on what is not in them.
func Sum(items []Item, totals []Total) string {
	parts := make([]string, 0, len(totals))
	for _, t := range totals {
		parts = append(parts, t.Currency+" "+money(t.Amount))
	}
	switch n := Unknown(items); {
	case len(items) == 0:
		return "nothing"
	case len(parts) == 0:
		return "unknown"
	case n > 0:
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	return strings.Join(parts, " and ")
}

// columns aligns rows; numbers stand at the right of their columns.
func columns(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := fmt.Sprintf("%-*s  %*s  %-*s  %*s  %*s  %s", width[0], r[0], width[1], r[1], width[2], r[2], width[3], r[3], width[4], r[4], r[5])
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// Text says what the amounts are reckoned with, and where to check.
func (p *Basis) Text() string {
	var b strings.Builder
	table := "the built-in table of " + p.Builtin
	if p.Table != builtin {
		table = fmt.Sprintf("%s of %s, and else %s", p.Table, p.AsOf, table)
	}
	if p.Used == 0 {
		return "There is a price for none of this in " + table + ".\n"
	}
	fmt.Fprintf(&b, "Prices are estimates from %s; a GB has 2^30 bytes.\n", table)
	if n := len(p.Unconfirmed); n > 0 {
		fmt.Fprintf(&b, "%d of %d kinds of price were not confirmed against the page that is named.\n", n, p.Used)
	}
	if len(p.StandIns) > 0 {
		fmt.Fprintf(&b, "Prices of %s stand in for %s.\n", DefaultRegion, strings.Join(p.StandIns, ", "))
	}
	if len(p.Pages) > 0 {
		fmt.Fprintf(&b, "Check:\n  %s\n", strings.Join(p.Pages, "\n  "))
	}
	return b.String()
}

// money prints an amount to the cent.
func money(r Range) string { return interval(cents(r.Low), cents(r.High)) }

func cents(v float64) string {
	if v > 0 && v < 0.01 {
		return "<0.01"
	}
	return grouped(v, 2)
}

// amountOf prints a quantity with about four digits.
func amountOf(v float64) string {
	switch {
	case v == math.Trunc(v) || v >= 1000:
		return grouped(v, 0)
	case v >= 1:
		return grouped(v, 2)
	case v > 0 && v < 0.001:
		return "<0.001"
	}
	return significant(v)
}

// significant prints three digits that matter.
func significant(v float64) string {
	if v >= 1000 {
		return grouped(v, 0)
	}
	digits := 2
	if v > 0 && v < 1 {
		digits = min(12, 2-int(math.Floor(math.Log10(v))))
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// grouped prints a number with commas between thousands.
func grouped(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	number, fraction, dotted := strings.Cut(s, ".")
	for i := len(number) - 3; i > 0 && number[i-1] != '-'; i -= 3 {
		number = number[:i] + "," + number[i:]
	}
	if dotted {
		number += "." + fraction
	}
	return number
}
