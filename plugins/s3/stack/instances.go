package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// image is Amazon Linux 2023 for arm64, looked up when the stack is created or updated.
// https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
const image = "{{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64}}"

// newSecurityGroup lets nothing in. Outwards it is open for TCP: stores listen on ports of their own choice.
func newSecurityGroup(s *kit.Stack) awsec2.CfnSecurityGroup {
	outwards := func(v4, v6 *string) any {
		return &awsec2.CfnSecurityGroup_EgressProperty{
			Description: new("AWS services and both stores"), IpProtocol: new("tcp"), FromPort: new(1.0), ToPort: new(65535.0), CidrIp: v4, CidrIpv6: v6,
		}
	}
	return awsec2.NewCfnSecurityGroup(s.Scope, new("SecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription:    new("Data Transfer Hub: nothing comes in"),
		VpcId:               kit.Ref("ec2VpcId"),
		SecurityGroupEgress: &[]any{outwards(new("0.0.0.0/0"), nil), outwards(nil, new("::/0"))},
	})
}

// instance is a kind of instance.
type instance struct {
	id           string // of its resources
	name         string // of its instances, beside the stack's
	instanceType *string
	gibibytes    float64 // of its volume
	ends         bool    // a shutdown terminates it
	role         awsiam.CfnRole
	group        awsec2.CfnSecurityGroup
	userData     *string
}

func (i instance) launchTemplate(s *kit.Stack) awsec2.CfnLaunchTemplate {
	profile := awsiam.NewCfnInstanceProfile(s.Scope, new(i.id+"Profile"), &awsiam.CfnInstanceProfileProps{Roles: &[]*string{i.role.Ref()}})
	data := &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
		ImageId:            new(image),
		InstanceType:       i.instanceType,
		IamInstanceProfile: &awsec2.CfnLaunchTemplate_IamInstanceProfileProperty{Arn: profile.AttrArn()},
		MetadataOptions: &awsec2.CfnLaunchTemplate_MetadataOptionsProperty{
			HttpEndpoint: new("enabled"), HttpTokens: new("required"), HttpPutResponseHopLimit: new(1.0),
			InstanceMetadataTags: new("enabled"), // an instance reads from its tags what it is for
		},
		BlockDeviceMappings: &[]any{&awsec2.CfnLaunchTemplate_BlockDeviceMappingProperty{
			DeviceName: new("/dev/xvda"), // the root device of Amazon Linux
			Ebs: &awsec2.CfnLaunchTemplate_EbsProperty{
				VolumeType: new("gp3"), VolumeSize: &i.gibibytes, Encrypted: new(true), DeleteOnTermination: new(true),
			},
		}},
		NetworkInterfaces: &[]any{&awsec2.CfnLaunchTemplate_NetworkInterfaceProperty{
			DeviceIndex: new(0.0), AssociatePublicIpAddress: kit.Value("assignPublicIp"), DeleteOnTermination: new(true),
			Groups: &[]*string{i.group.AttrGroupId()},
		}},
		UserData: i.userData,
	}
	if i.ends {
		data.InstanceInitiatedShutdownBehavior = new("terminate")
	}
	var tags []any
	for _, kind := range []string{"instance", "volume"} {
		tags = append(tags, &awsec2.CfnLaunchTemplate_TagSpecificationProperty{ResourceType: &kind, Tags: &[]*awscdk.CfnTag{
			{Key: new("Name"), Value: kit.Sub("${AWS::StackName}-" + i.name)},
			{Key: new(wiring.TagStack), Value: kit.Ref("AWS::StackName")},
		}})
	}
	data.TagSpecifications = &tags
	return awsec2.NewCfnLaunchTemplate(s.Scope, new(i.id+"Template"), &awsec2.CfnLaunchTemplateProps{LaunchTemplateData: data})
}
