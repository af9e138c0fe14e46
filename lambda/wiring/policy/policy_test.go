package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// Every Lambda has rights; no statement names everything, or an action with a wild card; Sids differ.
func TestRightsAreNarrow(t *testing.T) {
	all := map[string][]policy.Statement{"machine": policy.Machine("StackOpsFunction", policy.StackWorkflowName, true)}
	for _, l := range wiring.Lambdas() {
		all[l.Name] = policy.Lambda(l.Name)
	}
	for name, statements := range all {
		if len(statements) == 0 {
			t.Errorf("%s has no rights", name)
		}
		var sids []string
		for _, s := range statements {
			if slices.Contains(sids, s.Sid) || s.Sid == "" {
				t.Errorf("%s: Sid %q", name, s.Sid)
			}
			sids = append(sids, s.Sid)
			if len(s.Resources) == 0 || slices.Contains(s.Resources, "*") {
				t.Errorf("%s: %s is on %q", name, s.Sid, s.Resources)
			}
			for _, a := range s.Actions {
				if strings.Contains(a, "*") {
					t.Errorf("%s: %s allows %s", name, s.Sid, a)
				}
			}
		}
	}
	if policy.Lambda("nobody") != nil {
		t.Error("somebody unknown has rights")
	}
}

// A machine whose executions do not continue starts none.
func TestMachine(t *testing.T) {
	for continues, want := range map[bool]int{true: 2, false: 1} {
		if got := policy.Machine("F", "Name", continues); len(got) != want {
			t.Errorf("continues %t: %+v", continues, got)
		}
	}
}
