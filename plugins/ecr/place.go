package ecr

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
)

// At returns the contract of tasks whose stacks are in an account and a region: it knows which registry is the stack's own.
func At(account, region string) *contract.Contract {
	c := Contract()
	c.Rules[len(c.Rules)-1] = place(account, region) // that of no place is the last
	return c
}

// place checks what depends on where the stack is. An empty account or region is not known; what cannot be known is not refused.
func place(account, region string) contract.Rule {
	return func(v contract.Values) (errs []contract.FieldError) {
		if v["sourceType"] != "Amazon_ECR" {
			return nil
		}
		from, to := cmp.Or(v["srcRegion"], region), v["destRegion"]
		owner, _ := ownerOf(v, "src", account)
		target, _ := ownerOf(v, "dest", account)
		if from == to && owner == target && from != "" && owner != "" && strings.Trim(v["destPrefix"], "/") == "" {
			errs = append(errs, contract.FieldError{
				Field: "destPrefix", Message: fmt.Sprintf("source and destination are one registry, that of account %s in %s: its images would be copied onto themselves; give a prefix", owner, from),
			})
		}
		if v["pushEvents"] == "Yes" {
			errs = append(errs, pushes(v, account, region)...)
		}
		return errs
	}
}

// pushes refuses to follow a registry whose pushes nobody tells of here: Amazon ECR tells of them in its own account and region alone.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
func pushes(v contract.Values, account, region string) []contract.FieldError {
	refuse := func(format string, args ...any) []contract.FieldError {
		return []contract.FieldError{{Field: "pushEvents", Value: v["pushEvents"], Message: fmt.Sprintf(format, args...) + "; create the task there, or choose No and a schedule"}}
	}
	from := cmp.Or(v["srcRegion"], region)
	owner, known := ownerOf(v, "src", account)
	switch {
	case !known:
		return []contract.FieldError{{Field: "srcAccountId", Message: "say whose registry it is: pushes are told of in its own account only, and credentials do not say it"}}
	case region != "" && from != region:
		return refuse("pushes to the source are told of in its own region %s, and this task is in %s", from, region)
	case account != "" && owner != account:
		return refuse("pushes to the source are told of in its own account %s, and this task is in %s", owner, account)
	}
	return nil
}

// ownerOf is the account that owns the ECR of an end; that of the stack, when nothing else is said. It is not known when keys are used,
// which may be of any account.
func ownerOf(v contract.Values, end, own string) (account string, known bool) {
	switch role := strings.Split(v[end+"RoleArn"], ":"); {
	case v[end+"AccountId"] != "":
		return v[end+"AccountId"], true
	case len(role) > 4:
		return role[4], true
	case v[end+"Credential"] != "":
		return "", false
	}
	return own, true
}
