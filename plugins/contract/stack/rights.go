package stack

import (
	"regexp"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/contract/right"
)

// Rights turns the policies of a plugin into statements of its template: circumstances into conditions, computed names into
// values. Names without a value are left to CloudFormation: resources and parameters.
type Rights struct {
	When   map[right.When]kit.Condition
	Values map[string]*string
}

// name finds the names in a text of a policy.
var name = regexp.MustCompile(`\$\{([^}]+)\}`)

// Of returns statements for a role.
func (r Rights) Of(statements []right.Statement) []kit.Statement {
	out := make([]kit.Statement, len(statements))
	for i, st := range statements {
		out[i] = kit.Statement{Sid: st.Sid, Actions: st.Actions}
		for _, resource := range st.Resources {
			out[i].Resources = append(out[i].Resources, r.text(resource))
		}
		for operator, keys := range st.Conditions {
			if out[i].Conditions == nil {
				out[i].Conditions = map[string]map[string][]*string{}
			}
			out[i].Conditions[operator] = map[string][]*string{}
			for key, values := range keys {
				for _, value := range values {
					out[i].Conditions[operator][key] = append(out[i].Conditions[operator][key], r.text(value))
				}
			}
		}
		if st.When != right.Always {
			condition := r.When[st.When]
			out[i].When = &condition
		}
	}
	return out
}

// text fills in a text's computed names and leaves the others to CloudFormation.
func (r Rights) text(text string) *string {
	used := map[string]*string{}
	for _, found := range name.FindAllStringSubmatch(text, -1) {
		if value, computed := r.Values[found[1]]; computed {
			used[found[1]] = value
		}
	}
	return kit.SubWith(text, used)
}
