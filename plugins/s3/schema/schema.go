// Package schema is the form of the task's DynamoDB tables as data, read from the adapters that use them, so that the
// template and the programs cannot disagree.
package schema

import (
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// Key is an attribute of a key. Kind is HASH or RANGE.
type Key struct{ Attribute, Kind string }

// Index is a global secondary index with all attributes.
type Index struct {
	Name string
	Key  []Key
}

// Table is a table on demand.
type Table struct {
	Attributes []Attribute // that are part of a key
	Key        []Key
	Indexes    []Index
}

// Attribute has a type of DynamoDB: S, N or B.
type Attribute struct{ Name, Type string }

// Ledger is the table with one record for each object.
func Ledger() Table {
	in := ledgeraws.TableInput("")
	t := Table{}
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, Attribute{*a.AttributeName, string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, Key{*k.AttributeName, string(k.KeyType)})
	}
	for _, i := range in.GlobalSecondaryIndexes {
		index := Index{Name: *i.IndexName}
		for _, k := range i.KeySchema {
			index.Key = append(index.Key, Key{*k.AttributeName, string(k.KeyType)})
		}
		t.Indexes = append(t.Indexes, index)
	}
	return t
}

// Runs is the table of runs, uploads and parts.
func Runs() Table {
	in := runaws.TableInput("")
	t := Table{}
	for _, a := range in.AttributeDefinitions {
		t.Attributes = append(t.Attributes, Attribute{*a.AttributeName, string(a.AttributeType)})
	}
	for _, k := range in.KeySchema {
		t.Key = append(t.Key, Key{*k.AttributeName, string(k.KeyType)})
	}
	return t
}
