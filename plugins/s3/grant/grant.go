// Package grant says what the owners of both ends of an S3 transfer have to allow, and to whom: IAM policies with no more
// than the transfer needs, and the rights in words for stores of other vendors.
package grant

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/partition"
)

// Task is a transfer with what a policy has to know beside it.
type Task struct {
	Job       *job.Job
	Account   string // that the task runs in, 12 digits; needed where an end belongs to another account
	Region    string // that the task runs in
	StackName string // of the task; "" stands for any role of the account

	SourceAccount, DestinationAccount string // that own the buckets; "" is the task's

	SourceKeys      []string // ARNs of the KMS keys that source objects are encrypted with
	DestinationKeys []string // ARNs of the KMS keys that the destination encrypts with, beside the one that the job names
}

// Kind is what a grant is attached to.
type Kind string

// The kinds.
const (
	Identity Kind = "identity policy" // of a user or a role
	Bucket   Kind = "bucket policy"
	Key      Kind = "key policy" // statements to be added to it
	Trust    Kind = "trust policy"
	Words    Kind = "in words"
)

// Grant is one thing that somebody has to allow.
type Grant struct {
	End    string    `json:"end"` // source, destination
	Kind   Kind      `json:"kind"`
	To     string    `json:"attachTo"`
	Policy *Document `json:"policy,omitempty"`
	Text   string    `json:"text,omitempty"` // of Words
}

// end is one side of the task.
type end struct {
	name      string // source, destination
	at        job.Endpoint
	owner     string // of the bucket
	partition partition.Partition
	region    string
	bucket    []string // actions on the bucket
	objects   []string // actions on objects
	keys      []string // patterns of the objects' keys
	kms       []string // ARNs of keys
	kmsAction []string
	unnamed   bool // some keys are in no parameter of the task
	extra     []Statement
}

// For returns the grants of both ends, the source's first. Errors name what is missing or cannot be.
func For(t Task) ([]Grant, error) {
	own, err := t.check()
	if err != nil {
		return nil, err
	}
	var all []Grant
	var errs []error
	for _, side := range []func(partition.Partition) (*end, error){t.source, t.destination} {
		e, err := side(own)
		if err == nil {
			var grants []Grant
			grants, err = t.of(e, own)
			all = append(all, grants...)
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	keyForm     = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):key/[A-Za-z0-9-]+$`)
)

func (t *Task) check() (partition.Partition, error) {
	own, err := partition.Of(t.Region)
	if err != nil {
		return own, fmt.Errorf("region of the task: %w", err)
	}
	for _, account := range []struct{ of, id string }{{"task", t.Account}, {"source", t.SourceAccount}, {"destination", t.DestinationAccount}} {
		if account.id != "" && !accountForm.MatchString(account.id) {
			return own, fmt.Errorf("account of the %s %q: allowed are 12 digits", account.of, account.id)
		}
	}
	for _, key := range slices.Concat(t.SourceKeys, t.DestinationKeys) {
		if !keyForm.MatchString(key) {
			return own, fmt.Errorf("KMS key %q: write its ARN, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", key)
		}
	}
	return own, nil
}

// of returns the grants of an end.
func (t *Task) of(e *end, own partition.Partition) ([]Grant, error) {
	a := e.at.Access
	switch {
	case e.at.Provider != job.AmazonS3:
		return []Grant{{End: e.name, Kind: Words, To: "the key pair that is used at " + string(e.at.Provider), Text: inWords(e)}}, nil
	case a.Anonymous:
		return []Grant{{End: e.name, Kind: Words, To: "everybody", Text: "Requests are not signed: the bucket itself has to allow everybody " + listed(e.bucket[:1]) + " and " + listed(e.objects) + "."}}, nil
	case a.Secret != "":
		return t.ofUser(e), nil
	case e.partition.Name != own.Name:
		return nil, fmt.Errorf("%s: bucket %s is in partition %s and the task in %s: no role reaches across; give access keys of that partition in a secret",
			e.name, e.at.Bucket, e.partition.Name, own.Name)
	case a.RoleARN != "":
		return t.ofRole(e, own)
	}
	return t.ofOwnRole(e, own)
}

// ofUser grants the rights to the IAM user whose access keys are used.
func (t *Task) ofUser(e *end) []Grant {
	return append([]Grant{{End: e.name, Kind: Identity, To: "the IAM user whose access keys are in secret " + e.at.Access.Secret, Policy: e.identity()}},
		t.keyPolicies(e, e.owner, map[string]string{"AWS": "REPLACE WITH THE ARN OF THAT USER"}, nil)...)
}

// ofRole grants the rights to a role that the task assumes, and lets the task assume it.
func (t *Task) ofRole(e *end, own partition.Partition) ([]Grant, error) {
	role := e.at.Access.RoleARN
	principal, condition, err := t.principal(own)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	if id := e.at.Access.ExternalID; id != "" {
		condition["StringEquals"] = map[string][]string{"sts:ExternalId": {id}}
	}
	grants := []Grant{
		{End: e.name, Kind: Identity, To: "role " + role, Policy: e.identity()},
		{End: e.name, Kind: Trust, To: "role " + role, Policy: document(Statement{Sid: "DataTransferHub", Principal: principal, Action: []string{"sts:AssumeRole"}, Condition: condition})},
	}
	return append(grants, t.keyPolicies(e, accountOf(role), map[string]string{"AWS": role}, nil)...), nil
}

// ofOwnRole grants the rights to the roles of the task's stack. In the same account these have them by the stack itself; the
// bucket of another account has to allow them, too.
func (t *Task) ofOwnRole(e *end, own partition.Partition) ([]Grant, error) {
	to := "whoever runs dth copy; the roles of a task's stack have these rights by its template"
	if e.unnamed {
		to += ", but for Keys: attach that statement to its finder's and its workers' role"
	}
	grants := []Grant{{End: e.name, Kind: Identity, To: to, Policy: e.identity()}}
	foreignKeys := false
	for _, key := range e.kms {
		foreignKeys = foreignKeys || t.Account != "" && accountOf(key) != t.Account
	}
	if e.owner == t.Account && !foreignKeys {
		return grants, nil
	}
	principal, condition, err := t.principal(own)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	if e.owner != t.Account {
		grants = append(grants, Grant{End: e.name, Kind: Bucket, To: "bucket " + e.at.Bucket + " of account " + e.owner, Policy: e.bucketPolicy(principal, condition)})
	}
	return append(grants, t.keyPolicies(e, t.Account, principal, condition)...), nil
}

// principal names the roles of the task's stack. They need not exist yet: the account is named, and the condition bounds it
// to names that begin as CloudFormation makes them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
func (t *Task) principal(own partition.Partition) (map[string]string, map[string]map[string][]string, error) {
	if t.Account == "" {
		return nil, nil, errors.New("another account has to grant the task something; give the account that the task runs in")
	}
	roles := "arn:" + own.Name + ":iam::" + t.Account + ":role/"
	// A long stack's name is cut, so that it fits the 64 characters of a role's name together with the resource's id.
	const kept = 24
	switch n := len(t.StackName); {
	case n > kept:
		roles += t.StackName[:kept]
	case n > 0:
		roles += t.StackName + "-"
	}
	return map[string]string{"AWS": "arn:" + own.Name + ":iam::" + t.Account + ":root"},
		map[string]map[string][]string{"ArnLike": {"aws:PrincipalArn": {roles + "*"}}}, nil
}

func accountOf(arn string) string {
	if m := regexp.MustCompile(`^arn:[a-z-]+:[a-z0-9]+:[a-z0-9-]*:([0-9]{12}):`).FindStringSubmatch(arn); m != nil {
		return m[1]
	}
	return ""
}
