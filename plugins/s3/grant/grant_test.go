package grant_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/plugins/s3/grant"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

var update = flag.Bool("update", false, "rewrite testdata")

const (
	ours     = "111122223333"
	theirs   = "444455556666"
	theirKey = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	ourKey   = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
)

func task(change func(*grant.Task)) grant.Task {
	j := job.Defaults()
	j.Source = job.Endpoint{Provider: job.AmazonS3, Bucket: "photos", Prefix: "2024/", Region: "eu-west-1"}
	j.Destination = job.Endpoint{Provider: job.AmazonS3, Bucket: "archive", Prefix: "copies", Region: "eu-west-1"}
	t := grant.Task{Job: &j, Account: ours, Region: "eu-west-1", StackName: "nightly"}
	if change != nil {
		change(&t)
	}
	return t
}

// cases are tasks with the golden file of what they need.
var cases = map[string]func(*grant.Task){
	"same-account": nil,
	"cross-account": func(t *grant.Task) {
		t.SourceAccount, t.SourceKeys = theirs, []string{theirKey}
	},
	"destination-of-another-account": func(t *grant.Task) {
		t.DestinationAccount = theirs
		t.Job.Write = job.WriteOptions{ACL: "bucket-owner-full-control", SSE: "aws:kms", KMSKeyID: theirKey}
		t.Job.IncludeTags, t.Job.DeleteExtraneous = true, true
	},
	"access-keys": func(t *grant.Task) {
		t.Job.Source.Access.Secret, t.Job.Destination.Access.Secret = "reader", "writer"
		t.SourceAccount, t.DestinationAccount = theirs, theirs
		t.DestinationKeys = []string{theirKey}
	},
	"assumed-role": func(t *grant.Task) {
		t.Job.Source.Access = job.Access{RoleARN: "arn:aws:iam::444455556666:role/dth-reader", ExternalID: "blue"}
		t.SourceAccount, t.SourceKeys = theirs, []string{ourKey}
	},
	"china": func(t *grant.Task) {
		t.Region = "cn-north-1"
		t.Job.Source = job.Endpoint{Provider: job.AmazonS3, Bucket: "photos", Region: "eu-west-1", Access: job.Access{Secret: "global-keys"}}
		t.Job.Destination.Region = "cn-northwest-1"
		t.Job.Write = job.WriteOptions{SSE: "aws:kms", KMSKeyID: "0987dcba-09fe-87dc-65ba-ab0987654321"}
		t.DestinationAccount = theirs
	},
	"govcloud": func(t *grant.Task) {
		t.Region = "us-gov-west-1"
		t.Job.Source.Region, t.Job.Destination.Region = "us-gov-east-1", ""
		t.Job.Write = job.WriteOptions{SSE: "aws:kms", KMSKeyID: "alias/archive"}
		t.Job.Events = job.EventsCreateAndDelete
		t.Job.ReportBucket, t.Job.ReportPrefix = "reports", "dth/"
	},
	"prefix-list": func(t *grant.Task) {
		t.Job.Source.Prefix = ""
		t.Job.Selection.PrefixFileBucket, t.Job.Selection.PrefixFileKey = "lists", "today.txt"
	},
	"other-vendors": func(t *grant.Task) {
		t.Job.Source = job.Endpoint{Provider: job.AliyunOSS, Bucket: "photos", Prefix: "2024/"}
		t.Job.Destination = job.Endpoint{Provider: job.S3Compatible, Bucket: "archive", URL: "https://s3.example.com"}
	},
	"public": func(t *grant.Task) { t.Job.Source.Access.Anonymous = true },
}

func TestGrants(t *testing.T) {
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			grants, err := grant.For(task(change))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			if err := e.Encode(grants); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got), go test ./plugins/s3/grant -update writes it:\n%s", diff)
			}
		})
	}
}

// An alias is no resource of a policy: its key may be any of its account and region that the condition finds by the alias.
func TestKeysByAlias(t *testing.T) {
	for id, want := range map[string][2]string{
		"alias/a/b": {"arn:aws:kms:eu-west-1:" + ours + ":key/*", "alias/a/b"},
		"arn:aws:kms:eu-west-3:" + theirs + ":alias/a/b": {"arn:aws:kms:eu-west-3:" + theirs + ":key/*", "alias/a/b"},
	} {
		grants, err := grant.For(task(func(t *grant.Task) { t.Job.Write = job.WriteOptions{SSE: "aws:kms", KMSKeyID: id} }))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(grants)
		if err != nil || !bytes.Contains(raw, []byte(`"Resource":["`+want[0]+`"]`)) || !bytes.Contains(raw, []byte(`"kms:ResourceAliases":["`+want[1]+`"]`)) {
			t.Errorf("%s: %s, %v", id, raw, err)
		}
	}
}

func TestTasksThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*grant.Task)
		want   string
	}{
		{"own role across partitions", func(t *grant.Task) { t.Job.Source.Region = "cn-north-1" }, "give access keys"},
		{"role across partitions", func(t *grant.Task) {
			t.Job.Destination.Region, t.Job.Destination.Access.RoleARN = "us-gov-west-1", "arn:aws-us-gov:iam::444455556666:role/x"
		}, "no role reaches across"},
		{"whom to grant it to", func(t *grant.Task) { t.Account, t.SourceAccount = "", theirs }, "give the account that the task runs in"},
		{"account", func(t *grant.Task) { t.Account = "1" }, "12 digits"},
		{"region", func(t *grant.Task) { t.Region = "moon" }, "no region"},
		{"region of an end", func(t *grant.Task) { t.Job.Source.Region = "moon" }, "region of the source"},
		{"key by name", func(t *grant.Task) { t.SourceKeys = []string{"alias/x"} }, "write its ARN"},
		{"key of no account", func(t *grant.Task) { t.Account, t.Job.Write.KMSKeyID = "", "1234" }, "give its ARN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := grant.For(task(tt.change)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Whatever the task: nothing is allowed on everything, no action has a wild card or is one that the adapters do not declare,
// the source is never written, and every document is one that IAM can hold.
func TestGrantsAreLeast(t *testing.T) {
	beside := []string{"kms:Decrypt", "kms:GenerateDataKey", "sts:AssumeRole", "s3:GetBucketNotification", "s3:PutBucketNotification"}
	rapid.Check(t, func(t *rapid.T) {
		change := task(nil)
		j := change.Job
		j.Source.Prefix, j.Destination.Prefix = rapid.String().Draw(t, "source prefix"), rapid.String().Draw(t, "destination prefix")
		j.IncludeTags, j.DeleteExtraneous = rapid.Bool().Draw(t, "tags"), rapid.Bool().Draw(t, "delete")
		j.Write.ACL = rapid.SampledFrom([]string{"", "private"}).Draw(t, "acl")
		j.Events = rapid.SampledFrom([]job.EventMode{job.EventsNone, job.EventsCreate, job.EventsCreateAndDelete}).Draw(t, "events")
		j.Source.Access = rapid.SampledFrom([]job.Access{{}, {Secret: "s"}, {RoleARN: "arn:aws:iam::444455556666:role/r"}}).Draw(t, "source access")
		change.SourceAccount = rapid.SampledFrom([]string{"", ours, theirs}).Draw(t, "source account")
		change.SourceKeys = rapid.SampledFrom([][]string{nil, {theirKey}, {ourKey}}).Draw(t, "source keys")
		grants, err := grant.For(change)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			for _, action := range g.Policy.Actions() {
				if !slices.Contains(storeaws.Actions(), action) && !slices.Contains(beside, action) {
					t.Fatalf("%s: %s allows %s", g.End, g.Kind, action)
				}
				writes := strings.HasPrefix(action, "s3:Put") || strings.HasPrefix(action, "s3:Delete")
				if g.End == "source" && writes && action != "s3:PutBucketNotification" {
					t.Fatalf("the source's %s allows %s", g.Kind, action)
				}
			}
			for _, s := range g.Policy.Statement {
				// The resource of a key policy is the key itself.
				if slices.Contains(s.Resource, "*") && g.Kind != grant.Key {
					t.Fatalf("%s: %s: %s on everything", g.End, g.Kind, s.Sid)
				}
				for _, resource := range s.Resource {
					if strings.ContainsFunc(resource, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
						t.Fatalf("IAM cannot hold %q", resource)
					}
				}
			}
		}
	})
}
