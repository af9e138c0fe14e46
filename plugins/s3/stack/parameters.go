package stack

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/contract"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
)

// special are parameters that CloudFormation knows more of than text: their types give pickers in the console, existence
// checks, and lists that other resources can take as they are.
var special = map[string]string{
	"ec2VpcId":            "AWS::EC2::VPC::Id",
	"ec2Subnets":          "List<AWS::EC2::Subnet::Id>",
	"workerInstanceTypes": "CommaDelimitedList",
}

// declareParameters writes the contract's parameters, and the rules between them that CloudFormation can express.
func declareParameters(s *kit.Stack, c *contract.Contract) {
	contractstack.Parameters(s, c, special)
	betweenParameters(s)
}

// handedOver returns the parameters as the programs' configuration takes them: names and texts.
func handedOver(s *kit.Stack, c *contract.Contract) map[string]any {
	compatible := s.Condition("DestinationIsCompatible", kit.Is("destType", "S3_Compatible"))
	other := c.Defaults(contract.Values{"destType": "S3_Compatible"})
	out := map[string]any{}
	for i := range c.Parameters {
		p := &c.Parameters[i]
		value := kit.Ref(p.Name)
		switch special[p.Name] {
		case "CommaDelimitedList", "List<AWS::EC2::Subnet::Id>":
			value = kit.JoinList(",", p.Name)
		}
		if _, differs := other[p.Name]; differs {
			// A template cannot tell a default from a choice. Untouched, it is left to the contract.
			untouched := s.Condition("Untouched"+contractstack.Upper(p.Name), kit.All(compatible.Holds(), kit.Is(p.Name, p.Default)))
			value = untouched.Choose(new(""), value)
		}
		out[p.Name] = value
	}
	return out
}

func betweenParameters(s *kit.Stack) {
	for _, end := range []struct{ id, side, kind string }{{"Source", "src", "srcType"}, {"Destination", "dest", "destType"}} {
		keys, role, external := end.side+"Credentials", end.side+"RoleArn", end.side+"ExternalId"
		s.Rule(end.id+"Endpoint", "S3_Compatible needs "+end.side+"Endpoint, such as https://s3.example.com.",
			kit.Is(end.kind, "S3_Compatible"), kit.Given(end.side+"Endpoint"))
		s.Rule(end.id+"Identity", "Give either "+keys+" or "+role+", not both.",
			kit.Given(keys), kit.Is(role, ""))
		s.Rule(end.id+"ExternalId", external+" goes with "+role+", which is empty.",
			kit.Given(external), kit.Given(role))
	}
	s.Rule("OneSelection", "Give only one of srcPrefix, srcPrefixList and srcPrefixsListFile.",
		nil, kit.Any(
			kit.All(kit.Is("srcPrefix", ""), kit.Is("srcPrefixList", "")),
			kit.All(kit.Is("srcPrefix", ""), kit.Is("srcPrefixsListFile", "")),
			kit.All(kit.Is("srcPrefixList", ""), kit.Is("srcPrefixsListFile", ""))))
	s.Rule("ListBucket", "srcPrefixListBucket goes with srcPrefixsListFile, which is empty.",
		kit.Given("srcPrefixListBucket"), kit.Given("srcPrefixsListFile"))
	s.Rule("SubnetsOfVpc", "All ec2Subnets must lie in ec2VpcId.",
		nil, kit.EveryOf("AWS::EC2::Subnet::Id", "VpcId", "AWS::EC2::VPC::Id"))
}
