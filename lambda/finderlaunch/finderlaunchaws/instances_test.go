package finderlaunchaws_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/finderlaunch/finderlaunchaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// only lets a configuration call what the package declares.
func only(t *testing.T, cfg aws.Config) aws.Config {
	start, look, end, bus := finderlaunchaws.Actions()
	return standinaws.Only(t, cfg, slices.Concat(start, look, end, bus))
}

// account has a launch template, a subnet and a security group.
func account(t *testing.T) (o finderlaunchaws.Options, subnet string) {
	t.Helper()
	client := ec2.NewFromConfig(standinaws.Config(t, moto.URL))
	template, err := client.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(t.Name()), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String("ami-12c6146b"), InstanceType: types.InstanceTypeM7gLarge},
	})
	if err != nil {
		t.Fatal(err)
	}
	subnets, err := client.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	group, err := client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String(t.Name()), Description: aws.String("of a test"), VpcId: subnets.Subnets[0].VpcId})
	if err != nil {
		t.Fatal(err)
	}
	return finderlaunchaws.Options{Stack: t.Name(), LaunchTemplate: *template.LaunchTemplate.LaunchTemplateId, Version: "1", SecurityGroup: *group.GroupId}, *subnets.Subnets[0].SubnetId
}

// An instance is started as it was asked for, found by its tags, and ended; those of other stacks and workers are not ours.
func TestInstances(t *testing.T) {
	o, subnet := account(t)
	var sent url.Values
	cfg := standinaws.Between(only(t, standinaws.Config(t, moto.URL)), func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if form, err := url.ParseQuery(string(r.Body)); err == nil && form.Get("Action") == "RunInstances" {
			sent = form
		}
		return next()
	})
	ours := finderlaunchaws.Open(cfg, o)
	other := o
	other.Stack = "another"
	theirs := finderlaunchaws.Open(cfg, other)
	id, err := ours.Start(t.Context(), finderlaunch.Launch{Subnet: subnet, Token: "token", Mode: finderlaunch.Close, Run: "run-1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ClientToken": "token", "LaunchTemplate.LaunchTemplateId": o.LaunchTemplate, "LaunchTemplate.Version": "1", "MinCount": "1", "MaxCount": "1", "UserData": "",
		"NetworkInterface.1.SubnetId": subnet, "NetworkInterface.1.SecurityGroupId.1": o.SecurityGroup, "NetworkInterface.1.AssociatePublicIpAddress": "false",
	} {
		if sent.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, sent.Get(name), want)
		}
	}
	if tags := tagsOf(t, id); tags != "DataTransferHubStack=TestInstances DthMode=close DthRun=run-1 Name=TestInstances finder" {
		t.Errorf("its tags are %s", tags)
	}
	if _, err := theirs.Start(t.Context(), finderlaunch.Launch{Subnet: subnet, Token: "other", Mode: finderlaunch.Pass}); err != nil {
		t.Fatal(err)
	}
	found, err := ours.Running(t.Context())
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Mode != finderlaunch.Close || time.Since(found[0].Launched) > time.Hour {
		t.Errorf("running are %+v, %v", found, err)
	}
	if err := ours.End(t.Context(), id); err != nil {
		t.Error(err)
	}
	if found, err = ours.Running(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("after its end there are %+v, %v", found, err)
	}
	if err := ours.End(t.Context(), "i-0123456789abcdef0"); err == nil || !strings.Contains(err.Error(), "i-0123456789abcdef0") {
		t.Errorf("ending one that is not there: %v", err)
	}
}

func tagsOf(t *testing.T, id string) string {
	t.Helper()
	out, err := ec2.NewFromConfig(standinaws.Config(t, moto.URL)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, tag := range out.Reservations[0].Instances[0].Tags {
		if !strings.HasPrefix(*tag.Key, "aws:") {
			tags = append(tags, *tag.Key+"="+*tag.Value)
		}
	}
	slices.Sort(tags)
	return strings.Join(tags, " ")
}

// Want of room is told apart from what another subnet would refuse too.
func TestRefusals(t *testing.T) {
	for code, room := range map[string]bool{"InsufficientInstanceCapacity": true, "Unsupported": true, "UnauthorizedOperation": false, "InvalidLaunchTemplateId.NotFound": false} {
		cfg := standinaws.Between(standinaws.Config(t, moto.URL), func(standinaws.Request, func() (*http.Response, error)) (*http.Response, error) {
			return answer(http.StatusBadRequest, `<Response><Errors><Error><Code>`+code+`</Code><Message>no</Message></Error></Errors></Response>`), nil
		})
		cfg.RetryMaxAttempts = 1
		_, err := finderlaunchaws.Open(cfg, finderlaunchaws.Options{}).Start(t.Context(), finderlaunch.Launch{Subnet: "s", Token: "t"})
		if err == nil || errors.Is(err, finderlaunch.ErrNoCapacity) != room || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestAnnounce(t *testing.T) {
	var sent struct {
		Entries []struct {
			Source, DetailType, Detail string
			Resources                  []string
		}
	}
	cfg := standinaws.Between(only(t, standinaws.Config(t, moto.URL)), func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if err := json.Unmarshal(r.Body, &sent); err != nil {
			t.Error(err)
		}
		return next()
	})
	if err := finderlaunchaws.Announce(cfg, "task", "id")(t.Context(), finderlaunch.Pass); err != nil {
		t.Fatal(err)
	}
	// The rule of the template matches source, kind and stackId.
	if len(sent.Entries) != 1 || sent.Entries[0].Source != "datatransferhub.s3" || sent.Entries[0].DetailType != "FinderStarted" ||
		sent.Entries[0].Detail != `{"mode":"pass","stackId":"id","stackName":"task"}` || len(sent.Entries[0].Resources) != 1 {
		t.Errorf("told %+v", sent)
	}
	refusing := standinaws.Between(standinaws.Config(t, moto.URL), func(standinaws.Request, func() (*http.Response, error)) (*http.Response, error) {
		return answer(http.StatusOK, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slower"}]}`), nil
	})
	if err := finderlaunchaws.Announce(refusing, "task", "id")(t.Context(), finderlaunch.Pass); err == nil || !strings.Contains(err.Error(), "ThrottlingException: slower") {
		t.Errorf("an event that the bus refuses: %v", err)
	}
}
