// Package schema is the form of the task's DynamoDB tables as data, read from the adapters that use them, so that the
// template and the programs cannot disagree.
package schema

import (
	"github.com/datatransferhub/dth/plugins/contract/table"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// The words for tables.
type (
	// Table is a table on demand.
	Table = table.Form
	// Attribute has a type of DynamoDB.
	Attribute = table.Attribute
	// Key is an attribute of a key.
	Key = table.Key
	// Index is a global secondary index.
	Index = table.Index
)

// Ledger is the table with one record for each object.
func Ledger() Table {
	in := ledgeraws.TableInput("")
	t := Table{Expires: ledgeraws.Expires}
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, Attribute{Name: *a.AttributeName, Type: string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
	}
	for _, i := range in.GlobalSecondaryIndexes {
		index := Index{Name: *i.IndexName}
		for _, k := range i.KeySchema {
			index.Key = append(index.Key, Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
		}
		t.Indexes = append(t.Indexes, index)
	}
	return t
}

// Runs is the table of runs, uploads and parts.
func Runs() Table {
	in := runaws.TableInput("")
	t := Table{Expires: runaws.Expires}
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, Attribute{Name: *a.AttributeName, Type: string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, Key{Attribute: *k.AttributeName, Kind: string(k.KeyType)})
	}
	return t
}
