package stack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
)

// The template has the contract's parameters, no more and no less, with its defaults, groups and labels.
func TestParametersAreTheContract(t *testing.T) {
	tmpl, c := released(t), s3.Contract()
	var want []string
	for i := range c.Parameters {
		p := &c.Parameters[i]
		want = append(want, p.Name)
		declared := tmpl.part("Parameters", p.Name)
		given, has := declared["Default"]
		if mandatory := p.Required && len(p.When) == 0; has == mandatory || has && given != p.Default {
			t.Errorf("%s: default %v, the contract's is %q", p.Name, given, p.Default)
		}
		if declared["Description"] != p.Help {
			t.Errorf("%s: description %v", p.Name, declared["Description"])
		}
		if label := tmpl.part("Metadata", "AWS::CloudFormation::Interface", "ParameterLabels", p.Name); label["default"] != p.Label {
			t.Errorf("%s: label %v", p.Name, label)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(tmpl.part("Parameters"))); !slices.Equal(got, want) {
		t.Errorf("parameters %v, want %v", got, want)
	}
	var grouped []string
	for _, g := range tmpl.part("Metadata", "AWS::CloudFormation::Interface")["ParameterGroups"].([]any) {
		for _, name := range g.(object)["Parameters"].([]any) {
			grouped = append(grouped, name.(string))
		}
	}
	if slices.Sort(grouped); !slices.Equal(grouped, want) {
		t.Errorf("the console's groups show %v", grouped)
	}
}

// The configuration is made of all parameters.
func TestConfigurationHoldsEveryParameter(t *testing.T) {
	tmpl := released(t)
	handed := tmpl.properties("Configuration")["Document"].(object)["parameters"].(object)
	for name := range tmpl.part("Parameters") {
		if got := names(handed[name]); !slices.Contains(got, name) {
			t.Errorf("%s is handed over as %v", name, handed[name])
		}
	}
	if len(handed) != len(tmpl.part("Parameters")) {
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

// refusal returns what CloudFormation would say of parameters before it creates anything: constraints of single ones, then
// rules. "" means that it accepts them.
func (t *template) refusal(given map[string]string) string {
	values := map[string]string{}
	for name, p := range t.part("Parameters") {
		p := p.(object)
		value, ok := given[name]
		if !ok {
			if value, ok = p["Default"].(string); !ok {
				return name + " is missing"
			}
		}
		values[name] = value
		if why := constraint(p, value); why != "" {
			return name + ": " + why
		}
	}
	for id, r := range t.part("Rules") {
		if when := r.(object)["RuleCondition"]; when != nil && !holds(when, values) {
			continue
		}
		for _, a := range r.(object)["Assertions"].([]any) {
			if !holds(a.(object)["Assert"], values) {
				return id + ": " + a.(object)["AssertDescription"].(string)
			}
		}
	}
	return ""
}

func constraint(p object, value string) string {
	if allowed, ok := p["AllowedValues"].([]any); ok && !slices.Contains(allowed, any(value)) {
		return "not an allowed value"
	}
	// CloudFormation lets a pattern match the whole value.
	if pattern, ok := p["AllowedPattern"].(string); ok && !regexp.MustCompile("^(?:"+pattern+")$").MatchString(value) {
		return "does not match " + pattern
	}
	if least, ok := p["MinLength"].(float64); ok && len([]rune(value)) < int(least) {
		return "too short"
	}
	if most, ok := p["MaxLength"].(float64); ok && len([]rune(value)) > int(most) {
		return "too long"
	}
	if p["Type"] != "Number" {
		return ""
	}
	n, err := strconv.ParseFloat(value, 64)
	if least, ok := p["MinValue"].(float64); err != nil || ok && n < least {
		return "too small"
	}
	if most, ok := p["MaxValue"].(float64); ok && n > most {
		return "too large"
	}
	return ""
}

// holds evaluates a rule's expression. What the account alone knows, such as the VPC of a subnet, is taken to hold.
func holds(e any, values map[string]string) bool {
	for operator, operands := range e.(object) {
		list := operands.([]any)
		switch operator {
		case "Fn::Equals":
			return value(list[0], values) == value(list[1], values)
		case "Fn::Not":
			return !holds(list[0], values)
		case "Fn::And":
			return !slices.ContainsFunc(list, func(e any) bool { return !holds(e, values) })
		case "Fn::Or":
			return slices.ContainsFunc(list, func(e any) bool { return holds(e, values) })
		case "Fn::Contains":
			return slices.Contains(list[0].([]any), any(value(list[1], values)))
		case "Fn::EachMemberIn":
			return true
		default:
			panic("the rules use " + operator + ", which this test does not know")
		}
	}
	return false
}

func value(v any, values map[string]string) string {
	if o, ok := v.(object); ok {
		return values[o["Ref"].(string)]
	}
	return v.(string)
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
			refused := released(t).refusal(given)
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
		for name, p := range tmpl.part("Parameters") {
			given[name], _ = p.(object)["Default"].(string)
		}
		maps.Copy(given, complete(map[string]string{"destType": kind, "destEndpoint": "https://s3.example.com"}))
		for name, v := range tmpl.properties("Configuration")["Document"].(object)["parameters"].(object) {
			if choice, ok := v.(object)["Fn::If"].([]any); ok && tmpl.evaluate(tmpl.condition(choice[0].(string)), given) {
				given[name] = value(choice[1], given)
			}
		}
		values, err := s3.Contract().Validate(given)
		if err != nil || values["destStorageClass"] != want {
			t.Errorf("%s: storage class %q, want %q; %v", kind, values["destStorageClass"], want, err)
		}
	}
}

// condition returns a condition with those that it refers to put in their places.
func (t *template) condition(name string) any {
	var expand func(any) any
	expand = func(e any) any {
		switch e := e.(type) {
		case object:
			if other, ok := e["Condition"].(string); ok {
				return t.condition(other)
			}
			out := object{}
			for k, v := range e {
				out[k] = expand(v)
			}
			return out
		case []any:
			out := make([]any, len(e))
			for i := range e {
				out[i] = expand(e[i])
			}
			return out
		}
		return e
	}
	return expand(t.part("Conditions")[name])
}

// The wider patterns of types take whatever the contract's parsers take.
func TestPatternsOfTypes(t *testing.T) {
	for kind, samples := range map[contract.Type][]string{
		contract.Size:    {"0", "64MiB", "1.5GiB", "1GB", " 5 TiB ", "64M", "10b", "3PB"},
		contract.Rate:    {"0", "200MiB/s", "1GB/s", "5MiB"},
		contract.Time:    {"2026-01-31T00:00:00Z", "2026-01-31T00:00:00.123456+02:00"},
		contract.Percent: {"0", "7", "99%", "100"},
	} {
		for _, sample := range samples {
			if !regexp.MustCompile(typePatterns[kind]).MatchString(sample) {
				t.Errorf("%s %q is refused by %s", kind, sample, typePatterns[kind])
			}
		}
	}
}
