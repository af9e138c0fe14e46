package stack

import (
	"github.com/datatransferhub/dth/infra/kit"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
)

// The name of the state machine is given, not generated, so that it, its role and the Lambdas can name each other without a
// circle. What is unique in the stack's id is in it; the stack's own name may be too long.
const (
	machineName = "DataTransferHub-images-${Unique}"
	machineArn  = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:" + machineName
)

// conditions are what parts of the template depend on.
type conditions struct {
	scheduled  kit.Condition // runs begin by a schedule, not only once
	expression kit.Condition // the schedule is a whole expression, not the six fields alone
	pushes     kit.Condition // runs begin with pushes, too
	prefixed   kit.Condition // repositories of the destination have a prefix
	here       kit.Condition // the destination may be the registry whose pushes are followed
	paused     kit.Condition // the task is paused: nothing begins by itself
	public     kit.Condition // tasks have public addresses
	given      kit.Condition // the copier's image is given
	released   kit.Condition // the release has one
}

func declareConditions(s *kit.Stack) conditions {
	declareImage(s)
	kind := kit.Before("(", kit.Ref("scheduleExpression"))
	c := conditions{
		scheduled:  s.Condition(string(policy.Scheduled), kit.Given("scheduleExpression")),
		expression: s.Condition("ScheduleIsExpression", kit.Any(kit.Equals(kind, new("cron")), kit.Equals(kind, new("rate")))),
		pushes:     s.Condition(string(policy.FollowsPushes), kit.Is("pushEvents", "Yes")),
		prefixed:   s.Condition("HasPrefix", kit.Given("destPrefix")),
		paused:     s.Condition("IsPaused", kit.Is(ecr.ParameterStartPaused, "true")),
		public:     s.Condition("HasPublicAddresses", kit.Is("assignPublicIp", "true")),
		given:      s.Condition("ImageIsGiven", kit.Given("copierImage")),
		released:   s.Condition("ImageIsReleased", kit.Not(kit.Equals(ofImage(imageRepository), new("")))),
	}
	// With keys the account is not known; then it may be this one.
	account := kit.Any(kit.Is("destAccountId", ""), kit.Equals(kit.Ref("destAccountId"), kit.Ref("AWS::AccountId")))
	c.here = s.Condition("CopiesArePushes", kit.All(kit.Equals(kit.Ref("destRegion"), kit.Ref("AWS::Region")), account, c.prefixed.Holds()))
	// Of ACCOUNT.dkr.ecr.REGION.SUFFIX/NAME the second field. Images of other registries take no rights.
	inECR := s.Condition("ImageIsInECR", kit.Equals(kit.Field(".", 1, kit.Sub("${copierImage}.....")), new("dkr")))
	released := kit.All(kit.Not(c.given.Holds()), c.released.Holds())
	s.Condition(string(policy.HasImage), kit.Any(kit.All(c.given.Holds(), inECR.Holds()), released))
	return c
}

// newRights declares the conditions of the circumstances and computes the names.
func (b *builder) newRights() contractstack.Rights {
	s := b.s
	r := contractstack.Rights{When: map[policy.When]kit.Condition{
		policy.Scheduled: b.c.scheduled, policy.FollowsPushes: b.c.pushes, policy.HasImage: {Name: string(policy.HasImage)},
	}}
	declare := func(w policy.When, e kit.Expression) {
		r.When[w] = s.Condition(string(w), e)
	}
	declare(policy.SourceByOwnRole, kit.All(kit.Is("sourceType", "Amazon_ECR"), kit.Is("srcCredential", ""), kit.Is("srcRoleArn", "")))
	declare(policy.DestinationByOwnRole, kit.All(kit.Is("destCredential", ""), kit.Is("destRoleArn", "")))
	declare(policy.DeletesByOwnRole, kit.All(kit.Is("deleteExtraneous", "Yes"), r.When[policy.DestinationByOwnRole].Holds()))
	declare(policy.SourceBySecret, kit.Given("srcCredential"))
	declare(policy.SourceByAssumedRole, kit.Given("srcRoleArn"))
	declare(policy.DestinationBySecret, kit.Given("destCredential"))
	declare(policy.DestinationByAssumedRole, kit.Given("destRoleArn"))
	declare(policy.ListedInParameter, kit.Given("srcImageListParameter"))
	declare(policy.ListedInObject, kit.Equals(kit.Before("//", kit.Ref("srcImageList")), new("s3:")))
	or := func(condition, parameter, otherwise string) *string {
		return s.Condition(condition, kit.Given(parameter)).Choose(kit.Ref(parameter), kit.Ref(otherwise))
	}
	slash := s.Condition("ListParameterHasSlash", kit.Equals(kit.Before("/", kit.Ref("srcImageListParameter")), new("")))
	r.Values = map[string]*string{
		policy.SourceRegion:       or("SourceRegionIsGiven", "srcRegion", "AWS::Region"),
		policy.SourceAccount:      or("SourceAccountIsGiven", "srcAccountId", "AWS::AccountId"),
		policy.DestinationAccount: or("DestinationAccountIsGiven", "destAccountId", "AWS::AccountId"),
		policy.DestinationPrefix:  b.c.prefixed.Choose(folder(), new("")),
		policy.SourceSecret:       secret(s, "SourceSecretIsArn", "srcCredential"),
		policy.DestinationSecret:  secret(s, "DestinationSecretIsArn", "destCredential"),
		policy.ListParameter:      slash.Choose(kit.Ref("srcImageListParameter"), kit.Sub("/${srcImageListParameter}")),
		// Of s3://BUCKET/KEY, what is behind the scheme. Where there is none, nobody asks.
		policy.ListObject:      kit.Field("s3://", 1, kit.Sub("${srcImageList}s3://")),
		policy.Configuration:   kit.Sub(configuration),
		policy.MachineName:     machine(),
		policy.Family:          family(),
		policy.ImageRepository: b.imageRepository(),
	}
	return r
}

// folder is the destination's prefix with one slash at its end, as programs put it in front of names.
func folder() *string {
	return kit.SubWith("${Folder}/", map[string]*string{"Folder": kit.Before("//", kit.Sub("${destPrefix}//"))})
}

// machine is the name of the state machine.
func machine() *string { return kit.SubWith(machineName, map[string]*string{"Unique": kit.Unique()}) }

// secret returns the ARN of a secret that is named or given by ARN. Secrets Manager puts a hyphen and six characters behind
// a name.
func secret(s *kit.Stack, condition, parameter string) *string {
	whole := s.Condition(condition, kit.Equals(kit.Before(":", kit.Ref(parameter)), new("arn")))
	named := "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${" + parameter + "}-??????"
	return whole.Choose(kit.Ref(parameter), kit.Sub(named))
}
