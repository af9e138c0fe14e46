package rights

import (
	"slices"
	"testing"

	"github.com/datatransferhub/dth/lambda/notify/notifyaws"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/existenceaws"
	"github.com/datatransferhub/dth/lambda/task/logsaws"
	"github.com/datatransferhub/dth/lambda/task/metricsaws"
	"github.com/datatransferhub/dth/lambda/task/pickersaws"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// hubActor is a Lambda of the hub. It may use less of an adapter than there is, and need more than its code shows.
type hubActor struct {
	uses   map[string][]string
	beside []string
}

func hubActors() map[string]hubActor {
	topicKey := []string{"kms:GenerateDataKey", "kms:Decrypt"} // SNS uses the key on the sender's behalf
	begin, _ := startaws.Actions()
	functions, runs, ledgers := engineaws.Actions()
	return map[string]hubActor{
		// CloudFormation reads the template on the caller's behalf, and acts as the service role.
		// It pauses stacks, and reads none of their tables.
		wiring.StackOps: {beside: all(topicKey, []string{"s3:GetObject", "iam:PassRole"}), uses: map[string][]string{
			"lambda/task/engineaws": functions, "worker/run/runaws": nil, "worker/ledger/ledgeraws": nil, "worker/image/record/recordaws": nil,
		}},
		wiring.Mirror: {beside: topicKey},
		// It steers stacks, and reads no other of their tables than that of runs.
		wiring.Reconcile: {beside: topicKey, uses: map[string][]string{
			"lambda/stackops/stackopsaws": stackopsaws.LookActions(), "worker/run/runaws": runaws.ReaderActions(),
			"lambda/task/engineaws": functions, "worker/ledger/ledgeraws": nil, "worker/image/record/recordaws": nil,
		}},
		// It reads the tables of tasks, begins operations without looking how far they are, and writes down the rights of stores for
		// their owners.
		wiring.API: {uses: map[string][]string{
			"lambda/stackops/startaws": begin, "worker/run/runaws": runs, "worker/ledger/ledgeraws": ledgers, "worker/store/storeaws": nil,
			"worker/image/record/recordaws": recordaws.ListActions(), "worker/image/ecraws": nil,
		}},
	}
}

// Every action that the code of a Lambda of the hub declares is allowed by its policy, and the policy allows no other.
func TestPoliciesOfTheHubAreWhatTheCodeNeeds(t *testing.T) {
	begin, look := startaws.Actions()
	known := map[string][]string{
		"lambda/notify/notifyaws":     notifyaws.Actions(),
		"lambda/stackops/stackopsaws": all(stackopsaws.MakeActions(), stackopsaws.DeleteActions(), stackopsaws.LookActions()),
		"lambda/stackops/startaws":    all(begin, look),
		"lambda/task/engineaws":       all(engineaws.Actions()),
		"lambda/task/existenceaws":    all(existenceaws.Actions()),
		"lambda/task/logsaws":         logsaws.Actions(),
		"lambda/task/metricsaws":      metricsaws.Actions(),
		"lambda/task/pickersaws":      pickersaws.Actions(),
		"lambda/task/taskaws":         all(taskaws.ReadActions(), taskaws.WriteActions()),
		"worker/wire/wireaws":         nil, // signs for others
	}
	front := slices.DeleteFunc(wiring.FrontLambdas(), func(l wiring.Lambda) bool { return l.Name == wiring.SiteConfig })
	for _, l := range slices.Concat(wiring.Lambdas(), front) {
		t.Run(l.Name, func(t *testing.T) {
			a, found := hubActors()[l.Name]
			if !found {
				t.Fatal("this test does not know the Lambda")
			}
			want := slices.Clone(a.beside)
			for _, adapter := range adapters(t, "lambda/"+l.Name+"/main") {
				actions, found := known[adapter]
				if own, less := a.uses[adapter]; less {
					actions, found = own, true
				}
				if !found {
					t.Errorf("%s is linked; this test does not know what it needs", adapter)
				}
				want = append(want, actions...)
			}
			var got []string
			for _, s := range slices.Concat(policy.Lambda(l.Name), policy.Front(l.Name, true)) {
				got = append(got, s.Actions...)
			}
			for _, missing := range without(want, got) {
				t.Errorf("the code needs %s, the policy does not allow it", missing)
			}
			for _, more := range without(got, want) {
				t.Errorf("the policy allows %s, nothing needs it", more)
			}
		})
	}
}
