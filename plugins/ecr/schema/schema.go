// Package schema is the form of the task's DynamoDB tables as data, read from the adapters that use them, so that the
// template and the programs cannot disagree.
package schema

import (
	"github.com/datatransferhub/dth/plugins/contract/table"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// Records is the table with one record for each image and tag.
func Records() table.Form {
	in := recordaws.TableInput("")
	var t table.Form
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, table.Attribute{Name: *a.AttributeName, Type: string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, table.Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
	}
	for _, i := range in.GlobalSecondaryIndexes {
		index := table.Index{Name: *i.IndexName}
		for _, k := range i.KeySchema {
			index.Key = append(index.Key, table.Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
		}
		t.Indexes = append(t.Indexes, index)
	}
	return t
}

// Runs is the table of runs.
func Runs() table.Form {
	in := runaws.TableInput("")
	t := table.Form{Expires: runaws.Expires}
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, table.Attribute{Name: *a.AttributeName, Type: string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, table.Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
	}
	return t
}
