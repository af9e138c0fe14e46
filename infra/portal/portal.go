// Package portal is the hub's CloudFormation template in its two variants, one part a file. Its resources are written with
// CloudFormation's own names, so that its documents say what each means.
package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/datatransferhub/dth/infra/kit"
)

// Variant is one of the hub's two templates; the text is its name. They differ in who signs people in.
type Variant string

// The variants.
const (
	Cognito Variant = "DataTransferHub-cognito" // a user pool of the stack's own; not in China, which has no user pools
	OpenID  Variant = "DataTransferHub-openid"  // any OpenID Connect provider
)

// Variants are both.
func Variants() []Variant { return []Variant{Cognito, OpenID} }

type (
	object = map[string]any
	list   = []any
)

// logPrefix begins the names of the hub's log groups.
const logPrefix = "/datatransferhub/${AWS::StackName}/"

// builder is the template while it is written.
type builder struct {
	s            *kit.Stack
	c            conditions
	variant      Variant
	version      string
	definition   string             // of the API, with its modes of authorization
	resolver     string             // code of the API's fields
	released     bool               // the template is of the released form
	values       map[string]*string // names that policies use and that are computed
	bucketPolicy awscdk.CfnResource // of the console
}

// New writes a variant's template into an app. The error says which built file is missing, or what is wrong with the API's schema.
func New(app constructs.Construct, assets kit.Assets, version string, variant Variant, api API) (*kit.Stack, error) {
	if err := assets.Check(lambdaNames(), nil); err != nil {
		return nil, err
	}
	fields, err := rootFields(api.Schema)
	if err != nil {
		return nil, err
	}
	schema, err := definition(api.Schema, variant.mode(), byIAM)
	if err != nil {
		return nil, err
	}
	s := kit.NewStack(app, string(variant), "Data Transfer Hub "+version+": "+variant.describe(), assets)
	declareParameters(s, variant, assets, version)
	b := &builder{s: s, c: declareConditions(s, variant, assets.Published != nil), variant: variant, version: version, definition: schema, resolver: api.Resolver, released: assets.Published != nil}
	b.values = b.names(assets)
	b.build(fields)
	s.BoundRoles("PermissionsBoundaryArn")
	return s, nil
}

func (v Variant) describe() string {
	if v == Cognito {
		return "hub with sign-in by Amazon Cognito"
	}
	return "hub with sign-in by an OpenID Connect provider"
}

// mode is the directive of the API's default mode of authorization.
func (v Variant) mode() string {
	if v == Cognito {
		return byUserPool
	}
	return byOpenID
}

// build writes the parts in the order in which they name each other.
func (b *builder) build(fields []field) {
	b.topic()
	b.tables()
	b.network()
	b.cluster()
	b.hosting()
	b.signIn()
	b.stackRights()
	b.workflows()
	b.api(fields)
	b.firewall()
	b.distribution()
	b.siteConfiguration()
	b.alarms()
	b.outputs()
}

// outputs tells people and programs what the stack made. Their names stay.
func (b *builder) outputs() {
	for _, o := range []struct {
		id, description string
		value           *string
	}{
		{"ConsoleUrl", "Console", kit.Join("", new("https://"), b.host())},
		{"ConsoleCname", "What the own domain's CNAME record has to point to", kit.Sub("${Distribution.DomainName}")},
		{"ApiUrl", "GraphQL API", kit.Sub("${Api.GraphQLUrl}")},
		{"SignInIssuer", "Issuer of the tokens that the API takes", b.issuer()},
		{"SignInClientId", "Client that the tokens are for", b.clientID()},
		{"TopicArn", "Topic of the hub's notices", kit.Ref("Topic")},
		{"TaskTableName", "Table of tasks", kit.Ref("TaskTable")},
		{"AuditTableName", "Table of who did what", kit.Ref("AuditTable")},
		{"ClusterArn", "ECS cluster of plugins", kit.Sub("${Cluster.Arn}")},
		{"PluginVpcId", "VPC of plugins", b.vpc()},
		{"PluginSubnetIds", "Subnets of plugins", b.subnets()},
		{"ConsoleBucketName", "Bucket with the console's files", kit.Ref("ConsoleBucket")},
	} {
		b.s.Output(o.id, o.description, o.value)
	}
}
