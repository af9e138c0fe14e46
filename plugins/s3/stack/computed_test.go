package stack

import (
	"slices"
	"strings"
	"testing"
)

// resolve computes a value of the template as CloudFormation would, from parameters and pseudo parameters.
func (t *template) resolve(v any, given map[string]string) any {
	switch v := v.(type) {
	case object:
		for operator, operand := range v {
			if len(v) == 1 && (operator == "Ref" || strings.HasPrefix(operator, "Fn::")) {
				return t.compute(operator, operand, given)
			}
		}
		out := object{}
		for key, member := range v {
			out[key] = t.resolve(member, given)
		}
		return out
	case []any:
		var out []any
		for _, element := range v {
			if value := t.resolve(element, given); value != noValue {
				out = append(out, value)
			}
		}
		return out
	}
	return v
}

// noValue is what a property is that is left out.
const noValue = "AWS::NoValue"

func (t *template) compute(operator string, operand any, given map[string]string) any {
	list, _ := operand.([]any)
	text := func(v any) string { return t.resolve(v, given).(string) }
	switch operator {
	case "Ref":
		if value, ok := given[operand.(string)]; ok {
			return value
		}
		if declared := t.part("Parameters", operand.(string)); declared != nil {
			return declared["Default"]
		}
		return operand
	case "Fn::GetAtt":
		return list[0].(string) + "." + list[1].(string)
	case "Fn::If":
		if t.evaluate(t.condition(list[0].(string)), given) {
			return t.resolve(list[1], given)
		}
		return t.resolve(list[2], given)
	case "Fn::Join":
		var parts []string
		for _, part := range t.resolve(list[1], given).([]any) {
			parts = append(parts, part.(string))
		}
		return strings.Join(parts, text(list[0]))
	case "Fn::Split":
		var parts []any
		for _, part := range strings.Split(text(list[1]), text(list[0])) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		return t.resolve(list[1], given).([]any)[int(list[0].(float64))]
	case "Fn::FindInMap":
		return t.part("Mappings", text(list[0]), text(list[1]))[text(list[2])]
	case "Fn::Sub":
		own := object{}
		body, single := operand.(string)
		if !single {
			body, own = list[0].(string), list[1].(object)
		}
		return inText.ReplaceAllStringFunc(body, func(name string) string {
			name = strings.Trim(name, "${}")
			if value, ok := own[name]; ok {
				return text(value)
			}
			return text(object{"Ref": name})
		})
	}
	panic("the template uses " + operator + ", which this test does not know")
}

// evaluate tells whether a condition holds.
func (t *template) evaluate(e any, given map[string]string) bool {
	for operator, operands := range e.(object) {
		list := operands.([]any)
		switch operator {
		case "Fn::Equals":
			return t.resolve(list[0], given) == t.resolve(list[1], given)
		case "Fn::Not":
			return !t.evaluate(list[0], given)
		case "Fn::And":
			return !slices.ContainsFunc(list, func(e any) bool { return !t.evaluate(e, given) })
		case "Fn::Or":
			return slices.ContainsFunc(list, func(e any) bool { return t.evaluate(e, given) })
		}
	}
	panic("the template has a condition that this test does not know")
}

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
		properties := tmpl.properties(id)
		got := ""
		if value, ok := properties[part]; ok {
			got = tmpl.resolve(value, given).(string)
		} else {
			got = resource(tmpl.resolve(properties["Policies"], given), part)
		}
		if got != tt.want {
			t.Errorf("%s with %v: %q, want %q", tt.what, tt.given, got, tt.want)
		}
	}
}

// resource returns the resource of a statement of resolved policies, "" when the statement is not there.
func resource(policies any, sid string) string {
	for _, s := range policies.([]any)[0].(object)["PolicyDocument"].(object)["Statement"].([]any) {
		if s.(object)["Sid"] == sid {
			return s.(object)["Resource"].([]any)[0].(string)
		}
	}
	return ""
}
