package stack

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// understood are the types that the stand-in makes as AWS does. References to the others are put as texts.
var understood = []string{
	"AWS::DynamoDB::Table", "AWS::EC2::SecurityGroup", "AWS::IAM::Role", "AWS::Events::Rule", "AWS::StepFunctions::StateMachine",
	"AWS::Logs::LogGroup", "AWS::Lambda::Function", "AWS::ECS::TaskDefinition", "AWS::S3::Bucket",
}

// account is a stand-in for AWS.
type account struct{ kittest.Account }

// The template, as far as the stand-in understands it, becomes the resources that the programs need.
func TestStackInMoto(t *testing.T) {
	a := account{kittest.NewAccount(t)}
	network := a.Query("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}})
	subnets, vpc := kittest.InTag(network, "subnetId"), kittest.InTag(network, "vpcId")
	const image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/copier:1.0"
	ids := a.Create(released(t).Pruned(t, understood, nil), complete(map[string]string{
		"ecsVpcId": vpc[0], "ecsSubnetA": subnets[0], "ecsSubnetB": subnets[1], "scheduleExpression": "30 1 * * ? *", "copierImage": image, "destPrefix": "mirror/",
	}))
	t.Run("machine", func(t *testing.T) { a.T = t; a.checkMachine(ids, subnets) })
	t.Run("rule", func(t *testing.T) { a.T = t; a.checkRule(ids) })
	t.Run("role", func(t *testing.T) { a.T = t; a.checkRole(ids) })
	t.Run("task", func(t *testing.T) { a.T = t; a.checkTask(ids, image) })
}

// The stack of a paused task has neither a schedule that ticks nor pushes that are followed.
func TestPausedStackInMoto(t *testing.T) {
	a := account{kittest.NewAccount(t)}
	network := a.Query("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}})
	subnets, vpc := kittest.InTag(network, "subnetId"), kittest.InTag(network, "vpcId")
	ids := a.Create(released(t).Pruned(t, understood, nil), complete(map[string]string{
		"ecsVpcId": vpc[0], "ecsSubnetA": subnets[0], "ecsSubnetB": subnets[1], "copierImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/copier:1.0", "destPrefix": "mirror/", "pushEvents": "Yes", "startPaused": "true",
	}))
	for _, id := range []string{"Schedule", "Pushes"} {
		if rule := a.JSON("events", "AWSEvents.DescribeRule", object{"Name": ids[id]}); rule["State"] != "DISABLED" {
			t.Errorf("%s: %v", id, rule)
		}
	}
}

// The real definition, with everything filled in: the integration with ECS that no stand-in executes.
func (a account) checkMachine(ids map[string]string, subnets []string) {
	machine := a.JSON("states", "AWSStepFunctions.DescribeStateMachine", object{"stateMachineArn": ids["Runs"]})
	definition, _ := machine["definition"].(string)
	if strings.Contains(definition, "${") {
		a.T.Errorf("the definition has names that nobody filled in: %s", definition)
	}
	var m struct {
		States struct {
			Plan struct{ Parameters struct{ FunctionName string } }
			Copy struct {
				ItemProcessor struct {
					States map[string]struct {
						Resource   string
						Parameters struct {
							Cluster, TaskDefinition, LaunchType string
							NetworkConfiguration                struct {
								AwsvpcConfiguration struct {
									Subnets, SecurityGroups []string
									AssignPublicIp          string //nolint:revive // ECS's spelling
								}
							}
							Overrides struct {
								ContainerOverrides []struct {
									Name        string
									Environment []map[string]string
								}
							}
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(definition), &m); err != nil {
		a.T.Fatal(err)
	}
	task := m.States.Copy.ItemProcessor.States["Copy a batch"]
	p := task.Parameters
	network := p.NetworkConfiguration.AwsvpcConfiguration
	if task.Resource != "arn:aws:states:::ecs:runTask.sync" || p.Cluster != "plugins" || p.LaunchType != "FARGATE" || p.TaskDefinition != "task-copier" {
		a.T.Errorf("tasks: %+v", task)
	}
	if len(network.Subnets) != 2 || network.Subnets[0] != subnets[0] || network.AssignPublicIp != "DISABLED" || len(network.SecurityGroups) != 1 || !strings.HasPrefix(network.SecurityGroups[0], "sg-") {
		a.T.Errorf("network: %+v", network)
	}
	container := p.Overrides.ContainerOverrides[0]
	if container.Name != "copier" || len(container.Environment) != 4 || container.Environment[1]["Value.$"] != "$.batch" {
		a.T.Errorf("container: %+v", container)
	}
	if !strings.Contains(m.States.Plan.Parameters.FunctionName, ids["PlanFunction"]) {
		a.T.Errorf("the plan is made by %s", m.States.Plan.Parameters.FunctionName)
	}
}

func (a account) checkRule(ids map[string]string) {
	rule := a.JSON("events", "AWSEvents.DescribeRule", object{"Name": ids["Schedule"]})
	if rule["ScheduleExpression"] != "cron(30 1 * * ? *)" || rule["State"] != "ENABLED" {
		a.T.Errorf("rule: %v", rule)
	}
	targets := compact(a.JSON("events", "AWSEvents.ListTargetsByRule", object{"Rule": ids["Schedule"]})["Targets"])
	if !strings.Contains(targets, ids["Runs"]) {
		a.T.Errorf("targets: %s, want %s", targets, ids["Runs"])
	}
	if ids["Pushes"] != "" {
		a.T.Error("pushes are followed though nobody asked for it")
	}
}

func (a account) checkRole(ids map[string]string) {
	answer := a.Query("iam", "2010-05-08", url.Values{"Action": {"GetRolePolicy"}, "RoleName": {ids["CopierRole"]}, "PolicyName": {"Rights"}})
	text, err := url.QueryUnescape(kittest.InTag(answer, "PolicyDocument")[0])
	if err != nil {
		a.T.Fatal(err)
	}
	if !strings.Contains(text, "arn:aws:ecr:eu-west-1:123456789012:repository/mirror/*") || strings.Contains(text, "${") || strings.Contains(text, "Fn::") {
		a.T.Errorf("rights of the copier: %s", text)
	}
}

func (a account) checkTask(ids map[string]string, image string) {
	kind := "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition"
	task := a.JSON("ecs", kind, object{"taskDefinition": ids["CopierTask"]})["taskDefinition"].(object)
	text := compact(task)
	if task["family"] != "task-copier" || !strings.Contains(text, `"image":"`+image+`"`) || !strings.Contains(text, `"value":"ssm:/datatransferhub/task/configuration"`) {
		a.T.Errorf("task: %s", text)
	}
}
