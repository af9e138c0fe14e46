package grant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr/grant"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/worker/image/ecraws"
)

const own, other = "111122223333", "444455556666"

func grants(t *testing.T, given ...string) []grant.Grant {
	t.Helper()
	v := contract.Values{"sourceType": "Amazon_ECR", "srcList": "ALL", "destRegion": "eu-west-1"}
	for i := 0; i < len(given); i += 2 {
		v[given[i]] = given[i+1]
	}
	all, err := grant.For(grant.Task{Values: v, Account: own, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What has to be allowed depends on whose the ends are, and on who works there.
func TestGrants(t *testing.T) {
	role := "arn:aws:iam::" + other + ":role/r"
	for _, c := range []struct {
		given []string
		want  string // end and kind of each
		says  []string
	}{
		{nil, "source in words, destination in words", []string{"task's own account"}},
		{[]string{"srcAccountId", other}, "source repository policy, source in words, destination in words", []string{"arn:aws:iam::" + own + ":root", "SELECTED"}},
		{[]string{"srcAccountId", other, "srcList", "SELECTED"}, "source repository policy, destination in words", []string{"ecr:BatchGetImage"}},
		{[]string{"srcAccountId", other, "srcRoleArn", role, "srcExternalId", "x1"}, "source identity policy, source trust policy, destination in words", []string{role, "sts:ExternalId", "arn:aws:ecr:us-east-1:" + other + ":repository/*"}},
		{[]string{"srcRegion", "cn-north-1", "srcCredential", "china"}, "source identity policy, destination in words", []string{"secret china", "arn:aws-cn:ecr:cn-north-1:*:repository/*"}},
		{[]string{"sourceType", "Public"}, "source in words, destination in words", []string{"no secret"}},
		{[]string{"sourceType", "Public", "srcCredential", "hub"}, "source in words, destination in words", []string{"secret hub"}},
		{[]string{"destAccountId", other}, "source in words, destination in words", []string{"destRoleArn"}},
		{[]string{"destRoleArn", role, "destPrefix", "mirror"}, "source in words, destination identity policy, destination trust policy", []string{"arn:aws:ecr:eu-west-1:" + other + ":repository/mirror/*"}},
	} {
		all := grants(t, c.given...)
		var got []string
		for _, g := range all {
			got = append(got, g.End+" "+string(g.Kind))
		}
		text, err := json.Marshal(all)
		if err != nil || strings.Join(got, ", ") != c.want {
			t.Errorf("%v: %v, %v; want %s", c.given, got, err, c.want)
		}
		for _, want := range c.says {
			if !strings.Contains(string(text), want) {
				t.Errorf("%v: %s does not say %s", c.given, text, want)
			}
		}
	}
}

// An identity may do what the template gives its own roles, and deletes only where it is to.
func TestIdentityIsThePolicy(t *testing.T) {
	for delete, more := range map[string][]string{"No": nil, "Yes": policy.DeleteActions()} {
		all := grants(t, "destCredential", "keys", "deleteExtraneous", delete)
		want := slices.Concat(ecraws.TokenActions(), ecraws.CompareActions(), policy.WriteActions(), more)
		var got []string
		for _, s := range all[len(all)-1].Policy.Statement {
			got = append(got, s.Action...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("deleteExtraneous %s: %v, want %v", delete, got, want)
		}
	}
}

func TestUnknownRegion(t *testing.T) {
	v := contract.Values{"sourceType": "Amazon_ECR", "destRegion": "eu-west-1"}
	if _, err := grant.For(grant.Task{Values: v}); err == nil || !strings.Contains(err.Error(), "srcRegion") {
		t.Errorf("%v", err)
	}
}
