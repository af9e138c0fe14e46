package portal

import (
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// Names of the template's own.
const (
	loginHost      = "LoginHost"      // what the hosts of sign-in pages end with
	reconcilerName = "ReconcilerName" // of the state machine
)

// names are the names in policies and addresses that the template computes.
func (b *builder) names(assets kit.Assets) map[string]*string {
	prefix := kit.Ref("AssetsBucketPrefix")
	if assets.Published != nil {
		prefix = b.c.prefix.Choose(prefix, kit.ReleasedPrefix())
	}
	values := map[string]*string{
		policy.AssetsPrefix: prefix,
		// Not "DataTransferHub-": the names of tasks' machines begin so, and the service role may change those.
		policy.StackWorkflowName: kit.Join("-", new("DataTransferHubPortal-stacks"), kit.Unique()),
		reconcilerName:           kit.Join("-", new("DataTransferHubPortal-reconciler"), kit.Unique()),
	}
	if b.variant == Cognito {
		mapping := map[string]*map[string]any{}
		for partition, host := range loginHosts {
			mapping[partition] = &object{"Host": host}
		}
		awscdk.NewCfnMapping(b.s.Scope, new("SignIn"), &awscdk.CfnMappingProps{Lazy: new(false), Mapping: &mapping})
		values[loginHost] = awscdk.Fn_FindInMap(new("SignIn"), awscdk.Aws_PARTITION(), new("Host"), nil)
	}
	return values
}

// named finds the names in a text of a policy.
var named = regexp.MustCompile(`\$\{([^}]+)\}`)

// rights turns statements of policies into those of the template.
func (b *builder) rights(statements []policy.Statement) []kit.Statement {
	out := make([]kit.Statement, len(statements))
	for i, st := range statements {
		out[i] = kit.Statement{Sid: st.Sid, Actions: st.Actions, Resources: b.texts(st.Resources)}
		for operator, keys := range st.Conditions {
			if out[i].Conditions == nil {
				out[i].Conditions = map[string]map[string][]*string{}
			}
			out[i].Conditions[operator] = map[string][]*string{}
			for key, values := range keys {
				out[i].Conditions[operator][key] = b.texts(values)
			}
		}
	}
	return out
}

func (b *builder) texts(texts []string) []*string {
	out := make([]*string, len(texts))
	for i, text := range texts {
		out[i] = b.text(text)
	}
	return out
}

// text fills in a text's computed names and leaves the others to CloudFormation.
func (b *builder) text(text string) *string {
	used := map[string]*string{}
	for _, found := range named.FindAllStringSubmatch(text, -1) {
		if value, computed := b.values[found[1]]; computed {
			used[found[1]] = value
		}
	}
	return kit.SubWith(text, used)
}
