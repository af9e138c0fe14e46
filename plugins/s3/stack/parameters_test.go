package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract/stack/stacktest"
	"github.com/datatransferhub/dth/plugins/s3"
)

// The template has the contract's parameters, no more and no less, with its defaults, groups and labels.
func TestParametersAreTheContract(t *testing.T) { stacktest.Parameters(t, released(t), s3.Contract()) }

// The configuration is made of all parameters.
func TestConfigurationHoldsEveryParameter(t *testing.T) {
	tmpl := released(t)
	handed := tmpl.Properties("Configuration")["Document"].(object)["parameters"].(object)
	for name := range tmpl.Part("Parameters") {
		if got := names(handed[name]); !slices.Contains(got, name) {
			t.Errorf("%s is handed over as %v", name, handed[name])
		}
	}
	if len(handed) != len(tmpl.Part("Parameters")) {
		t.Errorf("%d parameters are handed over", len(handed))
	}
}

// complete are parameters that the contract takes.
func complete(change map[string]string) map[string]string {
	all := map[string]string{
		"srcBucket": "from-here", "destBucket": "to-there", "ec2VpcId": "vpc-0123456789abcdef0",
		"ec2Subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1", "alarmEmail": "a@example.com",
	}
	maps.Copy(all, change)
	return all
}

// What the contract takes, the template takes; what the template refuses, the contract refuses.
func TestTemplateAndContractAgree(t *testing.T) {
	long := strings.Repeat("x", 1024)
	for _, tt := range []struct {
		change map[string]string
		says   string // of the template; "" accepts
	}{
		{nil, ""},
		{map[string]string{"srcBucket": ""}, "srcBucket"},
		{map[string]string{"srcBucket": "no/slash"}, "srcBucket"},
		{map[string]string{"srcType": "Tape"}, "srcType"},
		{map[string]string{"srcPrefix": "with \"quotes\" and ünïcode/"}, ""},
		{map[string]string{"srcPrefix": long}, ""},
		{map[string]string{"srcPrefix": long + "x"}, "srcPrefix"},
		{map[string]string{"srcType": "S3_Compatible", "srcEndpoint": "https://s3.example.com:9000"}, ""},
		{map[string]string{"srcType": "S3_Compatible"}, "SourceEndpoint"},
		{map[string]string{"srcType": "S3_Compatible", "srcEndpoint": "http://[::1]:9000"}, ""},
		{map[string]string{"srcType": "Aliyun_OSS", "srcEvent": "Create"}, "OnlySrcEvent"},
		{map[string]string{"srcType": "Aliyun_OSS", "srcAccountId": "123456789012"}, "OnlySrcAccountId"},
		{map[string]string{"srcAccountId": "12345"}, "srcAccountId"},
		{map[string]string{"srcCredentials": "keys", "srcRoleArn": "arn:aws-cn:iam::123456789012:role/r"}, "SourceIdentity"},
		{map[string]string{"destCredentials": "keys", "destRoleArn": "arn:aws:iam::123456789012:role/r"}, "DestinationIdentity"},
		{map[string]string{"srcRoleArn": "arn:aws:iam::123456789012:role/a/r", "srcExternalId": "x1"}, ""},
		{map[string]string{"srcExternalId": "x1"}, "SourceExternalId"},
		{map[string]string{"srcPrefix": "a", "srcPrefixList": "b"}, "OneSelection"},
		{map[string]string{"srcPrefixsListFile": "list.txt", "srcPrefixListBucket": "lists"}, ""},
		{map[string]string{"srcPrefixListBucket": "lists"}, "ListBucket"},
		{map[string]string{"destType": "S3_Compatible", "destEndpoint": "https://s3.example.com"}, ""},
		{map[string]string{"destType": "S3_Compatible"}, "DestinationEndpoint"},
		{map[string]string{"destPutObjectSSEType": "AWS_KMS"}, "NeedsDestPutObjectSSEKmsKeyId"},
		{map[string]string{"destPutObjectSSEType": "AWS_KMS", "destPutObjectSSEKmsKeyId": "alias/mine"}, ""},
		{map[string]string{"destPutObjectSSEKmsKeyId": "alias/mine"}, "OnlyDestPutObjectSSEKmsKeyId"},
		{map[string]string{"minSize": "1.5 GiB", "maxSize": "2000000000"}, ""},
		{map[string]string{"minSize": "big"}, "minSize"},
		{map[string]string{"bandwidthLimit": "200MiB/s"}, ""},
		{map[string]string{"bandwidthLimit": "fast"}, "bandwidthLimit"},
		{map[string]string{"modifiedAfter": "2026-01-31T00:00:00.5+01:00"}, ""},
		{map[string]string{"modifiedAfter": "yesterday"}, "modifiedAfter"},
		{map[string]string{"maxDeleteShare": "25%"}, ""},
		{map[string]string{"maxDeleteShare": "101"}, "maxDeleteShare"},
		{map[string]string{"maxCapacity": "1001"}, "maxCapacity"},
		{map[string]string{"spotPercent": "100"}, ""},
		{map[string]string{"spotPercent": "30%"}, ""},
		{map[string]string{"spotPercent": "x"}, "spotPercent"},
		{map[string]string{"ec2CronExpression": ""}, ""},
		{map[string]string{"ec2CronExpression": "rate(1 day)"}, ""},
		{map[string]string{"alarmEmail": "nobody"}, "alarmEmail"},
		{map[string]string{"permissionsBoundaryArn": "arn:aws-us-gov:iam::123456789012:policy/b"}, ""},
		{map[string]string{"permissionsBoundaryArn": "b"}, "permissionsBoundaryArn"},
	} {
		t.Run(fmt.Sprint(tt.change), func(t *testing.T) {
			given := complete(tt.change)
			refused := released(t).Refusal(given)
			_, err := s3.Contract().Validate(given)
			if (refused == "") != (tt.says == "") || !strings.HasPrefix(refused, tt.says) {
				t.Errorf("the template says %q, want %q", refused, tt.says)
			}
			if (err != nil) != (refused != "") {
				t.Errorf("the contract says %v, the template %q", err, refused)
			}
		})
	}
}

// Every default that the template hands over is one that the contract takes, for each kind of destination.
func TestUntouchedParametersAreLeftToTheContract(t *testing.T) {
	tmpl := released(t)
	for kind, want := range map[string]string{"Amazon_S3": "INTELLIGENT_TIERING", "S3_Compatible": "none"} {
		given := map[string]string{}
		for name, p := range tmpl.Part("Parameters") {
			given[name], _ = p.(object)["Default"].(string)
		}
		maps.Copy(given, complete(map[string]string{"destType": kind, "destEndpoint": "https://s3.example.com"}))
		for name, v := range tmpl.Properties("Configuration")["Document"].(object)["parameters"].(object) {
			if choice, ok := v.(object)["Fn::If"].([]any); ok && tmpl.Evaluate(tmpl.Condition(choice[0].(string)), given) {
				given[name] = choice[1].(string)
			}
		}
		values, err := s3.Contract().Validate(given)
		if err != nil || values["destStorageClass"] != want {
			t.Errorf("%s: storage class %q, want %q; %v", kind, values["destStorageClass"], want, err)
		}
	}
}
