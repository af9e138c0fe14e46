package portal

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// complete are parameters that each variant takes, with changes.
func complete(tmpl *template, change map[string]string) map[string]string {
	given := map[string]string{"AWS::Region": "eu-west-1"}
	for name, p := range tmpl.part("Parameters") {
		given[name], _ = p.(object)["Default"].(string)
	}
	must := map[string]string{"AdminEmail": "a@example.com", "OidcIssuer": "https://login.example.com/realms/main", "OidcClientId": "console"}
	for name, value := range must {
		if tmpl.part("Parameters", name) != nil {
			given[name] = value
		}
	}
	maps.Copy(given, change)
	return given
}

// refusal returns the parameter or the rule that refuses values, as CloudFormation would; "" when none does.
func (t *template) refusal(given map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(t.part("Parameters"))) {
		p := t.part("Parameters", name)
		if allowed, ok := p["AllowedValues"].(list); ok && !slices.Contains(allowed, any(given[name])) {
			return name
		}
		// CloudFormation lets a pattern match the whole value.
		if pattern, ok := p["AllowedPattern"].(string); ok && !regexp.MustCompile("^(?:"+pattern+")$").MatchString(given[name]) {
			return name
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.part("Rules"))) {
		rule := t.part("Rules", id)
		if when := rule["RuleCondition"]; when != nil && !holds(when, given) {
			continue
		}
		for _, a := range rule["Assertions"].(list) {
			if !holds(a.(object)["Assert"], given) {
				return id
			}
		}
	}
	return ""
}

// holds evaluates an expression of a rule or, with its conditions in their places, of a condition.
func holds(e any, given map[string]string) bool {
	for operator, operands := range e.(object) {
		values := operands.(list)
		switch operator {
		case "Fn::Equals":
			return text(values[0], given) == text(values[1], given)
		case "Fn::Not":
			return !holds(values[0], given)
		case "Fn::Contains":
			return slices.Contains(values[0].(list), any(text(values[1], given)))
		case "Fn::And":
			return !slices.ContainsFunc(values, func(e any) bool { return !holds(e, given) })
		case "Fn::Or":
			return slices.ContainsFunc(values, func(e any) bool { return holds(e, given) })
		default:
			panic("this test does not know " + operator)
		}
	}
	return false
}

func text(v any, given map[string]string) string {
	if o, ok := v.(object); ok {
		return given[o["Ref"].(string)]
	}
	return v.(string)
}

func TestRules(t *testing.T) {
	china := func(more map[string]string) map[string]string {
		all := map[string]string{"AWS::Region": "cn-north-1"}
		maps.Copy(all, more)
		return all
	}
	certified := map[string]string{"DomainName": "transfer.example.cn", "IamCertificateId": "ASCAEXAMPLE123EXAMPLE"}
	const acm = "arn:aws:acm:us-east-1:123456789012:certificate/0123-ab"
	for _, tt := range []struct {
		variant Variant
		change  map[string]string
		says    string // "" accepts
	}{
		{Cognito, nil, ""},
		{OpenID, nil, ""},
		{Cognito, map[string]string{"AWS::Region": "us-gov-west-1"}, "NotInGovCloud"},
		{OpenID, map[string]string{"AWS::Region": "us-gov-east-1"}, "NotInGovCloud"},
		{Cognito, china(certified), "NotInChina"},
		{OpenID, china(nil), "DomainInChina"},
		{OpenID, china(map[string]string{"DomainName": "transfer.example.cn"}), "DomainInChina"},
		{OpenID, china(certified), ""},
		{OpenID, china(map[string]string{"DomainName": "transfer.example.cn", "IamCertificateId": "ASCAEXAMPLE123EXAMPLE", "AcmCertificateArn": acm}), "NoAcmInChina"},
		{OpenID, china(map[string]string{"DomainName": "transfer.example.cn", "IamCertificateId": "ASCAEXAMPLE123EXAMPLE", "CloudFrontWebAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b"}), "NoWebAclInChina"},
		{Cognito, certified, "IamCertificateOnlyInChina"},
		{Cognito, map[string]string{"DomainName": "transfer.example.com"}, "DomainNeedsCertificate"},
		{Cognito, map[string]string{"AcmCertificateArn": acm}, "CertificateNeedsDomain"},
		{Cognito, map[string]string{"DomainName": "transfer.example.com", "AcmCertificateArn": acm}, ""},
		{Cognito, map[string]string{"DomainName": "https://transfer.example.com"}, "DomainName"},
		{Cognito, map[string]string{"AdminEmail": ""}, "AdminEmail"},
		{Cognito, map[string]string{"AdminEmail": "nobody"}, "AdminEmail"},
		{Cognito, map[string]string{"MfaConfiguration": "SMS"}, "MfaConfiguration"},
		{OpenID, map[string]string{"OidcIssuer": "http://login.example.com"}, "OidcIssuer"},
		{OpenID, map[string]string{"OidcIssuer": "https://login.example.com/?x"}, "OidcIssuer"},
		{OpenID, map[string]string{"OidcClientId": ""}, "OidcClientId"},
		{OpenID, map[string]string{"OidcClientId": ".*"}, "OidcClientId"},
		{OpenID, map[string]string{"OidcClientId": "1234-ab.apps.googleusercontent.com"}, ""},
		{OpenID, map[string]string{"OidcOrigins": "https://a.example.com https://b.example.com:8443"}, ""},
		{OpenID, map[string]string{"OidcOrigins": "https://a.example.com; script-src *"}, "OidcOrigins"},
		{OpenID, map[string]string{"OidcScopes": "profile"}, "OidcScopes"},
		{OpenID, map[string]string{"VpcId": "vpc-0123456789abcdef0"}, "VpcNeedsSubnets"},
		{OpenID, map[string]string{"SubnetIds": "subnet-0123456789abcdef0"}, "SubnetsNeedVpc"},
		{OpenID, map[string]string{"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1"}, ""},
		{OpenID, map[string]string{"VpcCidr": "10.0.0.0/8"}, "VpcCidr"},
		{OpenID, map[string]string{"AssetsBucketPrefix": "Upper"}, "AssetsBucketPrefix"},
		{OpenID, map[string]string{"NoticeEmail": "nobody"}, "NoticeEmail"},
		{Cognito, map[string]string{"AutomationRole": "none"}, ""},
		{Cognito, map[string]string{"AutomationRole": "nightly=operator,Deploy-*=admin,user/ada=viewer"}, ""},
		{Cognito, map[string]string{"AutomationRole": "viewer"}, "AutomationRole"},
		{Cognito, map[string]string{"AutomationRole": "nightly=root"}, "AutomationRole"},
		{Cognito, map[string]string{"AutomationRole": "nightly=viewer,"}, "AutomationRole"},
		{Cognito, map[string]string{"AutomationRole": "nightly=viewer, b=admin"}, "AutomationRole"},
	} {
		t.Run(fmt.Sprint(tt.variant, tt.change), func(t *testing.T) {
			tmpl := released(t)[tt.variant]
			if got := tmpl.refusal(complete(tmpl, tt.change)); got != tt.says {
				t.Errorf("refused by %q, want %q", got, tt.says)
			}
		})
	}
}

// Programs have no role until somebody gives them one.
func TestProgramsHaveNoRoleByDefault(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		if got := tmpl.part("Parameters", "AutomationRole")["Default"]; got != "none" {
			t.Errorf("the default is %v", got)
		}
	})
}

// Every rule says what to do in a sentence, and every parameter has a label, a group, a help and, with a pattern, words for it.
func TestParametersAreExplained(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for id := range tmpl.part("Rules") {
			for _, a := range tmpl.part("Rules", id)["Assertions"].(list) {
				if says, _ := a.(object)["AssertDescription"].(string); !strings.HasSuffix(says, ".") || len(says) < 40 {
					t.Errorf("rule %s says %q", id, says)
				}
			}
		}
		shown := map[string]bool{}
		shape := tmpl.part("Metadata", "AWS::CloudFormation::Interface")
		for _, g := range shape["ParameterGroups"].(list) {
			for _, name := range g.(object)["Parameters"].(list) {
				shown[name.(string)] = true
			}
		}
		labels := shape["ParameterLabels"].(object)
		if len(shown) != len(tmpl.part("Parameters")) || len(labels) != len(shown) {
			t.Errorf("%d parameters, %d in groups, %d labels", len(tmpl.part("Parameters")), len(shown), len(labels))
		}
		for name, p := range tmpl.part("Parameters") {
			p := p.(object)
			if !shown[name] || labels[name] == nil || p["Description"] == nil || p["AllowedPattern"] != nil && p["ConstraintDescription"] == nil {
				t.Errorf("parameter %s is not explained: %v", name, p)
			}
		}
	})
}
