package stack

import (
	"regexp"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/policy"
)

// rights turns the policies of the plugin into statements of the template: circumstances into conditions, computed names
// into values.
type rights struct {
	when   map[policy.When]kit.Condition
	values map[string]*string
}

// name finds the names in a text of a policy.
var name = regexp.MustCompile(`\$\{([^}]+)\}`)

// of returns statements for a role.
func (r rights) of(statements []policy.Statement) []kit.Statement {
	out := make([]kit.Statement, len(statements))
	for i, st := range statements {
		out[i] = kit.Statement{Sid: st.Sid, Actions: st.Actions}
		for _, resource := range st.Resources {
			out[i].Resources = append(out[i].Resources, r.text(resource))
		}
		for operator, keys := range st.Conditions {
			if out[i].Conditions == nil {
				out[i].Conditions = map[string]map[string][]*string{}
			}
			out[i].Conditions[operator] = map[string][]*string{}
			for key, values := range keys {
				for _, value := range values {
					out[i].Conditions[operator][key] = append(out[i].Conditions[operator][key], r.text(value))
				}
			}
		}
		if st.When != policy.Always {
			condition := r.when[st.When]
			out[i].When = &condition
		}
	}
	return out
}

// text fills in a text's computed names and leaves the others to CloudFormation.
func (r rights) text(text string) *string {
	used := map[string]*string{}
	for _, found := range name.FindAllStringSubmatch(text, -1) {
		if value, computed := r.values[found[1]]; computed {
			used[found[1]] = value
		}
	}
	return kit.SubWith(text, used)
}

// newRights declares the conditions of the circumstances and computes the names.
func newRights(s *kit.Stack, engines map[string]kit.File) rights {
	r := rights{when: circumstances(s)}
	slash := new("/")
	prefixed := s.Condition("HasDestinationPrefix", kit.All(kit.Given("destPrefix"), kit.Not(kit.Is("destPrefix", "/"))))
	elsewhere := s.Condition("DestinationIsElsewhere", kit.Given("destRegion"))
	region := elsewhere.Choose(kit.Ref("destRegion"), kit.Ref("AWS::Region"))
	r.values = map[string]*string{
		// One slash is added, and two at the end become one: "in" and "in/" are the same.
		policy.DestinationKeys:   prefixed.Choose(kit.Replace("//", slash, kit.Sub("${destPrefix}/")), new("")),
		policy.SourceSecret:      secret(s, "SourceSecretIsArn", "srcCredentials"),
		policy.DestinationSecret: secret(s, "DestinationSecretIsArn", "destCredentials"),
		policy.DestinationRegion: region,
		policy.DestinationKeyArn: key(s, "destPutObjectSSEKmsKeyId", region),
		policy.Configuration:     kit.Sub(configuration),
		policy.WorkersName:       kit.Sub(workersName),
		policy.ControllerName:    machineName("controller"),
		policy.MonitorName:       machineName("monitor"),
	}
	for name, file := range engines {
		r.values[name] = kit.Join("/", file.Bucket, file.Key)
	}
	return r
}

// circumstances are the conditions that policies ask for.
func circumstances(s *kit.Stack) map[policy.When]kit.Condition {
	own := func(side string) kit.Expression {
		return kit.All(kit.Is(side+"Type", "Amazon_S3"), kit.Is(side+"Credentials", ""), kit.Is(side+"RoleArn", ""))
	}
	when := map[policy.When]kit.Condition{}
	declare := func(w policy.When, e kit.Expression) kit.Condition {
		when[w] = s.Condition(string(w), e)
		return when[w]
	}
	source := declare(policy.SourceByOwnRole, own("src"))
	destination := declare(policy.DestinationByOwnRole, own("dest"))
	declare(policy.SourceBySecret, kit.Given("srcCredentials"))
	declare(policy.SourceByAssumedRole, kit.Given("srcRoleArn"))
	declare(policy.DestinationBySecret, kit.Given("destCredentials"))
	declare(policy.DestinationByAssumedRole, kit.Given("destRoleArn"))
	declare(policy.PrefixListElsewhere, kit.All(source.Holds(), kit.Given("srcPrefixListBucket")))
	declare(policy.Reports, kit.All(destination.Holds(), kit.Given("reportBucket")))
	id := "destPutObjectSSEKmsKeyId"
	alias := kit.Equals(kit.Before("/", kit.Ref(id)), new("alias"))
	declare(policy.DestinationKeyAlias, kit.All(destination.Holds(), alias))
	declare(policy.DestinationKey, kit.All(destination.Holds(), kit.Given(id), kit.Not(alias)))
	return when
}

// isArn holds when a parameter begins with "arn:".
func isArn(parameter string) kit.Expression {
	return kit.Equals(kit.Before(":", kit.Ref(parameter)), new("arn"))
}

// secret returns the ARN of a secret that is named or given by ARN. Secrets Manager puts a hyphen and six characters behind
// a name.
func secret(s *kit.Stack, condition, parameter string) *string {
	whole := s.Condition(condition, isArn(parameter))
	named := "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${" + parameter + "}-??????"
	return whole.Choose(kit.Ref(parameter), kit.Sub(named))
}

// key returns the ARN of a KMS key that is given by id or ARN.
func key(s *kit.Stack, parameter string, region *string) *string {
	whole := s.Condition("DestinationKeyIsArn", isArn(parameter))
	named := "arn:${AWS::Partition}:kms:${Region}:${AWS::AccountId}:key/${" + parameter + "}"
	return whole.Choose(kit.Ref(parameter), kit.SubWith(named, map[string]*string{"Region": region}))
}
