// Package schema is the form of the task's DynamoDB tables as data, so that the template and the programs cannot disagree.
package schema

import (
	"github.com/datatransferhub/dth/plugins/contract/table"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// The key of records: the image, and its tag, or its digest when it has none.
const (
	Image = "Image"
	Tag   = "Tag"
)

// Records is the table with one record for each image and tag.
func Records() table.Form {
	return table.Form{
		Attributes: []table.Attribute{{Name: Image, Type: "S"}, {Name: Tag, Type: "S"}},
		Key:        []table.Key{{Attribute: Image, Kind: "HASH"}, {Attribute: Tag, Kind: "RANGE"}},
	}
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
