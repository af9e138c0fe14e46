package contract

import (
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/units"
)

// Markdown returns the contract as tables, one a group.
func (c *Contract) Markdown() string {
	var b strings.Builder
	group := ""
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if p.Group != group {
			group = p.Group
			fmt.Fprintf(&b, "\n## %s\n\n| parameter | default | allowed | meaning | on update |\n|---|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| `%s` <br> `--%s` | %s | %s | **%s.** %s | %s |\n",
			p.Name, p.Flag(), code(p.defaultText()), cell(p.allowedText()), cell(p.Label), cell(p.Help+p.whenText()), p.OnUpdate)
	}
	return strings.TrimLeft(b.String(), "\n")
}

func (p *Parameter) defaultText() string {
	if p.Required {
		return "required"
	}
	return p.Default
}

func (p *Parameter) allowedText() string {
	switch {
	case len(p.Allowed) > 0:
		return strings.Join(p.Allowed, ", ")
	case p.Rule != "":
		return p.Rule
	case p.Type == Size && p.Max > 0:
		return units.FormatSize(p.Min) + " .. " + units.FormatSize(p.Max)
	case (p.Type == Integer || p.Type == Percent) && p.Max > 0:
		return fmt.Sprintf("%d .. %d", p.Min, p.Max)
	case p.Type == Bool:
		return "true, false"
	}
	return string(p.Type)
}

func (p *Parameter) whenText() string {
	if len(p.When) == 0 {
		return ""
	}
	return " Applies when " + p.conditions() + "."
}

// cell makes text safe within a table: a pattern's stars and a name's angle brackets are no mark-up.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "*", "\\*", "<", "\\<").Replace(s)
}

func code(s string) string {
	if s == "" || s == "required" {
		return s
	}
	return "`" + strings.NewReplacer("|", "\\|", "\n", " ").Replace(s) + "`"
}
