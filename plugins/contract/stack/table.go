package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/contract/table"
)

// Table makes a table that goes with the stack, but is kept when an update would replace it.
func Table(s *kit.Stack, id string, form table.Form) awsdynamodb.CfnTable {
	var attributes, indexes []any
	for _, a := range form.Attributes {
		attributes = append(attributes, &awsdynamodb.CfnTable_AttributeDefinitionProperty{AttributeName: &a.Name, AttributeType: &a.Type})
	}
	for _, i := range form.Indexes {
		indexes = append(indexes, &awsdynamodb.CfnTable_GlobalSecondaryIndexProperty{
			IndexName: &i.Name, KeySchema: keySchema(i.Key), Projection: &awsdynamodb.CfnTable_ProjectionProperty{ProjectionType: new("ALL")},
		})
	}
	props := &awsdynamodb.CfnTableProps{
		AttributeDefinitions: &attributes, KeySchema: keySchema(form.Key), BillingMode: new("PAY_PER_REQUEST"),
		SseSpecification: &awsdynamodb.CfnTable_SSESpecificationProperty{SseEnabled: new(true)},
		PointInTimeRecoverySpecification: &awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty{
			PointInTimeRecoveryEnabled: new(true),
		},
	}
	if form.Expires != "" {
		props.TimeToLiveSpecification = &awsdynamodb.CfnTable_TimeToLiveSpecificationProperty{AttributeName: &form.Expires, Enabled: new(true)}
	}
	if len(indexes) > 0 {
		props.GlobalSecondaryIndexes = &indexes
	}
	made := awsdynamodb.NewCfnTable(s.Scope, &id, props)
	made.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	made.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	return made
}

func keySchema(keys []table.Key) *[]any {
	var all []any
	for _, k := range keys {
		all = append(all, &awsdynamodb.CfnTable_KeySchemaProperty{AttributeName: &k.Attribute, KeyType: &k.Kind})
	}
	return &all
}
