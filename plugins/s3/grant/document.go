package grant

import "slices"

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
