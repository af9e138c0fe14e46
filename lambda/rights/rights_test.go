// Package rights holds tests of what the programs of the S3 plugin may do: that the policies allow what their code declares,
// and no more.
package rights

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/control/controlaws"
	"github.com/datatransferhub/dth/lambda/finderlaunch/finderlaunchaws"
	"github.com/datatransferhub/dth/lambda/monitor/monitoraws"
	"github.com/datatransferhub/dth/lambda/s3events/s3eventsaws"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
	"github.com/datatransferhub/dth/lambda/taskconfig/taskconfigaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
	"github.com/datatransferhub/dth/worker/giant/giantaws"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/logship/logshipaws"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/notice/noticeaws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

const module = "github.com/datatransferhub/dth/"

func all(lists ...[]string) []string { return slices.Concat(lists...) }

// declared are the actions that each adapter needs, for all that it can do.
func declared() map[string][]string {
	start, look, end, bus := finderlaunchaws.Actions()
	events, launcher := monitoraws.Actions()
	parameter, object, lists := taskconfigaws.Actions()
	rule, group, scaling, asks := controlaws.Actions()
	list, stop, find, terminate := stackguardaws.Actions()
	return map[string][]string{
		"cmd/internal/logaws":                 nil, // opens what follows
		"worker/logship/logshipaws":           logshipaws.Actions(),
		"lambda/control/controlaws":           all(rule, group, scaling, asks),
		"lambda/finderlaunch/finderlaunchaws": all(start, look, end, bus),
		"lambda/monitor/monitoraws":           all(events, launcher),
		"lambda/s3events/s3eventsaws":         s3eventsaws.Actions(),
		"lambda/stackguard/stackguardaws":     all(list, stop, find, terminate),
		"lambda/taskconfig/taskconfigaws":     all(parameter, object, lists),
		"plugins/contract/configaws":          all(configaws.Actions()),
		"worker/giant/giantaws":               giantaws.Actions(),
		"worker/fleet/fleetaws":               all(fleetaws.Actions()),
		"worker/ledger/ledgeraws":             ledgeraws.Actions(),
		"worker/multipart/multipartaws":       multipartaws.Actions(),
		"worker/notice/noticeaws":             noticeaws.Actions(),
		"worker/queue/queueaws":               queueaws.Actions(),
		"worker/run/runaws":                   runaws.Actions(),
		"worker/store/storeaws":               storeaws.Actions(),
		"worker/wire/wireaws":                 nil, // signs for others
	}
}

// become are the actions by which the opener of an end becomes who the end wants it to be.
var become = []string{"secretsmanager:GetSecretValue", "sts:AssumeRole"}

// actor is a program with its policy. It may use less of an adapter than there is, and do more than its code shows.
type actor struct {
	program string // folder of its main package
	policy  []policy.Statement
	uses    map[string][]string // adapter: the actions of it that this program needs
	beside  []string            // actions that no adapter of it declares
}

func actors() []actor {
	reader, comparer, writer := storeaws.ReaderRights(), storeaws.ComparerRights(), storeaws.WriterRights()
	return []actor{
		{
			program: "cmd/jobfinder", policy: policy.Finder(),
			uses: map[string][]string{
				"worker/store/storeaws": all(reader.Bucket, reader.Objects, comparer.Bucket, comparer.Objects, writer.Bucket, writer.Objects), // of reports and checks
			},
			beside: all(become, []string{"cloudwatch:PutMetricData", "kms:Decrypt", "kms:GenerateDataKey"}), // the instance's script raises an alarm
		},
		{
			program: "cmd/jobworker", policy: policy.Worker(),
			beside: all(become, []string{"kms:Decrypt", "kms:GenerateDataKey"}), // S3 uses the key on the worker's behalf
		},
		{
			program: "lambda/finderlaunch/main", policy: policy.Lambda(wiring.FinderLaunch),
			beside: []string{"iam:PassRole"}, // RunInstances hands the finder's role on
		},
		{
			program: "lambda/monitor/main", policy: policy.Lambda(wiring.Monitor),
			uses: map[string][]string{"worker/queue/queueaws": {"sqs:GetQueueAttributes"}},
		},
		{
			program: "lambda/multipart/main", policy: policy.Lambda(wiring.Multipart),
			uses: map[string][]string{"worker/queue/queueaws": queueaws.SenderActions(), "worker/run/runaws": {"dynamodb:GetItem"}}, // of the pause
		},
		{
			program: "lambda/stackguard/main", policy: policy.Lambda(wiring.StackGuard),
			uses: map[string][]string{
				"worker/store/storeaws": {"s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"},
				"worker/run/runaws":     {"dynamodb:PutItem"}, // of the pause
			},
			beside: become,
		},
		{
			program: "lambda/control/main", policy: policy.Lambda(wiring.Control),
			uses: map[string][]string{
				"worker/queue/queueaws":               queueaws.SenderActions(),
				"worker/ledger/ledgeraws":             {"dynamodb:BatchGetItem", "dynamodb:Query"},
				"lambda/finderlaunch/finderlaunchaws": {"events:PutEvents"},
			},
		},
		{program: "lambda/taskconfig/main", policy: policy.Lambda(wiring.TaskConfig)},
		{
			program: "lambda/s3events/main", policy: policy.Lambda(wiring.S3Events),
			uses: map[string][]string{"worker/store/storeaws": nil}, beside: become,
		},
	}
}

// Every action that the code of a program declares is allowed by its policy, and the policy allows no other.
func TestPoliciesAreWhatTheCodeNeeds(t *testing.T) {
	known := declared()
	for _, a := range actors() {
		t.Run(a.program, func(t *testing.T) {
			want := slices.Clone(a.beside)
			for _, adapter := range adapters(t, a.program) {
				actions, found := known[adapter]
				if own, less := a.uses[adapter]; less {
					actions, found = own, true
				}
				if !found {
					t.Errorf("%s is linked; this test does not know what it needs", adapter)
				}
				want = append(want, actions...)
			}
			if strings.HasPrefix(a.program, "cmd/") {
				want = append(want, "s3:GetObject") // its own program
			}
			var got []string
			for _, s := range a.policy {
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

// adapters are the packages of ours that a program links and that speak to AWS.
func adapters(t *testing.T, program string) (found []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", module+program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range strings.Fields(string(out)) {
		if folder, ours := strings.CutPrefix(path, module); ours {
			// Go repeats the result of a test when what it opened did not change: it does not see what go list read.
			if _, err := os.ReadDir(filepath.Join("../..", folder)); err != nil {
				t.Fatal(err)
			}
		}
		if folder, ours := strings.CutPrefix(path, module); ours && strings.HasSuffix(folder, "aws") {
			found = append(found, folder)
		}
	}
	return found
}

// without returns what is in a and not in b, sorted, each once.
func without(a, b []string) []string {
	rest := slices.DeleteFunc(slices.Clone(a), func(action string) bool { return slices.Contains(b, action) })
	slices.Sort(rest)
	return slices.Compact(rest)
}
