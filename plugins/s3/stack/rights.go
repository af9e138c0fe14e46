package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// rights are those of the plugin's policies, in this template.
type rights struct{ contractstack.Rights }

// newRights declares the conditions of the circumstances and computes the names.
func newRights(s *kit.Stack, engines map[string]kit.File) rights {
	r := rights{contractstack.Rights{When: circumstances(s)}}
	elsewhere := s.Condition("DestinationIsElsewhere", kit.Given("destRegion"))
	region := elsewhere.Choose(kit.Ref("destRegion"), kit.Ref("AWS::Region"))
	r.Values = map[string]*string{
		policy.SourceSecret:      secret(s, "SourceSecretIsArn", "srcCredentials"),
		policy.DestinationSecret: secret(s, "DestinationSecretIsArn", "destCredentials"),
		policy.DestinationRegion: region,
		policy.Configuration:     kit.Sub(configuration),
		policy.WorkersName:       kit.Sub(workersName),
		policy.ControllerName:    machineName("controller"),
		policy.MonitorName:       machineName("monitor"),
	}
	r.keys(s, region)
	for _, list := range listObjects() {
		// Of s3://BUCKET/KEY, what is behind the scheme. Where there is none, nobody asks.
		r.Values[string(list.when)] = kit.Field("s3://", 1, kit.Sub("${"+list.parameter+"}s3://"))
	}
	for name, file := range engines {
		r.Values[name] = kit.Join("/", file.Bucket, file.Key)
	}
	return r
}

// compute adds the names that only the configuration's resource can compute.
func (r rights) compute(configuration awscdk.CfnResource) {
	for name, attribute := range map[string]string{
		policy.DestinationKeys: wiring.AttrDestinationKeys, policy.PrefixListKey: wiring.AttrPrefixListKey, policy.ReportKeys: wiring.AttrReportKeys,
	} {
		r.Values[name] = kit.Attribute(configuration, attribute)
	}
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
	for _, list := range listObjects() {
		declare(list.when, kit.Equals(kit.Before("//", kit.Ref(list.parameter)), new("s3:")))
	}
	alias := s.Condition("DestinationKeyIsAlias", kit.Equals(kit.Before("/", lastOf(keyID)), new("alias")))
	declare(policy.DestinationKeyAlias, kit.All(destination.Holds(), alias.Holds()))
	declare(policy.DestinationKey, kit.All(destination.Holds(), kit.Given(keyID), kit.Not(alias.Holds())))
	return when
}

// listObjects are the lists that may be in an object.
func listObjects() []listObject {
	return []listObject{{policy.PrefixesObject, "srcPrefixList"}, {policy.IncludeObject, "include"}, {policy.ExcludeObject, "exclude"}}
}

type listObject struct {
	when      policy.When
	parameter string
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

// keyID is the parameter that names a KMS key: by id, by alias, or by the ARN of either.
const keyID = "destPutObjectSSEKmsKeyId"

// lastOf returns what an ARN ends with, behind its partition, service, region and account; of other text, which has no colon,
// all of it.
func lastOf(parameter string) *string {
	whole := kit.Sub("${" + parameter + "}:::::${" + parameter + "}") // of an ARN its sixth field is its own, else the repetition
	return kit.Field(":", 5, whole)
}

// keysOf begins the ARN of a key of this account. The region is that of the destination.
const keysOf = "arn:${AWS::Partition}:kms:${Region}:${AWS::AccountId}:key/"

// keys computes the names for a KMS key. An alias is none that a policy could name: it may mean any key of its account and
// region, and a condition says which.
func (r rights) keys(s *kit.Stack, region *string) {
	whole := s.Condition("DestinationKeyIsArn", isArn(keyID))
	values := map[string]*string{"Region": region}
	r.Values[policy.DestinationKeyArn] = whole.Choose(kit.Ref(keyID), kit.SubWith(keysOf+"${"+keyID+"}", values))
	r.Values[policy.KeysOfAlias] = whole.Choose(kit.Join("", kit.Before(":alias/", kit.Ref(keyID)), new(":key/*")), kit.SubWith(keysOf+"*", values))
	r.Values[policy.AliasName] = lastOf(keyID)
}
