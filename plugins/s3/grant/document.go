package grant

import (
	"slices"
	"strings"
)

// Document is an IAM policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy. Fields are in the order in which policies are usually written.
type Statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                       `json:",omitempty"`
	Condition map[string]map[string][]string `json:",omitempty"` // operator, key, values
}

func document(statements ...Statement) *Document {
	d := &Document{Version: "2012-10-17"}
	for _, s := range statements {
		if len(s.Action) > 0 {
			s.Effect = "Allow"
			d.Statement = append(d.Statement, s)
		}
	}
	return d
}

// Actions returns every action that the document allows, sorted.
func (d *Document) Actions() []string {
	var all []string
	for _, s := range d.Statement {
		all = append(all, s.Action...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// literal writes the beginning of a key as IAM's patterns want it. Characters with a meaning are escaped as policy
// variables; at the first character that policies cannot hold, the pattern ends: it then allows a little more.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func literal(prefix string) string {
	var b strings.Builder
	for _, r := range prefix {
		switch {
		case r == '*' || r == '?' || r == '$':
			b.WriteString("${" + string(r) + "}")
		case r < 0x20 || r > 0x7e:
			return b.String()
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
