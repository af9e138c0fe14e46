// Package grant writes down what the owners of both ends of a task that copies images have to allow, and no more.
package grant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/partition"
)

// Task says whose rights are asked for.
type Task struct {
	Values  contract.Values // of the plugin's contract
	Account string          // that the task runs in; empty: not known
	Region  string          // likewise
}

// Kind is what a grant is.
type Kind string

// The kinds.
const (
	Identity   Kind = "identity policy" // of a user or a role
	Repository Kind = "repository policy"
	Trust      Kind = "trust policy"
	Words      Kind = "in words"
)

// Grant is one thing that somebody has to allow.
type Grant struct {
	End    string    `json:"end"` // source, destination
	Kind   Kind      `json:"kind"`
	To     string    `json:"attachTo"`
	Policy *Document `json:"policy,omitempty"`
	Text   string    `json:"text,omitempty"` // of Words
}

// Document is an IAM policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                       `json:",omitempty"`
	Condition map[string]map[string][]string `json:",omitempty"`
}

// end is an Amazon ECR as one end.
type end struct {
	name, prefix    string // of its parameters
	account, region string
	actions         []string
	folder          string // that its repositories lie in; empty or with a slash at its end
	partition       string
}

// For returns what both ends have to allow. The error says what is not known.
func For(t Task) ([]Grant, error) {
	v := t.Values
	source := end{name: "source", prefix: "src", account: v["srcAccountId"], region: cmp.Or(v["srcRegion"], t.Region), actions: policy.SourceActions()}
	target := end{name: "destination", prefix: "dest", account: v["destAccountId"], region: v["destRegion"], actions: slices.Concat(ecraws.CompareActions(), policy.WriteActions())}
	if v.Is("deleteExtraneous") {
		target.actions = append(target.actions, policy.DeleteActions()...)
	}
	if folder := strings.Trim(v["destPrefix"], "/"); folder != "" {
		target.folder = folder + "/"
	}
	var all []Grant
	if v["sourceType"] != "Amazon_ECR" {
		all = append(all, public(v))
	} else {
		grants, err := t.of(source)
		if err != nil {
			return nil, err
		}
		all = append(all, grants...)
	}
	grants, err := t.of(target)
	return append(all, grants...), err
}

func public(v contract.Values) Grant {
	text := "Everybody may pull the images, or nobody: no secret is given."
	if v["srcCredential"] != "" {
		text = fmt.Sprintf("The user or token of the secret %s may pull the images that the list names.", v["srcCredential"])
	}
	return Grant{End: "source", Kind: Words, To: "the registry", Text: text}
}

// of returns what one end has to allow.
func (t Task) of(e end) ([]Grant, error) {
	if e.region == "" {
		return nil, fmt.Errorf("%sRegion is empty and so is the region of the task; give one", e.prefix)
	}
	p, err := partition.Of(e.region)
	if err != nil {
		return nil, err
	}
	e.partition = p.Name
	slices.Sort(e.actions)
	e.actions = slices.Compact(e.actions)
	secret, role := t.Values[e.prefix+"Credential"], t.Values[e.prefix+"RoleArn"]
	if arn := strings.Split(role, ":"); len(arn) > 4 {
		e.account = cmp.Or(e.account, arn[4])
	}
	switch {
	case secret != "":
		return []Grant{{End: e.name, Kind: Identity, To: "the user whose keys are in the secret " + secret, Policy: e.identity()}}, nil
	case role != "":
		return []Grant{{End: e.name, Kind: Identity, To: role, Policy: e.identity()}, t.trust(e, role)}, nil
	case e.account == "" || e.account == t.Account:
		return []Grant{{End: e.name, Kind: Words, To: "nobody", Text: "The registry is of the task's own account: the roles of its stack have the rights."}}, nil
	case e.prefix == "dest":
		return []Grant{{
			End: e.name, Kind: Words, To: "account " + e.account,
			Text: "No policy of a registry lets another account make repositories in it: give a role there (destRoleArn), or keys (destCredential).",
		}}, nil
	}
	return t.repositories(e), nil
}

// identity is the policy of who works at an end. A token for a registry takes no resource.
func (e end) identity() *Document {
	account := cmp.Or(e.account, "*")
	return document(
		Statement{Sid: "Token", Action: ecraws.TokenActions(), Resource: []string{"*"}},
		Statement{Sid: "Images", Action: e.actions, Resource: []string{fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s*", e.partition, e.region, account, e.folder)}},
	)
}

// trust lets the task's account become a role.
func (t Task) trust(e end, role string) Grant {
	s := Statement{Sid: "DataTransferHub", Principal: t.own(e), Action: []string{"sts:AssumeRole"}}
	if id := t.Values[e.prefix+"ExternalId"]; id != "" {
		s.Condition = map[string]map[string][]string{"StringEquals": {"sts:ExternalId": {id}}}
	}
	return Grant{End: e.name, Kind: Trust, To: role, Policy: document(s)}
}

// repositories lets the task's own roles pull from another account. Such policies let nobody list a registry.
func (t Task) repositories(e end) []Grant {
	all := []Grant{{
		End: e.name, Kind: Repository, To: "each repository of account " + e.account + " that is copied",
		Policy: document(Statement{Sid: "DataTransferHub", Principal: t.own(e), Action: e.actions}),
	}}
	if t.Values["srcList"] != "SELECTED" {
		all = append(all, Grant{
			End: e.name, Kind: Words, To: "account " + e.account,
			Text: "No policy of a repository lets another account list the registry: choose SELECTED and name the repositories, or give a role there (srcRoleArn).",
		})
	}
	return all
}

// own is the task's account as a principal.
func (t Task) own(e end) map[string]string {
	return map[string]string{"AWS": fmt.Sprintf("arn:%s:iam::%s:root", e.partition, cmp.Or(t.Account, "ACCOUNT-OF-THE-TASK"))}
}

func document(statements ...Statement) *Document {
	for i := range statements {
		statements[i].Effect = "Allow"
	}
	return &Document{Version: "2012-10-17", Statement: statements}
}
