package portal

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// statement is one of a synthesized policy, its texts filled in for an account.
type statement struct {
	sid                string
	allow, except      bool // except: the resources are those that it is not about
	actions, resources []string
	conditions         map[string]map[string][]string
}

// filled are values of pseudo parameters.
var filled = strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", "eu-west-1", "${AWS::AccountId}", "123456789012", "${AWS::StackName}", "Hub")

// text fills in a value of a policy. Names of resources stay: Ref and Fn::GetAtt become <Name>.
func fill(v any) string {
	o, ok := v.(object)
	if !ok {
		return v.(string)
	}
	for function, operand := range o {
		switch function {
		case "Ref":
			return filled.Replace("${" + operand.(string) + "}")
		case "Fn::GetAtt":
			return "<" + operand.(list)[0].(string) + ">"
		case "Fn::Sub":
			if text, ok := operand.(string); ok {
				return filled.Replace(text)
			}
			text := operand.(list)[0].(string)
			for name, value := range operand.(list)[1].(object) {
				text = strings.ReplaceAll(text, "${"+name+"}", fill(value))
			}
			return filled.Replace(text)
		case "Fn::If":
			return fill(operand.(list)[1])
		case "Fn::Join":
			var parts []string
			for _, part := range operand.(list)[1].(list) {
				parts = append(parts, fill(part))
			}
			return strings.Join(parts, operand.(list)[0].(string))
		default:
			return kittest.Compact(o)
		}
	}
	return ""
}

func fills(v any) (texts []string) {
	values, ok := v.(list)
	if !ok {
		values = list{v}
	}
	for _, value := range values {
		texts = append(texts, fill(value))
	}
	return texts
}

func read(document any) (all []statement) {
	for _, s := range document.(object)["Statement"].(list) {
		body := s.(object)
		st := statement{allow: body["Effect"] == "Allow", actions: fills(body["Action"])}
		st.sid, _ = body["Sid"].(string)
		resources := body["Resource"]
		if resources == nil {
			resources, st.except = body["NotResource"], true
		}
		st.resources = fills(resources)
		if conditions, ok := body["Condition"].(object); ok {
			st.conditions = map[string]map[string][]string{}
			for operator, keys := range conditions {
				st.conditions[operator] = map[string][]string{}
				for key, values := range keys.(object) {
					st.conditions[operator][key] = fills(values)
				}
			}
		}
		all = append(all, st)
	}
	return all
}

// statements returns what a role may do by its own policies.
func (t *template) statements(role string) (all []statement) {
	for _, p := range t.properties(role)["Policies"].(list) {
		all = append(all, read(p.(object)["PolicyDocument"])...)
	}
	attached, _ := t.properties(role)["ManagedPolicyArns"].(list)
	for _, p := range attached {
		all = append(all, read(t.properties(p.(object)["Ref"].(string))["PolicyDocument"])...)
	}
	return all
}

// call is a request to AWS as its policies see it.
type call struct {
	action, resource string
	context          map[string]string
}

// fits reports whether a text is one of the patterns, in which * stands for anything.
func fits(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		quoted := strings.ReplaceAll(strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*"), `\?`, ".")
		return regexp.MustCompile("^" + quoted + "$").MatchString(text)
	})
}

func (s *statement) about(c call) bool {
	if !fits(s.actions, c.action) || fits(s.resources, c.resource) == s.except {
		return false
	}
	for operator, keys := range s.conditions {
		for key, values := range keys {
			if operator == "Null" {
				if _, given := c.context[key]; given == (values[0] == "true") {
					return false
				}
				continue
			}
			equal := fits(values, c.context[key]) && c.context[key] != ""
			if strings.HasPrefix(operator, "StringNot") == equal {
				return false
			}
		}
	}
	return true
}

// allowed decides as IAM does: nothing denies it, something allows it.
func allowed(statements []statement, c call) bool {
	ok := false
	for _, s := range statements {
		if s.about(c) {
			if !s.allow {
				return false
			}
			ok = true
		}
	}
	return ok
}

// What has a name is named. These have none yet, or take no resource at all.
var unnamed = []string{
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
	"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
	"cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "cloudwatch:ListDashboards", "s3:ListAllMyBuckets", "secretsmanager:ListSecrets", "kms:ListAliases", "kms:ListKeys", "kms:CreateKey", "kms:TagResource",
	"ecs:DescribeTaskDefinition", "ecs:DeregisterTaskDefinition",
}

func TestRolesNameWhatTheyUse(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for _, role := range tmpl.of("AWS::IAM::Role") {
			for _, s := range tmpl.statements(role) {
				for _, action := range s.actions {
					if strings.Contains(action, "*") {
						t.Errorf("%s: %s: action %s", role, s.sid, action)
					}
					looks := strings.HasPrefix(action, "ec2:Describe") || strings.HasPrefix(action, "autoscaling:Describe")
					starts := action == "ec2:RunInstances" && s.conditions["ArnLike"]["ec2:LaunchTemplate"] != nil
					if slices.Contains(s.resources, "*") && !looks && !starts && !slices.Contains(unnamed, action) {
						t.Errorf("%s: %s: %s is allowed on everything", role, s.sid, action)
					}
				}
			}
		}
	})
}

// Only CloudFormation gets a role handed over, by one Lambda; it hands on those of tasks alone. No role reads a secret.
func TestRolesAreHandedOverNowhereElse(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		passes := map[string][]string{"StackOpsFunctionRole": {"<ServiceRole>"}, "ServiceRole": {"arn:aws:iam::123456789012:role/DTH-t-*"}}
		for _, role := range tmpl.of("AWS::IAM::Role") {
			for _, s := range tmpl.statements(role) {
				if fits(s.actions, "iam:PassRole") && (!slices.Equal(s.resources, passes[role]) || len(s.conditions) == 0) {
					t.Errorf("%s: %s hands over %v", role, s.sid, s.resources)
				}
				if fits(s.actions, "secretsmanager:GetSecretValue") || fits(s.actions, "ssm:GetParameter") || fits(s.actions, "kms:Decrypt") && s.sid != "TellEncrypted" {
					t.Errorf("%s: %s reads what is secret", role, s.sid)
				}
			}
		}
	})
}

// Every role has a boundary when one is given, and the one that makes roles has its own always. Policies fit into IAM's limits:
// 10,240 characters within a role, 6,144 in a policy of its own.
func TestRolesAreBoundAndFit(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for _, role := range tmpl.of("AWS::IAM::Role") {
			want := `{"Fn::If":["HasBoundary",{"Ref":"PermissionsBoundaryArn"},{"Ref":"AWS::NoValue"}]}`
			if role == "ServiceRole" {
				want = `{"Ref":"ServiceBoundary"}`
			}
			if got := compact(tmpl.properties(role)["PermissionsBoundary"]); got != want {
				t.Errorf("%s: boundary %s", role, got)
			}
			if text := compact(tmpl.properties(role)["Policies"]); len(text) > 10240 {
				t.Errorf("%s: %d characters of policies", role, len(text))
			}
		}
		for _, policy := range tmpl.of("AWS::IAM::ManagedPolicy") {
			if text := compact(tmpl.properties(policy)["PolicyDocument"]); len(text) > 6144 {
				t.Errorf("%s: %d characters", policy, len(text))
			}
		}
	})
}

const (
	account  = ":eu-west-1:123456789012:"
	taskRole = "arn:aws:iam::123456789012:role/DTH-t-0123456789abcdef-WorkerRole-X"
)

// taskContext is what a request of CloudFormation for a task's stack carries.
func taskContext() map[string]string {
	return map[string]string{
		"aws:RequestTag/DataTransferHubTask": "t-1", "aws:ResourceTag/DataTransferHubTask": "t-1", "iam:PermissionsBoundary": "${TaskBoundary}",
		"iam:PassedToService": "lambda.amazonaws.com", "ec2:LaunchTemplate": "arn:aws:ec2" + account + "launch-template/lt-1",
	}
}

// The boundary takes away nothing of what the role's own policies say.
func TestServiceBoundaryFitsTheRole(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		boundary := read(tmpl.properties("ServiceBoundary")["PolicyDocument"])
		for _, s := range tmpl.statements("ServiceRole") {
			for _, action := range s.actions {
				for _, resource := range s.resources {
					if c := (call{action, strings.ReplaceAll(resource, "*", "1"), taskContext()}); !allowed(boundary, c) {
						t.Errorf("%s: %s on %s is refused", s.sid, action, c.resource)
					}
				}
			}
		}
		via := taskContext()
		via["kms:ViaService"] = "dynamodb.eu-west-1.amazonaws.com"
		if !allowed(boundary, call{"kms:CreateGrant", "arn:aws:kms" + account + "key/1", via}) {
			t.Error("tables cannot be encrypted")
		}
	})
}

// What plugins do not need is refused by the boundary, whatever the role's own policies say, and is in none of these.
func TestServiceRoleDoesNothingElse(t *testing.T) {
	without := func(key string) map[string]string {
		c := taskContext()
		delete(c, key)
		return c
	}
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		role, boundary := tmpl.statements("ServiceRole"), read(tmpl.properties("ServiceBoundary")["PolicyDocument"])
		for _, c := range []call{
			{"iam:CreateUser", "arn:aws:iam::123456789012:user/DTH-t-1", taskContext()},
			{"iam:CreateAccessKey", "arn:aws:iam::123456789012:user/somebody", taskContext()},
			{"iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/Hub-TaskBoundary-X", taskContext()},
			{"iam:CreateRole", "arn:aws:iam::123456789012:role/Admin", taskContext()},
			{"iam:CreateRole", taskRole, without("iam:PermissionsBoundary")},
			{"iam:PutRolePolicy", taskRole, without("iam:PermissionsBoundary")},
			{"iam:PutRolePolicy", "arn:aws:iam::123456789012:role/Hub-ServiceRole-X", taskContext()},
			{"iam:PutRolePermissionsBoundary", taskRole, without("iam:PermissionsBoundary")},
			{"iam:DeleteRolePermissionsBoundary", taskRole, taskContext()},
			{"iam:AttachRolePolicy", taskRole, taskContext()},
			{"iam:PassRole", "arn:aws:iam::123456789012:role/Admin", taskContext()},
			{"sts:AssumeRole", "arn:aws:iam::123456789012:role/Admin", taskContext()},
			{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager" + account + "secret:s", taskContext()},
			{"kms:Decrypt", "arn:aws:kms" + account + "key/1", taskContext()},
			{"dynamodb:DeleteTable", "arn:aws:dynamodb" + account + "table/Hub-TaskTable-X", taskContext()},
			{"dynamodb:GetItem", "arn:aws:dynamodb" + account + "table/DTH-t-1-Ledger-X", taskContext()},
			{"dynamodb:Scan", "arn:aws:dynamodb" + account + "table/DTH-t-1-Ledger-X", taskContext()},
			{"sqs:ReceiveMessage", "arn:aws:sqs" + account + "DTH-t-1-Queue-X", taskContext()},
			{"lambda:UpdateFunctionCode", "arn:aws:lambda" + account + "function:Hub-ApiFunction-X", taskContext()},
			{"states:UpdateStateMachine", "arn:aws:states" + account + "stateMachine:DataTransferHubPortal-stacks-1", taskContext()},
			{"s3:DeleteBucket", "arn:aws:s3:::bucket", taskContext()},
			{"s3:PutObject", "arn:aws:s3:::example-eu-west-1/x", taskContext()},
			{"s3:PutObject", "arn:aws:s3:::dth-t-1-configurationbucket-x/configuration.json", taskContext()},
			{"s3:PutBucketPolicy", "arn:aws:s3:::bucket", taskContext()},
			{"s3:PutReplicationConfiguration", "arn:aws:s3:::dth-t-1-configurationbucket-x", taskContext()},
			{"ec2:DeleteVpc", "arn:aws:ec2" + account + "vpc/vpc-1", taskContext()},
			{"organizations:LeaveOrganization", "*", taskContext()},
			{"cognito-idp:AdminAddUserToGroup", "*", taskContext()},
			{"cloudformation:DeleteStack", "*", taskContext()},
		} {
			if allowed(role, c) {
				t.Errorf("the role allows %s on %s", c.action, c.resource)
			}
			if allowed(boundary, c) {
				t.Errorf("the boundary allows %s on %s", c.action, c.resource)
			}
		}
		// What the role has the word on beside names: the tag of a task, and how instances come.
		foreign := func(tag string) map[string]string {
			c := without("aws:ResourceTag/DataTransferHubTask")
			c["aws:ResourceTag/"+tag] = "somebody's"
			return c
		}
		// Of groups and keys without the tag of a task the role has the word, not the boundary: the tag is a condition there.
		for _, c := range []call{
			{"ec2:DeleteSecurityGroup", securityGroup, without("aws:ResourceTag/DataTransferHubTask")},
			{"ec2:AuthorizeSecurityGroupIngress", securityGroup, foreign("Name")},
			{"ec2:AuthorizeSecurityGroupIngress", securityGroup, foreign("aws:cloudformation:stack-id")},
			{"ec2:CreateTags", securityGroup, foreign("Name")},
			{"ec2:CreateTags", securityGroup, foreign("aws:cloudformation:stack-id")},
			{"ec2:CreateTags", "arn:aws:ec2" + account + "instance/i-1", taskContext()},
			{"ec2:CreateTags", "arn:aws:ec2" + account + "subnet/subnet-1", taskContext()},
			{"kms:PutKeyPolicy", "arn:aws:kms" + account + "key/1", without("aws:ResourceTag/DataTransferHubTask")},
			{"ec2:RunInstances", "arn:aws:ec2" + account + "instance/*", without("ec2:LaunchTemplate")},
			{"kms:ScheduleKeyDeletion", "arn:aws:kms" + account + "key/1", without("aws:ResourceTag/DataTransferHubTask")},
		} {
			if allowed(role, c) {
				t.Errorf("the role allows %s on %s", c.action, c.resource)
			}
		}
	})
}

// The boundary of tasks' roles lets them do what the plugins' policies say, and keeps them from the hub and from each other's
// makers.
func TestTaskBoundary(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		boundary := read(tmpl.properties("TaskBoundary")["PolicyDocument"])
		for action, resource := range map[string]string{
			"s3:GetObject": "arn:aws:s3:::source/key", "s3:PutObject": "arn:aws:s3:::destination/key", "secretsmanager:GetSecretValue": "arn:aws:secretsmanager" + account + "secret:s",
			"sqs:ReceiveMessage": "arn:aws:sqs" + account + "DTH-t-1-Queue-X", "dynamodb:PutItem": "arn:aws:dynamodb" + account + "table/DTH-t-1-Ledger-X",
			"dynamodb:Query": "arn:aws:dynamodb" + account + "table/DTH-t-1-Ledger-X/index/ByError", "lambda:InvokeFunction": "arn:aws:lambda" + account + "function:DTH-t-1-F",
			"states:StartExecution": "arn:aws:states" + account + "stateMachine:DataTransferHub-monitor-1", "states:StopExecution": "arn:aws:states" + account + "execution:DataTransferHub-monitor-1:x",
			"iam:PassRole": taskRole, "ec2:RunInstances": "arn:aws:ec2" + account + "instance/*", "logs:CreateLogDelivery": "*", "xray:GetSamplingRules": "*",
			"ecs:RunTask": "arn:aws:ecs" + account + "task-definition/DTH-t-1-copier:1", "ecr:PutImage": "arn:aws:ecr" + account + "repository/r", "ecr:GetAuthorizationToken": "*",
			"states:DescribeExecution": "arn:aws:states" + account + "execution:DataTransferHub-images-1/Copy:x",
		} {
			if !allowed(boundary, call{action, resource, nil}) {
				t.Errorf("%s on %s is not allowed", action, resource)
			}
		}
		for _, c := range []call{
			{"dynamodb:PutItem", "arn:aws:dynamodb" + account + "table/Hub-TaskTable-X", nil},
			{"lambda:InvokeFunction", "arn:aws:lambda" + account + "function:Hub-ApiFunction-X", nil},
			{"states:StartExecution", "arn:aws:states" + account + "stateMachine:DataTransferHubPortal-stacks-1", nil},
			{"iam:PassRole", "arn:aws:iam::123456789012:role/Admin", nil},
			{"iam:CreateRole", taskRole, nil},
			{"cloudformation:CreateStack", "*", nil},
			{"lambda:UpdateFunctionCode", "arn:aws:lambda" + account + "function:DTH-t-1-F", nil},
		} {
			if allowed(boundary, c) {
				t.Errorf("%s on %s is allowed", c.action, c.resource)
			}
		}
	})
}

// The names in policies are resources, parameters or computed.
func TestPoliciesNameWhatIsThere(t *testing.T) {
	name := regexp.MustCompile(`\$\{([A-Za-z0-9:]+)|"Ref":"([A-Za-z0-9:]+)"`)
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for _, id := range slices.Concat(tmpl.of("AWS::IAM::Role"), tmpl.of("AWS::IAM::ManagedPolicy")) {
			computed := map[string]bool{}
			walk(tmpl.properties(id), func(v any) {
				o, _ := v.(object)
				if sub, ok := o["Fn::Sub"].(list); ok {
					for n := range sub[1].(object) {
						computed[n] = true
					}
				}
			})
			for _, found := range name.FindAllStringSubmatch(compact(tmpl.properties(id)), -1) {
				n := found[1] + found[2]
				if tmpl.part("Resources", n) == nil && tmpl.part("Parameters", n) == nil && !strings.HasPrefix(n, "AWS::") && !computed[n] {
					t.Errorf("%s: %s is nothing of the template", id, n)
				}
			}
		}
	})
}
