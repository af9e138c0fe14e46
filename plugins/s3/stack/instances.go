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

// newSecurityGroup lets nothing in. Outwards it is open for TCP: stores listen on ports of their own choice; and for questions to
// name servers: those of Amazon are asked past security groups, but a VPC may have its own.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
func newSecurityGroup(s *kit.Stack) awsec2.CfnSecurityGroup {
	anywhere := func(description, protocol string, from, to float64) []any {
		rule := func(v4, v6 *string) any {
			return &awsec2.CfnSecurityGroup_EgressProperty{Description: &description, IpProtocol: &protocol, FromPort: &from, ToPort: &to, CidrIp: v4, CidrIpv6: v6}
		}
		return []any{rule(new("0.0.0.0/0"), nil), rule(nil, new("::/0"))}
	}
	outwards := append(anywhere("AWS services and both stores", "tcp", 1, 65535), anywhere("Name servers of the VPC", "udp", 53, 53)...)
	return awsec2.NewCfnSecurityGroup(s.Scope, new("SecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription:    new("Data Transfer Hub: nothing comes in"),
		VpcId:               kit.Ref("ec2VpcId"),
		SecurityGroupEgress: &outwards,
	})
}

// instance is a kind of instance.
type instance struct {
	id           string // of its resources
	name         string // of its instances, beside the stack's
	instanceType *string
	gibibytes    float64 // of its volume
	ends         bool    // a shutdown terminates it
	reads        bool    // it reads from its tags what it is for
	role         awsiam.CfnRole
	group        awsec2.CfnSecurityGroup
	userData     *string
}

func (i instance) launchTemplate(s *kit.Stack) awsec2.CfnLaunchTemplate {
	profile := awsiam.NewCfnInstanceProfile(s.Scope, new(i.id+"Profile"), &awsiam.CfnInstanceProfileProps{Roles: &[]*string{i.role.Ref()}})
	options := &awsec2.CfnLaunchTemplate_MetadataOptionsProperty{
		HttpEndpoint: new("enabled"), HttpTokens: new("required"), HttpPutResponseHopLimit: new(1.0),
	}
	data := &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
		ImageId:            new(image),
		InstanceType:       i.instanceType,
		IamInstanceProfile: &awsec2.CfnLaunchTemplate_IamInstanceProfileProperty{Arn: profile.AttrArn()},
		MetadataOptions:    options,
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
	if i.reads {
		// Only where it must be: EC2 starts no instance that shows its tags when the key of one of them, such as an organization
		// may put on all that a stack makes, holds a space or a slash.
		// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
		options.InstanceMetadataTags = new("enabled")
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
