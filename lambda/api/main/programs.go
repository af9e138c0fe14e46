package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// rule is one of the hub's rules for callers by IAM: NAME=role for IAM roles, user/NAME=role for IAM users. * stands for any
// characters of a name.
var rule = regexp.MustCompile(`^(user/)?([A-Za-z0-9_.@+*-]{1,64})=(viewer|operator|admin)$`)

// programs reads the rules that give roles to callers by IAM, separated by commas; the first that fits counts. Whom none fits has
// no role. Only callers of the hub's own account are meant: names say nothing about those of another one.
func programs(rules, account string) (all []api.IAMRole, err error) {
	if rules == "" || rules == "none" {
		return nil, nil
	}
	for _, text := range strings.Split(rules, ",") {
		parts := rule.FindStringSubmatch(text)
		if parts == nil {
			return nil, fmt.Errorf("%s: %q is no rule; allowed are NAME=role and user/NAME=role, with the roles viewer, operator and admin", wiring.EnvAutomationRole, text)
		}
		all = append(all, api.IAMRole{ARN: caller(account, parts[1] != "", parts[2]), Role: task.Role(parts[3])})
	}
	return all, nil
}

// letters are those of names in IAM.
const letters = `[A-Za-z0-9_+=,.@-]`

// caller fits the ARNs by which AppSync tells of callers: of a role its sessions, of a user with its path.
// https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference.html#aws-appsync-resolver-context-reference-identity
func caller(account string, user bool, name string) *regexp.Regexp {
	name = strings.ReplaceAll(regexp.QuoteMeta(name), `\*`, letters+"*")
	if user {
		return regexp.MustCompile(`^arn:[a-z-]+:iam::` + regexp.QuoteMeta(account) + `:user/([^:]*/)?` + name + `$`)
	}
	return regexp.MustCompile(`^arn:[a-z-]+:sts::` + regexp.QuoteMeta(account) + `:assumed-role/` + name + `/` + letters + `+$`)
}
