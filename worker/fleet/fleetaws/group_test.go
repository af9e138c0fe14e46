package fleetaws_test

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func TestWake(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	client := autoscaling.NewFromConfig(cfg)
	_, err := client.CreateLaunchConfiguration(t.Context(), &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: aws.String("c"), ImageId: aws.String("ami-12c6146b"), InstanceType: aws.String("t3.micro"),
	})
	if err != nil {
		t.Fatal(err)
	}
	look, set := fleetaws.Actions()
	for _, c := range []struct {
		name         string
		desired, max int32
		woken        bool
		want         int32
	}{{"asleep", 0, 20, true, 1}, {"at-work", 3, 20, false, 3}, {"none-allowed", 0, 0, false, 0}} {
		_, err := client.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: &c.name, MinSize: aws.Int32(0), MaxSize: &c.max, DesiredCapacity: &c.desired, LaunchConfigurationName: aws.String("c"), AvailabilityZones: []string{"us-east-1a"},
		})
		if err != nil {
			t.Fatal(err)
		}
		woken, err := fleetaws.Open(standinaws.Only(t, cfg, append(look, set...)), c.name).Wake(t.Context())
		out, descErr := client.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{c.name}})
		if descErr != nil {
			t.Fatal(descErr)
		}
		if got := *out.AutoScalingGroups[0].DesiredCapacity; err != nil || woken != c.woken || got != c.want {
			t.Errorf("%s: woken %v, %v; %d are desired", c.name, woken, err, got)
		}
	}
	if _, err := fleetaws.Open(cfg, "nobody").Wake(t.Context()); err == nil {
		t.Error("a group that is not there is no error")
	}
}
