package endpoint

import (
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/units"
)

// Markdown returns the provider table: a column a provider, a row a capability, and below it the source of every cell.
func Markdown() string {
	rows := table()
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range rows {
		fmt.Fprintf(&b, " %s |", c.Provider)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(rows)) + "\n")
	for _, f := range facts() {
		fmt.Fprintf(&b, "| %s |", f.name)
		for i := range rows {
			text, _ := f.cell(&rows[i])
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## Where each cell comes from\n")
	for i := range rows {
		fmt.Fprintf(&b, "\n**%s**\n\n", rows[i].Provider)
		for _, f := range facts() {
			_, source := f.cell(&rows[i])
			fmt.Fprintf(&b, "- %s: %s\n", f.name, source)
		}
	}
	return b.String()
}

// named is one row of the table.
type named struct {
	name string
	cell func(c *Capabilities) (text, source string)
}

func show[T any](f Fact[T]) (string, string) { return fmt.Sprint(f.Value), f.Source }

func facts() []named {
	return []named{
		{"list version", func(c *Capabilities) (string, string) { return show(c.ListVersion) }},
		{"listing can begin after a key", func(c *Capabilities) (string, string) { return yes(c.StartAfter) }},
		{"keys can be listed percent-encoded", func(c *Capabilities) (string, string) { return yes(c.URLEncoding) }},
		{"lists in byte order of UTF-8", func(c *Capabilities) (string, string) { return yes(c.ListsUTF8Order) }},
		{"If-Match on reads", func(c *Capabilities) (string, string) { return yes(c.ReadIfMatch) }},
		{"preconditions on writes", func(c *Capabilities) (string, string) { return show(c.WriteIf) }},
		{"addressing", func(c *Capabilities) (string, string) { return show(c.Addressing) }},
		{"checksums", func(c *Capabilities) (string, string) { return show(c.Checksums) }},
		{"ETag of a single PUT is an MD5", func(c *Capabilities) (string, string) { return yes(c.ETagIsMD5) }},
		{"largest object", func(c *Capabilities) (string, string) {
			return units.FormatSize(c.LargestObject.Value), c.LargestObject.Source
		}},
		{"parts", func(c *Capabilities) (string, string) { return show(c.MaxParts) }},
		{"largest single PUT", func(c *Capabilities) (string, string) {
			return units.FormatSize(c.LargestPut.Value), c.LargestPut.Source
		}},
		{"storage classes to write", func(c *Capabilities) (string, string) { return names(c.StorageClasses) }},
		{"classes that need a restore", func(c *Capabilities) (string, string) { return names(c.ArchivedClasses) }},
		{"canned ACLs", func(c *Capabilities) (string, string) { return yes(c.ACLs) }},
		{"tags", func(c *Capabilities) (string, string) { return yes(c.Tags) }},
		{"reads tell the number of tags", func(c *Capabilities) (string, string) { return yes(c.TagCount) }},
		{"host", func(c *Capabilities) (string, string) {
			if c.Host.Value == "" {
				return "", c.Host.Source
			}
			return "`" + strings.ReplaceAll(c.Host.Value, "%s", "REGION") + "`", c.Host.Source
		}},
	}
}

func names(f Fact[[]string]) (string, string) { return strings.Join(f.Value, ", "), f.Source }

func yes(f Fact[bool]) (string, string) {
	if f.Value {
		return "yes", f.Source
	}
	return "no", f.Source
}
