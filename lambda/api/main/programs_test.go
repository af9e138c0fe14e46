package main

import (
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/task"
)

// Each caller by IAM has the role of the first rule that fits its role's or its own name, and none when no rule does.
func TestProgramsHaveTheRoleOfARule(t *testing.T) {
	const rules = "nightly=operator,Deploy-*=admin,*-readers=viewer,user/ada=viewer,user/ci-*=operator"
	all, err := programs(rules, "111122223333")
	if err != nil {
		t.Fatal(err)
	}
	for caller, want := range map[string]task.Role{
		"arn:aws:sts::111122223333:assumed-role/nightly/job":            task.Operator,
		"arn:aws-cn:sts::111122223333:assumed-role/nightly/i-0123":      task.Operator,
		"arn:aws:sts::111122223333:assumed-role/nightly2/job":           "",
		"arn:aws:sts::111122223333:assumed-role/x-nightly/job":          "",
		"arn:aws:sts::111122223333:assumed-role/Deploy-eu/ada":          task.Admin,
		"arn:aws:sts::111122223333:assumed-role/deploy-eu/ada":          "",
		"arn:aws:sts::111122223333:assumed-role/Deploy-readers/ada":     task.Admin,
		"arn:aws:sts::111122223333:assumed-role/x-readers/ada":          task.Viewer,
		"arn:aws:sts::111122223333:assumed-role/somebody/nightly":       "",
		"arn:aws:sts::111122223333:assumed-role/somebody/Deploy-x":      "",
		"arn:aws:sts::444455556666:assumed-role/nightly/job":            "",
		"arn:aws:iam::111122223333:user/ada":                            task.Viewer,
		"arn:aws:iam::111122223333:user/people/ada":                     task.Viewer,
		"arn:aws:iam::111122223333:user/ada/eve":                        "",
		"arn:aws:iam::111122223333:user/ci-1":                           task.Operator,
		"arn:aws:iam::111122223333:user/nightly":                        "",
		"arn:aws:iam::111122223333:root":                                "",
		"arn:aws:sts::111122223333:federated-user/nightly":              "",
		"arn:aws:sts::111122223333:assumed-role/nightly/job\narn:aws:x": "",
	} {
		var got task.Role
		for _, r := range all {
			if r.ARN.MatchString(caller) {
				got = r.Role
				break
			}
		}
		if got != want {
			t.Errorf("%q has the role %q, want %q", caller, got, want)
		}
	}
}

// Nobody has a role by default, and what is no rule is refused.
func TestRulesOfPrograms(t *testing.T) {
	for _, none := range []string{"", "none"} {
		if all, err := programs(none, "111122223333"); err != nil || len(all) != 0 {
			t.Errorf("%q: %v, %v", none, all, err)
		}
	}
	for _, wrong := range []string{"viewer", "nightly", "nightly=root", "=viewer", "nightly=viewer,", "nightly=viewer, x=admin", "a/b=viewer", ".*=viewer;", "user/=viewer", "arn:aws:iam::1:role/x=viewer"} {
		if _, err := programs(wrong, "111122223333"); err == nil || !strings.Contains(err.Error(), "NAME=role") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
