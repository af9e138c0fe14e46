package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// workersName names the group. It is given, not generated, so that roles and instances can name it without a circle.
const workersName = "${AWS::StackName}-workers"

// The hooks of a worker's life: it is in service only when its bootstrap said so, and gone only when it has drained.
const (
	bootHook, bootTime   = "boot", 10 * time.Minute
	drainHook, drainTime = "drain", 2 * time.Minute // the worker asks for more as long as it drains
)

// workers makes the group of workers. A change of the configuration changes what they are told at their start, and so
// replaces them.
func (b *builder) workers(configuration awscdk.CfnResource) awsautoscaling.CfnAutoScalingGroup {
	role := b.s.Role("WorkerRole", "Workers of a Data Transfer Hub task", "ec2", nil, b.rights.Of(policy.Worker()))
	variables := append(b.engine(workerProgram, "worker"),
		variable{"revision", kit.Attribute(configuration, wiring.AttrDigest)},
		variable{"group", kit.Sub(workersName)}, variable{"boot", new(bootHook)}, variable{"drain", new(drainHook)})
	template := instance{
		id: "Worker", name: "worker", gibibytes: 20, role: role, group: b.network, userData: awscdk.Fn_Base64(new(script("worker", variables))),
	}.launchTemplate(b.s)
	return newGroup(b.s, b.c, template, awscdk.Token_AsNumber(kit.Attribute(configuration, wiring.AttrOnDemandPercent)))
}

// newGroup makes the group. onDemand is the share of its instances that do not run on Spot capacity, in percent.
func newGroup(s *kit.Stack, c conditions, template awsec2.CfnLaunchTemplate, onDemand *float64) awsautoscaling.CfnAutoScalingGroup {
	// Nothing but these two rests while the task is paused: an update is refused when the group may have no more workers than it
	// must keep meanwhile, which is none.
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html
	unlessPaused := func(parameter string) *string { return c.paused.Choose(new("0"), kit.Ref(parameter)) }
	group := awsautoscaling.NewCfnAutoScalingGroup(s.Scope, new("Workers"), &awsautoscaling.CfnAutoScalingGroupProps{
		AutoScalingGroupName: kit.Sub(workersName),
		MinSize:              unlessPaused("minCapacity"),
		MaxSize:              kit.Ref("maxCapacity"),
		DesiredCapacity:      unlessPaused("desiredCapacity"),
		VpcZoneIdentifier:    kit.ListOf("ec2Subnets"),
		CapacityRebalance:    new(true),
		MixedInstancesPolicy: &awsautoscaling.CfnAutoScalingGroup_MixedInstancesPolicyProperty{
			LaunchTemplate: &awsautoscaling.CfnAutoScalingGroup_LaunchTemplateProperty{
				LaunchTemplateSpecification: &awsautoscaling.CfnAutoScalingGroup_LaunchTemplateSpecificationProperty{
					LaunchTemplateId: template.Ref(), Version: template.AttrLatestVersionNumber(),
				},
				Overrides: &[]any{&awsautoscaling.CfnAutoScalingGroup_LaunchTemplateOverridesProperty{InstanceRequirements: listedTypes()}},
			},
			InstancesDistribution: &awsautoscaling.CfnAutoScalingGroup_InstancesDistributionProperty{
				OnDemandBaseCapacity:                new(0.0),
				OnDemandPercentageAboveBaseCapacity: onDemand,
				SpotAllocationStrategy:              new("price-capacity-optimized"),
			},
		},
		LifecycleHookSpecificationList: &[]any{
			hook(bootHook, "autoscaling:EC2_INSTANCE_LAUNCHING", bootTime, "ABANDON"),
			hook(drainHook, "autoscaling:EC2_INSTANCE_TERMINATING", drainTime, "CONTINUE"),
		},
		MetricsCollection: &[]any{&awsautoscaling.CfnAutoScalingGroup_MetricsCollectionProperty{
			Granularity: new("1Minute"), Metrics: kit.List("GroupDesiredCapacity", "GroupInServiceInstances"),
		}},
	})
	// A new template, and so a new program, replaces all workers at once: what they hold comes back to the queue.
	group.CfnOptions().SetUpdatePolicy(&awscdk.CfnUpdatePolicy{
		AutoScalingRollingUpdate: &awscdk.CfnAutoScalingRollingUpdate{
			MinInstancesInService: new(0.0), MaxBatchSize: new(100.0), SuspendProcesses: kit.List("AlarmNotification", "ScheduledActions", "AZRebalance"),
		},
		// Sizes that the template did not change are what the backlog made of them; an update leaves them so.
		AutoScalingScheduledAction: &awscdk.CfnAutoScalingScheduledAction{IgnoreUnmodifiedGroupSizeProperties: new(true)},
	})
	return group
}

// listedTypes are exactly the instance types that the parameter lists. By default a group would leave out types that are
// 20 % dearer than the cheapest, burstable ones and bare metal.
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRequirements.html
func listedTypes() any {
	const noLimit = 999999.0
	return &awsautoscaling.CfnAutoScalingGroup_InstanceRequirementsProperty{
		AllowedInstanceTypes: kit.ListOf("workerInstanceTypes"),
		VCpuCount:            &awsautoscaling.CfnAutoScalingGroup_VCpuCountRequestProperty{Min: new(0.0)},
		MemoryMiB:            &awsautoscaling.CfnAutoScalingGroup_MemoryMiBRequestProperty{Min: new(0.0)},
		BurstablePerformance: new("included"),
		BareMetal:            new("included"),
		OnDemandMaxPricePercentageOverLowestPrice: new(noLimit),
		SpotMaxPricePercentageOverLowestPrice:     new(noLimit),
	}
}

func hook(name, transition string, patience time.Duration, otherwise string) any {
	return &awsautoscaling.CfnAutoScalingGroup_LifecycleHookSpecificationProperty{
		LifecycleHookName: &name, LifecycleTransition: &transition, HeartbeatTimeout: kit.Seconds(patience), DefaultResult: &otherwise,
	}
}
