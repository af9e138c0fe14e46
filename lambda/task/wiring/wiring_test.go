package wiring_test

import (
	"slices"
	"testing"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// DynamoDB takes neither a key without its attribute nor an attribute that is in no key.
func TestKeysAndAttributesAreTheSame(t *testing.T) {
	for name, table := range map[string]wiring.Table{"tasks": wiring.Tasks(), "audit": wiring.Audit()} {
		var declared, used []string
		for _, a := range table.Attributes {
			declared = append(declared, a.Name)
		}
		keys := slices.Clone(table.Key)
		for _, i := range table.Indexes {
			keys = append(keys, i.Key...)
		}
		for _, k := range keys {
			used = append(used, k.Attribute)
		}
		slices.Sort(declared)
		slices.Sort(used)
		if used = slices.Compact(used); !slices.Equal(declared, used) {
			t.Errorf("%s: attributes %v, keys of %v", name, declared, used)
		}
	}
}

// The groups of the user pool give the roles of the domain.
func TestGroupsAreRoles(t *testing.T) {
	var got []task.Role
	for _, g := range wiring.Groups() {
		got = append(got, task.Highest([]string{g.Name}))
	}
	if !slices.Equal(got, []task.Role{task.Admin, task.Operator, task.Viewer}) {
		t.Errorf("the groups give %q", got)
	}
}
