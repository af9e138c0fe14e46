package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// tables makes the tables of tasks and of their audit.
func (b *builder) tables() {
	b.table("TaskTable", wiring.Tasks())
	b.table("AuditTable", wiring.Audit())
}

// table makes a table that goes with the stack unless it is protected, and is kept when an update would replace it.
func (b *builder) table(id string, form wiring.Table) {
	var attributes, indexes list
	for _, a := range form.Attributes {
		attributes = append(attributes, object{"AttributeName": a.Name, "AttributeType": a.Type})
	}
	for _, i := range form.Indexes {
		indexes = append(indexes, object{"IndexName": i.Name, "KeySchema": keySchema(i.Key), "Projection": object{"ProjectionType": i.Projection}})
	}
	properties := object{
		"AttributeDefinitions": attributes, "KeySchema": keySchema(form.Key), "BillingMode": "PAY_PER_REQUEST",
		"SSESpecification":                 object{"SSEEnabled": true},
		"PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true},
		"DeletionProtectionEnabled":        kit.Ref("DeletionProtection"),
	}
	if indexes != nil {
		properties["GlobalSecondaryIndexes"] = indexes
	}
	table := b.s.Resource(id, "AWS::DynamoDB::Table", properties)
	table.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	table.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
}

func keySchema(keys []wiring.Key) list {
	var all list
	for _, k := range keys {
		all = append(all, object{"AttributeName": k.Attribute, "KeyType": k.Kind})
	}
	return all
}
