package portal

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// API is what the GraphQL API is made of: its schema in AppSync's own form, and the code of each root field's resolver, which hands
// the field to the one Lambda and gives its errors their codes.
type API struct{ Schema, Resolver string }

// deepest is how many levels an operation may have: a list of tasks with their runs and parameters needs seven.
const deepest = 15

// api makes the GraphQL API. One Lambda answers every root field.
func (b *builder) api(fields []field) {
	properties := object{
		"Name": kit.Sub("${AWS::StackName}"), "XrayEnabled": true, "QueryDepthLimit": deepest,
		"AdditionalAuthenticationProviders": list{object{"AuthenticationType": "AWS_IAM"}},
		"LogConfig":                         object{"CloudWatchLogsRoleArn": kit.Sub("${ApiLogsRole.Arn}"), "FieldLogLevel": "ERROR", "ExcludeVerboseContent": true},
	}
	if b.variant == Cognito {
		properties["AuthenticationType"] = "AMAZON_COGNITO_USER_POOLS"
		properties["UserPoolConfig"] = object{
			"UserPoolId": kit.Ref("UserPool"), "AwsRegion": kit.Ref("AWS::Region"), "DefaultAction": "ALLOW", "AppIdClientRegex": anchored(b.clientID()),
		}
	} else {
		properties["AuthenticationType"] = "OPENID_CONNECT"
		properties["OpenIDConnectConfig"] = object{"Issuer": b.issuer(), "ClientId": anchored(b.clientID())}
	}
	b.s.Resource("Api", "AWS::AppSync::GraphQLApi", properties)
	b.apiLogs()
	schema := b.s.Resource("ApiSchema", "AWS::AppSync::GraphQLSchema", object{"ApiId": kit.Sub("${Api.ApiId}"), "Definition": b.definition})
	b.function(wiring.API)
	b.s.Role("ApiInvokeRole", "Lets AppSync invoke the API of a Data Transfer Hub", "appsync", kit.OwnAccount(), []kit.Statement{
		{Sid: "Answer", Actions: []string{"lambda:InvokeFunction"}, Resources: []*string{kit.Sub("${ApiFunction.Arn}")}},
	})
	b.s.Resource("ApiSource", "AWS::AppSync::DataSource", object{
		"ApiId": kit.Sub("${Api.ApiId}"), "Name": "Hub", "Type": "AWS_LAMBDA", "ServiceRoleArn": kit.Sub("${ApiInvokeRole.Arn}"),
		"LambdaConfig": object{"LambdaFunctionArn": kit.Sub("${ApiFunction.Arn}")},
	})
	for _, f := range fields {
		resolver := b.s.Resource("Resolve"+f.parent+upper(f.name), "AWS::AppSync::Resolver", object{
			"ApiId": kit.Sub("${Api.ApiId}"), "TypeName": f.parent, "FieldName": f.name, "DataSourceName": kit.Sub("${ApiSource.Name}"),
			"Code": b.resolver, "Runtime": object{"Name": "APPSYNC_JS", "RuntimeVersion": "1.0.0"},
		})
		kit.Depend(resolver, schema)
	}
}

func upper(name string) string { return string(name[0]-'a'+'A') + name[1:] }

// apiLogs makes the log group that AppSync writes to, and the role by which it does. The group has the API's id in its name, so the
// role that the API needs to begin with cannot name it.
// https://docs.aws.amazon.com/appsync/latest/devguide/monitoring.html
func (b *builder) apiLogs() {
	b.s.Role("ApiLogsRole", "Writes the logs of a Data Transfer Hub's API", "appsync", kit.OwnAccount(), []kit.Statement{{
		Sid: "Logs", Actions: []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
		Resources: []*string{kit.Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/appsync/apis/*")},
	}})
	b.s.LogGroup("ApiLogs", kit.Sub("/aws/appsync/apis/${Api.ApiId}"), kit.Number("LogRetentionDays"))
}
