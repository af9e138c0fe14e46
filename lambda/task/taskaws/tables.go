package taskaws

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// TableInput describes a table of a name as the hub's template makes it.
func TableInput(name string, form wiring.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest, KeySchema: schema(form.Key)}
	for _, a := range form.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type)})
	}
	for _, i := range form.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.Name), KeySchema: schema(i.Key), Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection)},
		})
	}
	return in
}

func schema(keys []wiring.Key) (all []types.KeySchemaElement) {
	for _, k := range keys {
		all = append(all, types.KeySchemaElement{AttributeName: aws.String(k.Attribute), KeyType: types.KeyType(k.Kind)})
	}
	return all
}
