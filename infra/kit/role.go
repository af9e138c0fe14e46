package kit

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
)

// Statement is what a role may do. Its form is that of an IAM policy's statement.
type Statement struct {
	Sid       string
	Actions   []string
	Resources []*string
	// Conditions: operator, key, values. Values may be tokens.
	Conditions map[string]map[string][]*string
	// When, if it is given, is the condition of the template under which the statement is there at all.
	When *Condition
}

// document returns the statement as CloudFormation takes it.
func (st *Statement) document() any {
	actions := slices.Sorted(slices.Values(st.Actions))
	body := map[string]any{"Effect": "Allow", "Action": slices.Compact(actions), "Resource": st.Resources}
	if st.Sid != "" {
		body["Sid"] = st.Sid
	}
	if len(st.Conditions) > 0 {
		body["Condition"] = st.Conditions
	}
	if st.When == nil {
		return body
	}
	return st.When.ChooseAny(body, NoValue())
}

// Policy returns a policy document of statements.
func Policy(statements []Statement) map[string]any {
	all := make([]any, len(statements))
	for i := range statements {
		all[i] = statements[i].document()
	}
	return Document(all...)
}

// Document returns a policy document of raw statements.
func Document(statements ...any) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// TLSOnly is the statement of a resource's policy that refuses calls without TLS.
func TLSOnly(action string, resources ...*string) any {
	var resource any = resources
	if len(resources) == 1 {
		resource = resources[0]
	}
	return map[string]any{
		"Sid": "TLSOnly", "Effect": "Deny", "Action": action, "Resource": resource, "Principal": map[string]any{"AWS": "*"},
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}
}

// Role makes the role of one actor: a service, such as "lambda", with its rights within the role, so that no resource that
// needs the role exists before its rights do.
func (s *Stack) Role(id, description, service string, conditions map[string]any, statements []Statement) awsiam.CfnRole {
	trust := map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": service + ".amazonaws.com"},
	}
	if len(conditions) > 0 {
		trust["Condition"] = maps.Clone(conditions)
	}
	return awsiam.NewCfnRole(s.Scope, &id, &awsiam.CfnRoleProps{
		Description:              &description,
		AssumeRolePolicyDocument: Document(trust),
		Policies:                 &[]any{&awsiam.CfnRole_PolicyProperty{PolicyName: new("Rights"), PolicyDocument: Policy(statements)}},
	})
}

// OwnAccount is the trust condition that keeps a service from using a role on behalf of another account.
func OwnAccount() map[string]any {
	return map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()}}
}
