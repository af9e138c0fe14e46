// Package table is the form of a DynamoDB table as data: what a plugin's template makes, read from the adapter that uses it.
package table

// Form is a table on demand.
type Form struct {
	Attributes []Attribute // that are part of a key
	Key        []Key
	Indexes    []Index
	Expires    string // attribute with the second since 1970 from which on DynamoDB removes an item; "": none is removed
}

// Attribute has a type of DynamoDB: S, N or B.
type Attribute struct{ Name, Type string }

// Key is an attribute of a key. Kind is HASH or RANGE.
type Key struct{ Attribute, Kind string }

// Index is a global secondary index with all attributes.
type Index struct {
	Name string
	Key  []Key
}
