package portal

import "github.com/datatransferhub/dth/infra/kit"

// callsInFiveMinutes is what one address may ask for. A console that refreshes all its charts makes some 300 calls in that time.
const callsInFiveMinutes = 2000

// countedBodies are the rules of the core rule set that look into bodies for what tasks are made of: parameters longer than 8 KB,
// addresses of stores within a network or by number (http://10.0.0.5:9000), keys with ../ in them, and patterns that look like tags
// of HTML. To AppSync a body is GraphQL, whatever is in it, and the API's service checks every value: there they count, and do not
// block. https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
func countedBodies() []string {
	return []string{"SizeRestrictions_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "CrossSiteScripting_BODY"}
}

// firewall puts web ACLs in front of the API and, in the only region that has ACLs of CloudFront, of the console.
func (b *builder) firewall() {
	acl := b.s.Resource("ApiFirewall", "AWS::WAFv2::WebACL", webACL("REGIONAL", "Api", countedBodies()...))
	association := b.s.Resource("ApiFirewallAssociation", "AWS::WAFv2::WebACLAssociation", object{
		"ResourceArn": kit.Sub("${Api.Arn}"), "WebACLArn": kit.Sub("${ApiFirewall.Arn}"),
	})
	b.c.firewall.Guard(acl, association)
	edge := b.s.Resource("EdgeFirewall", "AWS::WAFv2::WebACL", webACL("CLOUDFRONT", "Console"))
	b.c.edge.Guard(edge)
}

func webACL(scope, metric string, counting ...string) object {
	return object{
		"Scope": scope, "Description": kit.Sub("Data Transfer Hub ${AWS::StackName}"), "DefaultAction": object{"Allow": object{}},
		"VisibilityConfig": seen(metric),
		"Rules": list{
			object{
				"Name": "RateLimit", "Priority": 0, "Action": object{"Block": object{}}, "VisibilityConfig": seen(metric + "RateLimit"),
				"Statement": object{"RateBasedStatement": object{"AggregateKeyType": "IP", "Limit": callsInFiveMinutes}},
			},
			managed(1, metric, "AWSManagedRulesAmazonIpReputationList"),
			managed(2, metric, "AWSManagedRulesKnownBadInputsRuleSet"),
			managed(3, metric, "AWSManagedRulesCommonRuleSet", counting...),
		},
	}
}

// managed is a group of rules that AWS keeps. Rules that are named only count.
func managed(priority int, metric, name string, counting ...string) object {
	group := object{"VendorName": "AWS", "Name": name}
	var overrides list
	for _, rule := range counting {
		overrides = append(overrides, object{"Name": rule, "ActionToUse": object{"Count": object{}}})
	}
	if overrides != nil {
		group["RuleActionOverrides"] = overrides
	}
	return object{
		"Name": name, "Priority": priority, "OverrideAction": object{"None": object{}}, "VisibilityConfig": seen(metric + name),
		"Statement": object{"ManagedRuleGroupStatement": group},
	}
}

func seen(metric string) object {
	return object{"CloudWatchMetricsEnabled": true, "SampledRequestsEnabled": true, "MetricName": metric}
}
