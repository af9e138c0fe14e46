package stack

import (
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// What the template computes from parameters: names in policies, and the schedule.
func TestComputedValues(t *testing.T) {
	tmpl := released(t)
	const keys, account = "arn:aws:kms:eu-west-1:123456789012:key/", "123456789012"
	const other = "arn:aws:kms:eu-west-2:210987654321:"
	for _, tt := range []struct {
		what  string // role and statement, or a property
		given map[string]string
		want  string // "": the statement is not there
	}{
		{"WorkerRole DestinationObjects", map[string]string{"destPrefix": "in"}, "arn:aws:s3:::to-there/Configuration.DestinationKeys"},
		{"WorkerRole DestinationObjects", map[string]string{"destCredentials": "keys"}, ""},
		{"WorkerRole DestinationObjects", map[string]string{"destType": "S3_Compatible"}, ""},
		{"FinderRole ReadSourceObjects", nil, "arn:aws:s3:::from-here/*"},
		{"FinderRole ReadSourceObjects", map[string]string{"srcType": "Aliyun_OSS"}, ""},
		{"FinderRole ReadSourceObjects", map[string]string{"srcRoleArn": "arn:aws:iam::1:role/r"}, ""},
		{"FinderRole SourceRole", map[string]string{"srcRoleArn": "arn:aws:iam::1:role/r"}, "arn:aws:iam::1:role/r"},
		{"FinderRole SourceRole", nil, ""},
		{"FinderRole SourceSecret", map[string]string{"srcCredentials": "a/name"}, "arn:aws:secretsmanager:us-east-1:" + account + ":secret:a/name-??????"},
		{"FinderRole SourceSecret", map[string]string{"srcCredentials": "arn:aws:secretsmanager:x:1:secret:n-abc"}, "arn:aws:secretsmanager:x:1:secret:n-abc"},
		{"FinderRole SourceSecret", nil, ""},
		{"FinderRole PrefixList", map[string]string{"srcPrefixListBucket": "lists", "srcPrefixsListFile": "a/list.txt"}, "arn:aws:s3:::lists/Configuration.PrefixListKey"},
		{"FinderRole PrefixList", map[string]string{"srcPrefixsListFile": "a/list.txt"}, ""},
		{"FinderRole Reports", map[string]string{"reportBucket": "reports", "reportPrefix": "r/"}, "arn:aws:s3:::reports/Configuration.ReportKeys"},
		{"FinderRole Reports", nil, ""},
		{"WorkerRole DestinationKey", map[string]string{"destPutObjectSSEKmsKeyId": "1234-ab", "destRegion": "eu-west-1"}, keys + "1234-ab"},
		{"WorkerRole DestinationKey", map[string]string{"destPutObjectSSEKmsKeyId": keys + "x"}, keys + "x"},
		{"WorkerRole DestinationKey", map[string]string{"destPutObjectSSEKmsKeyId": "alias/mine"}, ""},
		{"WorkerRole DestinationKeyAlias", map[string]string{"destPutObjectSSEKmsKeyId": "alias/mine", "destRegion": "eu-west-1"}, keys + "*"},
		{"WorkerRole DestinationKey", map[string]string{"destPutObjectSSEKmsKeyId": other + "alias/mine"}, ""},
		{"WorkerRole DestinationKeyAlias", map[string]string{"destPutObjectSSEKmsKeyId": other + "alias/a/b"}, other + "key/*"},
		{"WorkerRole DestinationKeyAlias", map[string]string{"destPutObjectSSEKmsKeyId": keys + "x"}, ""},
		{"WorkerRole DestinationKeyAlias", map[string]string{"destPutObjectSSEKmsKeyId": "1234-ab"}, ""},
		{"WorkerRole DestinationKeyAlias", nil, ""},
		{"WorkerRole Program", nil, "arn:aws:s3:::example-us-east-1/data-transfer-hub/v0.0.0/jobworker"},
		{"WorkerRole Controller", nil, "arn:aws:states:us-east-1:" + account + ":stateMachine:DataTransferHub-controller-0a1b"},
		{"TaskConfigFunctionRole LongConfiguration", nil, "arn:aws:s3:::ConfigurationBucket/datatransferhub/task/configuration.json"},
		{"FinderRole LongConfiguration", nil, "arn:aws:s3:::ConfigurationBucket/datatransferhub/task/configuration.json"},
		{"TaskConfigFunctionRole IncludeObject", map[string]string{"include": "s3://lists/a/in.txt"}, "arn:aws:s3:::lists/a/in.txt"},
		{"TaskConfigFunctionRole ExcludeObject", map[string]string{"exclude": "s3://lists/a/in.txt"}, "arn:aws:s3:::lists/a/in.txt"},
		{"TaskConfigFunctionRole PrefixesObject", map[string]string{"srcPrefixList": "s3://lists/a/in.txt"}, "arn:aws:s3:::lists/a/in.txt"},
		{"TaskConfigFunctionRole IncludeObject", map[string]string{"include": "*.txt"}, ""},
		{"Schedule ScheduleExpression", nil, "cron(0 * * * ? *)"},
		{"Schedule ScheduleExpression", map[string]string{"ec2CronExpression": "cron(5 4 * * ? *)"}, "cron(5 4 * * ? *)"},
		{"Schedule ScheduleExpression", map[string]string{"ec2CronExpression": "rate(1 day)"}, "rate(1 day)"},
		{"Controller StateMachineName", nil, "DataTransferHub-controller-0a1b"},
	} {
		given := complete(tt.given)
		for name, value := range map[string]string{
			"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": account, "AWS::StackName": "task", "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b",
		} {
			given[name] = value
		}
		id, part, _ := strings.Cut(tt.what, " ")
		properties := tmpl.Properties(id)
		got := ""
		if value, ok := properties[part]; ok {
			got = tmpl.Resolve(value, given).(string)
		} else {
			got = kittest.ResourceOf(tmpl.Resolve(properties["Policies"], given), part)
		}
		if got != tt.want {
			t.Errorf("%s with %v: %q, want %q", tt.what, tt.given, got, tt.want)
		}
	}
}
