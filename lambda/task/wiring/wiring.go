// Package wiring is the form of the hub's tables as data, without any word of AWS: the template makes them from it, and the
// store that uses them is tested on tables made from it.
package wiring

// Table is a table on demand.
type Table struct {
	Attributes []Attribute // that are part of a key
	Key        []Key
	Indexes    []Index
}

// Attribute has a type of DynamoDB: S, N or B.
type Attribute struct{ Name, Type string }

// Key is an attribute of a key. Kind is HASH or RANGE.
type Key struct{ Attribute, Kind string }

// Index is a global secondary index. Projection is ALL or KEYS_ONLY.
type Index struct {
	Name       string
	Key        []Key
	Projection string
}

// The attributes of tasks that are part of a key.
const (
	TaskID    = "Id"
	List      = "List"      // OfTasks; what has none is in no list: the hub's preferences
	Created   = "Created"   // task.SortKey and the id, with a NUL in between: tasks alike in the one are ordered by the other
	Updated   = "Updated"   // likewise
	Name      = "Name"      // likewise
	State     = "State"     // of tasks
	StackName = "StackName" // of tasks
	StackID   = "StackId"   // of tasks that have a stack
)

// OfTasks is the value of List in all tasks.
const OfTasks = "TASKS"

// The indexes of the table of tasks.
const (
	ByCreated   = "ByCreated"
	ByUpdated   = "ByUpdated"
	ByName      = "ByName"
	ByState     = "ByState" // with the time of the last change
	ByStackName = "ByStackName"
	ByStackID   = "ByStackId"
)

// The key of the audit.
const (
	AuditTask = "Task" // id of the task, or task.PreferencesID
	AuditAt   = "At"   // grows with time, and differs for each entry
)

// Tasks is the table of tasks and of the hub's preferences.
func Tasks() Table {
	return Table{
		Attributes: texts(TaskID, List, Created, Updated, Name, State, StackName, StackID),
		Key:        []Key{{TaskID, "HASH"}},
		Indexes: []Index{
			{ByCreated, []Key{{List, "HASH"}, {Created, "RANGE"}}, "ALL"},
			{ByUpdated, []Key{{List, "HASH"}, {Updated, "RANGE"}}, "ALL"},
			{ByName, []Key{{List, "HASH"}, {Name, "RANGE"}}, "ALL"},
			{ByState, []Key{{State, "HASH"}, {Updated, "RANGE"}}, "KEYS_ONLY"},
			{ByStackName, []Key{{StackName, "HASH"}}, "KEYS_ONLY"},
			{ByStackID, []Key{{StackID, "HASH"}}, "KEYS_ONLY"},
		},
	}
}

// Audit is the table of who did what to which task.
func Audit() Table {
	return Table{Attributes: texts(AuditTask, AuditAt), Key: []Key{{AuditTask, "HASH"}, {AuditAt, "RANGE"}}}
}

func texts(names ...string) []Attribute {
	all := make([]Attribute, len(names))
	for i, name := range names {
		all[i] = Attribute{name, "S"}
	}
	return all
}

// Group is a group of a user pool whose members have a role.
type Group struct{ ID, Name, Description string }

// Groups are the groups of the roles, the highest role first.
func Groups() []Group {
	return []Group{
		{"AdminGroup", "admin", "creates, changes and deletes tasks"},
		{"OperatorGroup", "operator", "runs and pauses tasks"},
		{"ViewerGroup", "viewer", "looks at tasks"},
	}
}
