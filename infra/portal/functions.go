package portal

import (
	"slices"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// function makes a Lambda as package wiring describes it, with what it reads of the environment.
func (b *builder) function(name string) kit.Lambda {
	l := lambdaOf(name)
	own := map[string]*string{}
	for _, variable := range l.Environment {
		own[variable] = b.environment(variable)
	}
	rights := b.rights(slices.Concat(policy.Lambda(l.Name), policy.Front(l.Name, b.variant == Cognito)))
	if name == wiring.Mirror { // Lambda sends what the function failed at, as the function
		rights = append(rights, kit.Statement{Sid: "LostNews", Actions: []string{"sqs:SendMessage"}, Resources: []*string{kit.Sub("${LostNews.Arn}")}})
	}
	return b.s.Function(l.ID, kit.Function{
		Name: l.Name, Description: l.Description, Memory: l.Memory, Timeout: l.Timeout, Environment: own,
		LogGroup: kit.Sub(logPrefix + l.Name), LogDays: kit.Number("LogRetentionDays"), Rights: rights,
	})
}

// environment is the value of a variable of Lambdas.
func (b *builder) environment(variable string) *string {
	switch variable {
	case wiring.EnvHub:
		return kit.Ref("AWS::StackName")
	case wiring.EnvVersion:
		return &b.version
	case wiring.EnvTasks:
		return kit.Ref(policy.TaskTable)
	case wiring.EnvAudit:
		return kit.Ref(policy.AuditTable)
	case wiring.EnvTopic:
		return kit.Ref(policy.Topic)
	case wiring.EnvAssets:
		return b.values[policy.AssetsPrefix]
	case wiring.EnvPluginVersion:
		return kit.Ref("AssetsVersion")
	case wiring.EnvServiceRole:
		return kit.Sub("${" + policy.ServiceRole + ".Arn}")
	case wiring.EnvBoundary:
		return kit.Ref("TaskBoundary")
	case wiring.EnvStackWorkflow:
		// By name: the machine's Lambda must not need the machine.
		return kit.SubWith("arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${"+policy.StackWorkflowName+"}", b.values)
	case wiring.EnvGroupsClaim:
		return b.groupsClaim()
	case wiring.EnvAutomationRole:
		return kit.Ref("AutomationRole")
	case wiring.EnvCluster:
		return kit.Ref("Cluster")
	case wiring.EnvVPC:
		return b.vpc()
	case wiring.EnvSubnets:
		return b.subnets()
	case wiring.EnvPublic:
		// Of a VPC that is given nobody knows it.
		return b.c.public.Choose(new("true"), new("false"))
	}
	panic("no value for the variable " + variable) // a mistake of the build
}

func lambdas() []wiring.Lambda { return slices.Concat(wiring.Lambdas(), wiring.FrontLambdas()) }

func lambdaOf(name string) wiring.Lambda {
	all := lambdas()
	return all[slices.IndexFunc(all, func(l wiring.Lambda) bool { return l.Name == name })]
}

// lambdaNames are the folders that the template's code comes from.
func lambdaNames() []string {
	var names []string
	for _, l := range lambdas() {
		names = append(names, l.Name)
	}
	return names
}
