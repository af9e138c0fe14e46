package rights

import (
	"slices"
	"testing"

	"github.com/datatransferhub/dth/lambda/imagecontrol/imagecontrolaws"
	"github.com/datatransferhub/dth/lambda/imageguard/imageguardaws"
	"github.com/datatransferhub/dth/lambda/imageplan/imageplanaws"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
	"github.com/datatransferhub/dth/lambda/taskconfig/taskconfigaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/ecr/endsaws"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// imageAdapters are the actions that the adapters of the ECR plugin's programs need, for all that they can do.
func imageAdapters() map[string][]string {
	rules, machine := imagecontrolaws.Actions()
	bucket, deletes := imageguardaws.Actions()
	parameter, object, lists := taskconfigaws.Actions()
	objects, work, executions := imageplanaws.Actions()
	return map[string][]string{
		"lambda/imagecontrol/imagecontrolaws": all(rules, machine),
		"lambda/imageguard/imageguardaws":     all(bucket, deletes),
		"lambda/imageplan/imageplanaws":       all(objects, work, executions),
		"plugins/ecr/endsaws":                 endsaws.ParameterActions(),
		"lambda/monitor/monitoraws":           {"events:PutEvents"},
		"lambda/taskconfig/taskconfigaws":     all(parameter, object, lists),
		"plugins/contract/configaws":          nil, // reads what taskconfigaws declares
		"worker/multipart/multipartaws":       nil, // linked by stackguardaws, and not opened
		"worker/run/runaws":                   runaws.Actions(),
		"worker/wire/wireaws":                 nil, // signs for others
		"worker/giant/giantaws":               nil, // linked with the words of the monitor, and not opened
	}
}

// Every action that the code of a program of the ECR plugin declares is allowed by its policy, and the policy allows no other.
func TestPoliciesOfImagesAreWhatTheCodeNeeds(t *testing.T) {
	list, stop, _, _ := stackguardaws.Actions()
	_, batch := configaws.Actions()
	compares := all(ecraws.TokenActions(), ecraws.ReadActions(), ecraws.CompareActions())
	for _, a := range []struct {
		program string
		policy  []policy.Statement
		uses    map[string][]string // adapter: the actions of it that this program needs
	}{
		{program: "lambda/imageconfig/main", policy: policy.Lambda(wiring.ImageConfig)},
		{program: "lambda/imagecontrol/main", policy: policy.Lambda(wiring.ImageControl), uses: map[string][]string{"lambda/monitor/monitoraws": nil}},
		{program: "lambda/imageplan/main", policy: policy.Lambda(wiring.ImagePlan), uses: map[string][]string{
			"worker/image/record/recordaws": all(imageplanaws.RecordActions()), "worker/image/ecraws": compares, "worker/store/storeaws": become,
			"plugins/contract/configaws": all(configaws.Actions()),
		}},
		{program: "cmd/imagecopier", policy: policy.Copier(), uses: map[string][]string{
			"worker/image/record/recordaws": recordaws.CopyActions(), "worker/image/ecraws": all(compares, ecraws.WriteActions(), ecraws.DeleteActions()), "worker/store/storeaws": become,
			"plugins/contract/configaws": all(endsaws.ParameterActions(), batch),
		}},
		{program: "lambda/imageguard/main", policy: policy.Lambda(wiring.ImageGuard), uses: map[string][]string{"lambda/stackguard/stackguardaws": all(list, stop)}},
	} {
		t.Run(a.program, func(t *testing.T) {
			var want, got []string
			for _, adapter := range adapters(t, a.program) {
				actions, found := imageAdapters()[adapter]
				if own, less := a.uses[adapter]; less {
					actions, found = own, true
				}
				if !found {
					t.Errorf("%s is linked; this test does not know what it needs", adapter)
				}
				want = append(want, actions...)
			}
			for _, s := range a.policy {
				got = append(got, s.Actions...)
			}
			for _, missing := range without(want, got) {
				t.Errorf("the code needs %s, the policy does not allow it", missing)
			}
			for _, more := range without(slices.Clone(got), want) {
				t.Errorf("the policy allows %s, nothing needs it", more)
			}
		})
	}
}
