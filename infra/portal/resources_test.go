package portal

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/api/schema"
	"github.com/datatransferhub/dth/lambda/task/wiring"
	functions "github.com/datatransferhub/dth/lambda/wiring"
)

// at returns a part of a resource as JSON.
func (t *template) at(path string) string {
	names := strings.Split(path, "/")
	var value any = t.part("Resources", names[0])
	for _, name := range append([]string{"Properties"}, names[1:]...) {
		switch v := value.(type) {
		case object:
			value = v[name]
		case list:
			value = v[slices.Index([]string{"0", "1", "2", "3"}, name)]
		}
	}
	return compact(value)
}

// The terms that people and programs count on.
func TestResources(t *testing.T) {
	same := map[string]string{
		"ConsoleBucket/PublicAccessBlockConfiguration":                              `{"BlockPublicAcls":true,"BlockPublicPolicy":true,"IgnorePublicAcls":true,"RestrictPublicBuckets":true}`,
		"AccessLogBucket/PublicAccessBlockConfiguration":                            `{"BlockPublicAcls":true,"BlockPublicPolicy":true,"IgnorePublicAcls":true,"RestrictPublicBuckets":true}`,
		"ConsoleBucket/OwnershipControls/Rules/0/ObjectOwnership":                   `"BucketOwnerEnforced"`,
		"AccessLogBucket/OwnershipControls/Rules/0/ObjectOwnership":                 `"BucketOwnerPreferred"`,
		"Distribution/DistributionConfig/Origins/0/OriginAccessControlId":           `{"Fn::If":["InChina",{"Ref":"AWS::NoValue"},{"Fn::GetAtt":["OriginAccess","Id"]}]}`,
		"Distribution/DistributionConfig/DefaultCacheBehavior/DefaultTTL":           `0`,
		"Distribution/DistributionConfig/DefaultCacheBehavior/MaxTTL":               `0`,
		"Distribution/DistributionConfig/CacheBehaviors/0/PathPattern":              `"/assets/*"`,
		"Distribution/DistributionConfig/CacheBehaviors/0/DefaultTTL":               `31536000`,
		"Distribution/DistributionConfig/DefaultCacheBehavior/ViewerProtocolPolicy": `"redirect-to-https"`,
		"Distribution/DistributionConfig/CustomErrorResponses": `[{"ErrorCachingMinTTL":0,"ErrorCode":403,"ResponseCode":200,"ResponsePagePath":"/index.html"},` +
			`{"ErrorCachingMinTTL":0,"ErrorCode":404,"ResponseCode":200,"ResponsePagePath":"/index.html"}]`,
		"ConsoleHeaders/ResponseHeadersPolicyConfig/SecurityHeadersConfig/FrameOptions":            `{"FrameOption":"DENY","Override":true}`,
		"ConsoleHeaders/ResponseHeadersPolicyConfig/SecurityHeadersConfig/StrictTransportSecurity": `{"AccessControlMaxAgeSec":63072000,"IncludeSubdomains":false,"Override":true}`,
		"ConsoleHeaders/ResponseHeadersPolicyConfig/SecurityHeadersConfig/ReferrerPolicy":          `{"Override":true,"ReferrerPolicy":"no-referrer"}`,
		"Api/AdditionalAuthenticationProviders":                                                    `[{"AuthenticationType":"AWS_IAM"}]`,
		"Api/XrayEnabled":                                                                          `true`,
		"Api/LogConfig/FieldLogLevel":                                                              `"ERROR"`,
		"TaskTable/DeletionProtectionEnabled":                                                      `{"Ref":"DeletionProtection"}`,
		"AuditTable/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled":                   `true`,
		"TaskTable/SSESpecification/SSEEnabled":                                                    `true`,
		"TaskTable/BillingMode":                                                                    `"PAY_PER_REQUEST"`,
		"ApiFirewallAssociation/ResourceArn":                                                       `{"Fn::GetAtt":["Api","Arn"]}`,
		"ApiFirewall/Scope":                                                                        `"REGIONAL"`,
		"EdgeFirewall/Scope":                                                                       `"CLOUDFRONT"`,
		"ReconcilerSchedule/ScheduleExpression":                                                    `"rate(15 minutes)"`,
		"Topic/KmsMasterKeyId":                                                                     `{"Fn::GetAtt":["TopicKey","Arn"]}`,
		"Cluster/CapacityProviders":                                                                `null`, // accounts without the role of ECS cannot name them
	}
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for path, want := range same {
			if got := tmpl.at(path); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
	})
}

// Who signs people in is the one thing that differs.
func TestSignIn(t *testing.T) {
	for v, want := range map[Variant]map[string]string{
		Cognito: {
			"Api/AuthenticationType":                                  `"AMAZON_COGNITO_USER_POOLS"`,
			"Api/UserPoolConfig/AppIdClientRegex":                     `{"Fn::Join":["",["^",{"Fn::Join":["\\.",{"Fn::Split":[".",{"Ref":"SignInClient"}]}]},"$"]]}`,
			"UserPool/AdminCreateUserConfig/AllowAdminCreateUserOnly": `true`,
			"UserPool/UsernameAttributes":                             `["email"]`,
			"UserPool/EnabledMfas":                                    `{"Fn::If":["HasSecondFactor",["SOFTWARE_TOKEN_MFA"],{"Ref":"AWS::NoValue"}]}`,
			"SignInClient/AllowedOAuthFlows":                          `["code"]`,
			"SignInClient/GenerateSecret":                             `false`,
			"SignInClient/ExplicitAuthFlows":                          `["ALLOW_REFRESH_TOKEN_AUTH"]`,
			"FirstAdmin/Username":                                     `{"Ref":"AdminEmail"}`,
			"FirstAdminRole/GroupName":                                `{"Ref":"AdminGroup"}`,
			"ConsoleHeaders/ResponseHeadersPolicyConfig/SecurityHeadersConfig/ContentSecurityPolicy/ContentSecurityPolicy": compact(functions.ContentSecurity),
			"Site/HeadersPolicy": `{"Ref":"ConsoleHeaders"}`,
		},
		OpenID: {
			"Api/AuthenticationType":           `"OPENID_CONNECT"`,
			"Api/OpenIDConnectConfig/Issuer":   `{"Ref":"OidcIssuer"}`,
			"Api/OpenIDConnectConfig/ClientId": `{"Fn::Join":["",["^",{"Fn::Join":["\\.",{"Fn::Split":[".",{"Ref":"OidcClientId"}]}]},"$"]]}`,
			"Site/HeadersPolicy":               `null`,
			"Site/Configuration/signIn/issuer": `{"Ref":"OidcIssuer"}`,
		},
	} {
		for path, value := range want {
			if got := released(t)[v].at(path); got != value {
				t.Errorf("%s: %s is %s, want %s", v, path, got, value)
			}
		}
	}
	for _, kind := range []string{"UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolGroup", "UserPoolUser", "ManagedLoginBranding"} {
		if ids := released(t)[OpenID].of("AWS::Cognito::" + kind); len(ids) > 0 {
			t.Errorf("%s has %v", OpenID, ids)
		}
	}
	var groups []string
	for _, id := range released(t)[Cognito].of("AWS::Cognito::UserPoolGroup") {
		groups = append(groups, released(t)[Cognito].properties(id)["GroupName"].(string))
	}
	if len(groups) != len(wiring.Groups()) {
		t.Errorf("groups %v", groups)
	}
}

// The console may connect to the API and to the provider, by their exact origins, and to nothing else; nothing is inline.
func TestContentSecurity(t *testing.T) {
	api := `["https://",{"Fn::Select":[2,{"Fn::Split":["/",{"Fn::GetAtt":["Api","GraphQLUrl"]}]}]}]`
	for v, tt := range map[Variant]struct {
		path string
		has  []string
	}{
		Cognito: {"Site/ContentSecurity", []string{api, `{"Fn::GetAtt":["UserPool","ProviderURL"]}`, `https://${SignInDomain}.auth.${AWS::Region}.${LoginHost}`}},
		OpenID: {
			"ConsoleHeaders/ResponseHeadersPolicyConfig/SecurityHeadersConfig/ContentSecurityPolicy/ContentSecurityPolicy",
			[]string{api, `{"Ref":"OidcIssuer"}`, `{"Ref":"OidcOrigins"}`},
		},
	} {
		got := released(t)[v].at(tt.path)
		for _, want := range append(tt.has, "default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "connect-src 'self'") {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s lacks %s", v, got, want)
			}
		}
		if regexp.MustCompile(`unsafe|https:[^/]|\*`).MatchString(got) {
			t.Errorf("%s: %s is too wide", v, got)
		}
	}
}

// Each field of Query and Mutation, also of an extension, is handed to the one Lambda by the same code; no other is.
func TestResolvers(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		var got []string
		for _, id := range tmpl.of("AWS::AppSync::Resolver") {
			p := tmpl.properties(id)
			got = append(got, p["TypeName"].(string)+"."+p["FieldName"].(string))
			if p["Code"] != schema.Resolver() || compact(p["Runtime"]) != `{"Name":"APPSYNC_JS","RuntimeVersion":"1.0.0"}` || compact(p["DataSourceName"]) != `{"Fn::GetAtt":["ApiSource","Name"]}` {
				t.Errorf("%s: %v", id, p)
			}
		}
		slices.Sort(got)
		if want := []string{"Mutation.createTask", "Query.hub", "Query.task", "Query.tasks"}; !slices.Equal(got, want) {
			t.Errorf("resolvers of %v, want %v", got, want)
		}
	})
}

// What a partition lacks is made under a condition that does not hold there.
func TestChina(t *testing.T) {
	tmpl := released(t)[OpenID]
	for id, want := range map[string]string{"OriginIdentity": "InChina", "OriginAccess": "OutsideOfChina"} {
		if got := tmpl.part("Resources", id)["Condition"]; got != want {
			t.Errorf("%s is made when %v", id, got)
		}
	}
	policy := tmpl.at("ConsoleBucketPolicy/PolicyDocument/Statement/1")
	for _, want := range []string{`"Fn::If":["InChina",`, `{"CanonicalUser":{"Fn::GetAtt":["OriginIdentity","S3CanonicalUserId"]}}`, `"aws:SourceArn"`} {
		if !strings.Contains(policy, want) {
			t.Errorf("the console's bucket lets in %s", policy)
		}
	}
	if got := tmpl.at("Distribution/DistributionConfig/ViewerCertificate"); !strings.Contains(got, `"IamCertificateId"`) || !strings.Contains(got, `"TLSv1.2_2021"`) {
		t.Errorf("certificate %s", got)
	}
}

// The API knows the cluster and the network, so that tasks may leave them out.
func TestTheAPIKnowsTheNetwork(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for variable, want := range map[string]string{
			functions.EnvCluster: `{"Ref":"Cluster"}`,
			functions.EnvVPC:     `{"Fn::If":["MakesVpc",{"Ref":"Vpc"},{"Ref":"VpcId"}]}`,
			functions.EnvSubnets: `{"Fn::If":["MakesVpc",{"Fn::Sub":"${Subnet1},${Subnet2}"},{"Ref":"SubnetIds"}]}`,
			functions.EnvPublic:  `{"Fn::If":["MakesPublicVpc","true","false"]}`,
		} {
			if got := tmpl.at("ApiFunction/Environment/Variables/" + variable); got != want {
				t.Errorf("%s is %s, want %s", variable, got, want)
			}
		}
	})
}

// CloudFront logs nowhere that its logging refuses: the distribution could not be made. The bucket's own log is kept all the same.
func TestEdgeLogs(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		if got := tmpl.at("Distribution/DistributionConfig/Logging"); !strings.HasPrefix(got, `{"Fn::If":["KeepsEdgeLogs",`) {
			t.Errorf("the distribution logs when %s", got)
		}
		if got := tmpl.at("ConsoleBucket/LoggingConfiguration"); !strings.HasPrefix(got, `{"Fn::If":["KeepsAccessLogs",`) {
			t.Errorf("the bucket logs when %s", got)
		}
		for region, want := range map[string]bool{
			"us-east-1": true, "eu-west-1": true, "ap-northeast-3": true, "cn-north-1": true,
			"af-south-1": false, "ap-east-1": false, "ap-southeast-3": false, "eu-south-1": false, "me-south-1": false, "me-central-1": false, "mx-central-1": false,
		} {
			for _, asked := range []bool{true, false} {
				given := complete(tmpl, map[string]string{"AWS::Region": region, "AccessLogs": strconv.FormatBool(asked)})
				if got := holds(tmpl.inlined(tmpl.part("Conditions", "KeepsEdgeLogs")), given); got != (want && asked) {
					t.Errorf("%s, AccessLogs %t: CloudFront logs: %t", region, asked, got)
				}
			}
		}
	})
}

// inlined puts conditions into the places of their names.
func (t *template) inlined(e any) any {
	switch e := e.(type) {
	case object:
		if name, ok := e["Condition"].(string); ok {
			return t.inlined(t.part("Conditions", name))
		}
		out := object{}
		for k, v := range e {
			out[k] = t.inlined(v)
		}
		return out
	case list:
		var out list
		for _, v := range e {
			out = append(out, t.inlined(v))
		}
		return out
	}
	return e
}

// The API's web ACL blocks nothing that tasks are made of; that of the console, which takes no bodies, blocks all that the rules find.
func TestFirewallLetsTasksThrough(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for id, want := range map[string][]string{
			"ApiFirewall":  {"CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "SizeRestrictions_BODY"},
			"EdgeFirewall": nil,
		} {
			var counted []string
			walk(tmpl.properties(id)["Rules"], func(v any) {
				o, _ := v.(object)
				if action, ok := o["ActionToUse"]; ok && compact(action) == `{"Count":{}}` {
					counted = append(counted, o["Name"].(string))
				}
			})
			slices.Sort(counted)
			if !slices.Equal(counted, want) {
				t.Errorf("%s counts %v, want %v", id, counted, want)
			}
		}
	})
}

// The real schema has its resolvers, however many fields it gets.
func TestRealSchema(t *testing.T) {
	fields, err := rootFields(schema.Text())
	if err != nil || len(fields) < 30 {
		t.Fatalf("%d fields, %v", len(fields), err)
	}
	for _, want := range []field{{"Query", "tasks"}, {"Mutation", "createTask"}} {
		if !slices.Contains(fields, want) {
			t.Errorf("%v is not among %v", want, fields)
		}
	}
}

// A VPC is made only when none is given, and of its parts those of its kind.
func TestNetwork(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for id, want := range map[string]string{
			"Vpc": "MakesVpc", "Subnet1": "MakesVpc", "Subnet2Routes": "MakesVpc", "VpcFlowLog": "MakesVpc", "VpcLogsRole": "MakesVpc",
			"InternetRoute": "MakesPublicVpc", "InternetGatewayAttachment": "MakesPublicVpc", "GatewayEndpoint1": "MakesPrivateVpc", "EcrDkrEndpoint": "MakesPrivateVpc", "EndpointGroup": "MakesPrivateVpc",
		} {
			if got := tmpl.part("Resources", id)["Condition"]; got != want {
				t.Errorf("%s is made when %v, want %s", id, got, want)
			}
		}
		if ids := tmpl.of("AWS::EC2::NatGateway"); len(ids) > 0 {
			t.Errorf("NAT gateways %v", ids)
		}
		for _, id := range tmpl.of("AWS::EC2::VPCEndpoint") {
			if tmpl.part("Resources", id)["Condition"] != "MakesPrivateVpc" {
				t.Errorf("%s is always made", id)
			}
		}
	})
}

// Tables and the pool do not vanish by an update, and the audit and the access logs not by a deletion that was not meant.
func TestWhatStays(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for id, want := range map[string][2]string{"TaskTable": {"Delete", "Retain"}, "AuditTable": {"Delete", "Retain"}, "AccessLogBucket": {"Retain", "Retain"}} {
			r := tmpl.part("Resources", id)
			if r["DeletionPolicy"] != want[0] || r["UpdateReplacePolicy"] != want[1] {
				t.Errorf("%s: %v, %v", id, r["DeletionPolicy"], r["UpdateReplacePolicy"])
			}
		}
		for _, kind := range []string{"AWS::SNS::Topic", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket"} {
			for _, id := range tmpl.of(kind) {
				if !regexp.MustCompile(`KmsMasterKeyId|"SSEEnabled":true|"SqsManagedSseEnabled":true|"SSEAlgorithm"`).MatchString(compact(tmpl.properties(id))) {
					t.Errorf("%s is not encrypted", id)
				}
			}
		}
	})
}
