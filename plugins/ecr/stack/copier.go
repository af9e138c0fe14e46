package stack

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

// The mapping that alone says which image a release runs. `dth publish` fills it in; without an image, its values are empty and
// the parameter copierImage has to be given.
const (
	imageMapping    = "CopierImage"
	imageRelease    = "Release"
	imageAccount    = "Account"    // that owns the repository
	imageRepository = "Repository" // in the ECR of each region
	imageDigest     = "Digest"     // of the index, the same in each region
)

func declareImage(s *kit.Stack) {
	awscdk.NewCfnMapping(s.Scope, new(imageMapping), &awscdk.CfnMappingProps{Lazy: new(false), Mapping: &map[string]*map[string]any{
		imageRelease: {imageAccount: "", imageRepository: "", imageDigest: ""},
	}})
}

func ofImage(key string) *string {
	return awscdk.Fn_FindInMap(new(imageMapping), new(imageRelease), &key, nil)
}

// copierImage is the copier's image: the one that is given, else the release's, else "", which the configuration's resource
// refuses. An ECR's host ends as the partition's services do.
func (b *builder) copierImage() *string {
	released := kit.SubWith("${Account}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/${Repository}@${Digest}", map[string]*string{
		"Account": ofImage(imageAccount), "Repository": ofImage(imageRepository), "Digest": ofImage(imageDigest),
	})
	return b.c.given.Choose(kit.Ref("copierImage"), b.c.released.Choose(released, new("")))
}

// imageRepository is the ARN of the repository that the image is pulled from. Of ACCOUNT.dkr.ecr.REGION.SUFFIX/NAME:TAG or @DIGEST
// it takes the account, the region, and of the name the first part; of a name with slashes the rest is left open.
func (b *builder) imageRepository() *string {
	given := kit.Ref("copierImage")
	name := kit.Before("@", kit.Before(":", kit.Field("/", 1, kit.Sub("${copierImage}/"))))
	// Of a text with fewer dots, which nobody asks about, the fields are those of the dots behind it.
	host := kit.Sub("${copierImage}.....")
	own := kit.SubWith("arn:${AWS::Partition}:ecr:${Region}:${Account}:repository/${Name}*", map[string]*string{
		"Region": kit.Field(".", 3, host), "Account": kit.Before(".", given), "Name": name,
	})
	released := kit.SubWith("arn:${AWS::Partition}:ecr:${AWS::Region}:${Account}:repository/${Name}", map[string]*string{
		"Account": ofImage(imageAccount), "Name": ofImage(imageRepository),
	})
	return b.c.given.Choose(own, released)
}

// newSecurityGroup lets nothing in. Outwards it is open for TCP: registries listen on ports of their own choice.
func newSecurityGroup(s *kit.Stack) awsec2.CfnSecurityGroup {
	outwards := func(v4, v6 *string) any {
		return &awsec2.CfnSecurityGroup_EgressProperty{
			Description: new("AWS services and both registries"), IpProtocol: new("tcp"), FromPort: new(1.0), ToPort: new(65535.0), CidrIp: v4, CidrIpv6: v6,
		}
	}
	return awsec2.NewCfnSecurityGroup(s.Scope, new("SecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription:    new("Data Transfer Hub: nothing comes in"),
		VpcId:               kit.Ref("ecsVpcId"),
		SecurityGroupEgress: &[]any{outwards(new("0.0.0.0/0"), nil), outwards(nil, new("::/0"))},
	})
}

// copier makes the definition of the tasks that copy. The container runs as nobody in particular, may write to one folder, and has
// no rights of Linux beside. It is made after the configuration, which refuses a stack without an image.
func (b *builder) copier(configured awscdk.CfnResource) awsecs.CfnTaskDefinition {
	role := b.s.Role("CopierRole", "Copies the images of a Data Transfer Hub task", "ecs-tasks", kit.OwnAccount(), b.rights.Of(policy.Copier()))
	execution := b.s.Role("CopierExecutionRole", "Starts the copier of a Data Transfer Hub task", "ecs-tasks", kit.OwnAccount(), b.rights.Of(policy.Execution()))
	user := strconv.Itoa(wiring.UserID)
	const volume = "scratch"
	task := awsecs.NewCfnTaskDefinition(b.s.Scope, new("CopierTask"), &awsecs.CfnTaskDefinitionProps{
		Family: family(), Cpu: kit.Ref("taskCpu"), Memory: kit.Ref("taskMemory"),
		NetworkMode: new("awsvpc"), RequiresCompatibilities: kit.List("FARGATE"),
		RuntimePlatform: &awsecs.CfnTaskDefinition_RuntimePlatformProperty{CpuArchitecture: kit.Ref("cpuArchitecture"), OperatingSystemFamily: new("LINUX")},
		TaskRoleArn:     role.AttrArn(), ExecutionRoleArn: execution.AttrArn(),
		Volumes: &[]any{&awsecs.CfnTaskDefinition_VolumeProperty{Name: new(volume)}},
		ContainerDefinitions: &[]any{&awsecs.CfnTaskDefinition_ContainerDefinitionProperty{
			Name: new(wiring.Container), Image: b.image, Essential: new(true), User: new(user + ":" + user), ReadonlyRootFilesystem: new(true),
			// What is held is handed back within the time that Fargate gives at most.
			StopTimeout: new(120.0),
			MountPoints: &[]any{&awsecs.CfnTaskDefinition_MountPointProperty{SourceVolume: new(volume), ContainerPath: new(wiring.Scratch), ReadOnly: new(false)}},
			LinuxParameters: &awsecs.CfnTaskDefinition_LinuxParametersProperty{
				InitProcessEnabled: new(true), Capabilities: &awsecs.CfnTaskDefinition_KernelCapabilitiesProperty{Drop: kit.List("ALL")},
			},
			Environment: variables(map[string]*string{
				wiring.EnvConfig: kit.Join("", new("ssm:"), kit.Sub(configuration)), wiring.EnvScratch: new(wiring.Scratch),
				// Programs that know nothing of us write to these.
				"HOME": new(wiring.Scratch), "TMPDIR": new(wiring.Scratch), "XDG_RUNTIME_DIR": new(wiring.Scratch),
			}),
			LogConfiguration: &awsecs.CfnTaskDefinition_LogConfigurationProperty{LogDriver: new("awslogs"), Options: &map[string]*string{
				"awslogs-group": kit.Ref(policy.CopierLogs), "awslogs-region": kit.Ref("AWS::Region"), "awslogs-stream-prefix": new("run"),
			}},
		}},
		Tags: &[]*awscdk.CfnTag{{Key: new("DataTransferHubStack"), Value: kit.Ref("AWS::StackName")}},
	})
	kit.Depend(task, configured)
	return task
}

// family names the task definition. Runs ask for it without a revision: CloudFormation deregisters the one that an update replaces,
// and nothing can be begun by that one any more.
func family() *string { return kit.Sub("${AWS::StackName}-copier") }

func variables(values map[string]*string) *[]any {
	var all []any
	for _, name := range sorted(values) {
		all = append(all, &awsecs.CfnTaskDefinition_KeyValuePairProperty{Name: &name, Value: values[name]})
	}
	return &all
}
