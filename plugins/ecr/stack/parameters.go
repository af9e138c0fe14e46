package stack

import (
	"github.com/datatransferhub/dth/infra/kit"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
	"github.com/datatransferhub/dth/plugins/ecr"
)

// special are parameters that CloudFormation knows more of than text.
var special = map[string]string{
	"ecsVpcId":   "AWS::EC2::VPC::Id",
	"ecsSubnetA": "AWS::EC2::Subnet::Id",
	"ecsSubnetB": "AWS::EC2::Subnet::Id",
}

// memories are the amounts of memory, in MiB, that Fargate takes for each CPU, of those that the contract allows.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
var memories = map[string][]string{
	"256":  {"512", "1024", "2048"},
	"512":  {"1024", "2048", "3072", "4096"},
	"1024": {"2048", "3072", "4096", "8192"},
	"2048": {"4096", "8192"},
	"4096": {"8192"},
}

// declareParameters writes the contract's parameters, and the rules between them that CloudFormation can express.
func declareParameters(s *kit.Stack) {
	contractstack.Parameters(s, ecr.Contract(), special)
	s.Rule("PublicNeedsList", "A registry that is no ECR cannot be listed whole: srcList must be SELECTED.", kit.Is("sourceType", "Public"), kit.Is("srcList", "SELECTED"))
	s.Rule("SelectedNeedsList", "SELECTED needs srcImageList or srcImageListParameter.",
		kit.Is("srcList", "SELECTED"), kit.Any(kit.Given("srcImageList"), kit.Given("srcImageListParameter")))
	s.Rule("OneList", "Give only one of srcImageList and srcImageListParameter.", kit.Given("srcImageList"), kit.Is("srcImageListParameter", ""))
	for _, end := range []struct{ id, side string }{{"Source", "src"}, {"Destination", "dest"}} {
		secret, role, external := end.side+"Credential", end.side+"RoleArn", end.side+"ExternalId"
		s.Rule(end.id+"Identity", "Give either "+secret+" or "+role+", not both.", kit.Given(secret), kit.Is(role, ""))
		s.Rule(end.id+"ExternalId", external+" goes with "+role+", which is empty.", kit.Given(external), kit.Given(role))
	}
	s.Rule("TwoSubnets", "ecsSubnetA and ecsSubnetB must be two.", nil, kit.Not(kit.Equals(kit.Ref("ecsSubnetA"), kit.Ref("ecsSubnetB"))))
	s.Rule("SubnetsOfVpc", "Both subnets must lie in ecsVpcId.", nil, kit.EveryOf("AWS::EC2::Subnet::Id", "VpcId", "AWS::EC2::VPC::Id"))
	for _, cpu := range []string{"256", "512", "1024", "2048", "4096"} {
		s.Rule("Memory"+cpu, "Fargate does not take this taskMemory with taskCpu "+cpu+".", kit.Is("taskCpu", cpu), kit.Contains(memories[cpu], "taskMemory"))
	}
}
