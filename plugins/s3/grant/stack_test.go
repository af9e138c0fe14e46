package grant_test

import (
	"slices"
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/grant"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/job"
)

// A task that wants everything: what its ends have to grant is what the template's roles are given, action by action. So one
// cannot be widened or forgotten without the other.
func TestRolesOfTheStackHaveTheseRights(t *testing.T) {
	grants, err := grant.For(task(func(t *grant.Task) {
		t.Job.IncludeTags, t.Job.DeleteExtraneous, t.Job.Events = true, true, job.EventsCreateAndDelete
		t.Job.Write = job.WriteOptions{ACL: "private", SSE: "aws:kms", KMSKeyID: ourKey}
		t.Job.Selection.PrefixFileBucket, t.Job.Selection.PrefixFileKey = "lists", "today.txt"
		t.Job.ReportBucket = "reports"
	}))
	if err != nil {
		t.Fatal(err)
	}
	circumstances := map[string][]policy.When{
		"source":      {policy.SourceByOwnRole, policy.PrefixListElsewhere},
		"destination": {policy.DestinationByOwnRole, policy.DestinationKey, policy.Reports},
	}
	all := slices.Concat(policy.Finder(), policy.Worker(), policy.Lambda(wiring.S3Events), policy.Lambda(wiring.Multipart), policy.Lambda(wiring.StackGuard))
	for _, g := range grants {
		var given []string
		for _, s := range all {
			if slices.Contains(circumstances[g.End], s.When) {
				given = append(given, s.Actions...)
			}
		}
		slices.Sort(given)
		given = slices.Compact(given)
		if g.Kind != grant.Identity || !slices.Equal(given, g.Policy.Actions()) {
			t.Errorf("%s: the %s has\n%v, the template's roles\n%v", g.End, g.Kind, g.Policy.Actions(), given)
		}
	}
}
