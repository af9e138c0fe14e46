package machinesaws

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// TaskStack is what the Lambdas of an S3 task's stack work with.
type TaskStack struct {
	t                                  *testing.T
	url                                string
	LaunchTemplate, Subnet, Group      string
	Source, Queue, RunTable, Parameter string // the parameter holds the configuration
}

// NewTaskStack makes it. The configuration names the buckets "from-here" and "to-there".
func NewTaskStack(t *testing.T, url string) *TaskStack {
	t.Helper()
	cfg, ctx := standinaws.Config(t, url), t.Context()
	s := &TaskStack{t: t, url: url, Source: "from-here", RunTable: "runs", Parameter: "/datatransferhub/task/configuration"}
	vpc, subnet := Network(t, url)
	s.Subnet = subnet
	machines := ec2.NewFromConfig(cfg)
	template, err := machines.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("finder"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String("ami-12c6146b"), InstanceType: ec2types.InstanceTypeM7gLarge},
	})
	must(t, err)
	s.LaunchTemplate = *template.LaunchTemplate.LaunchTemplateId
	group, err := machines.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("task"), Description: aws.String("of a test"), VpcId: &vpc})
	must(t, err)
	s.Group = *group.GroupId
	_, err = dynamodb.NewFromConfig(cfg).CreateTable(ctx, runaws.TableInput(s.RunTable))
	must(t, err)
	for _, bucket := range []string{s.Source, "to-there"} {
		_, err = files(t, url).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		must(t, err)
	}
	_, err = sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("objects")})
	must(t, err)
	s.Queue = "arn:aws:sqs:us-east-1:123456789012:objects"
	_, err = ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{Name: &s.Parameter, Type: ssmtypes.ParameterTypeString, Value: aws.String(`{
		"stackName": "stack", "region": "us-east-1", "queueUrl": "` + url + `/123456789012/objects", "ledgerTable": "ledger", "runTable": "` + s.RunTable + `",
		"parameters": {"srcBucket": "` + s.Source + `", "destBucket": "to-there"}}`)})
	must(t, err)
	return s
}

// Instances are those that are there, by the value of a tag.
func (s *TaskStack) Instances(tag string) map[string]int {
	s.t.Helper()
	out, err := ec2.NewFromConfig(standinaws.Config(s.t, s.url)).DescribeInstances(s.t.Context(), &ec2.DescribeInstancesInput{
		Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}},
	})
	must(s.t, err)
	found := map[string]int{}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			for _, t := range i.Tags {
				if aws.ToString(t.Key) == tag {
					found[aws.ToString(t.Value)]++
				}
			}
		}
	}
	return found
}

// Subscribed are the events of the source bucket that go to queues, by the queue.
func (s *TaskStack) Subscribed() map[string][]string {
	s.t.Helper()
	out, err := files(s.t, s.url).GetBucketNotificationConfiguration(s.t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &s.Source})
	must(s.t, err)
	found := map[string][]string{}
	for _, q := range out.QueueConfigurations {
		for _, e := range q.Events {
			found[*q.QueueArn] = append(found[*q.QueueArn], string(e))
		}
	}
	return found
}

// Pause is what the run table says of a pause.
func (s *TaskStack) Pause() run.Pause {
	s.t.Helper()
	p, err := runaws.Open(standinaws.Config(s.t, s.url), s.RunTable, retry.Policy{}).Pause(context.WithoutCancel(s.t.Context()))
	must(s.t, err)
	return p
}
