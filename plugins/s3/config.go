package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
)

// Config is the configuration document of the plugin's programs.
type Config struct {
	StackName          string            `json:"stackName"`
	Region             string            `json:"region"` // of the queue and the tables
	QueueURL           string            `json:"queueUrl"`
	DeadLetterQueueURL string            `json:"deadLetterQueueUrl"`
	LedgerTable        string            `json:"ledgerTable"`
	RunTable           string            `json:"runTable"`
	ControllerARN      string            `json:"controllerArn"`
	Parameters         map[string]string `json:"parameters"`

	// Job is the transfer that the parameters describe; Values are all of them, with the defaults.
	Job    *job.Job        `json:"-"`
	Values contract.Values `json:"-"`
}

// ParseConfig reads a configuration document and checks all of it. The error names everything that is wrong.
func ParseConfig(document []byte) (*Config, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(document, &keys); err != nil {
		return nil, fmt.Errorf("the configuration is no JSON object: %w", err)
	}
	c := Config{Parameters: map[string]string{}}
	errs := c.read(keys)
	for _, f := range []struct{ name, value string }{
		{"queueUrl", c.QueueURL}, {"ledgerTable", c.LedgerTable}, {"runTable", c.RunTable},
	} {
		if _, given := keys[f.name]; f.value == "" && (!given || string(keys[f.name]) == `""`) {
			errs = append(errs, fmt.Errorf("%s is required", f.name))
		}
	}
	v, err := programs().Validate(c.Parameters)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	c.Values, c.Job = v, FromValues(v)
	return &c, nil
}

// read takes the document's keys one by one, so that each wrong one is named. Names are taken by the letter: the
// decoder of whole structures would take STACKNAME for stackName.
func (c *Config) read(keys map[string]json.RawMessage) (errs []error) {
	fields := map[string]*string{
		"stackName": &c.StackName, "region": &c.Region, "queueUrl": &c.QueueURL, "deadLetterQueueUrl": &c.DeadLetterQueueURL,
		"ledgerTable": &c.LedgerTable, "runTable": &c.RunTable, "controllerArn": &c.ControllerARN,
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		field, known := fields[name]
		switch {
		case name == "parameters":
			errs = append(errs, c.readParameters(keys[name])...)
		case !known:
			errs = append(errs, fmt.Errorf("key %q is unknown; allowed are %s and parameters", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
		case !text(keys[name], field):
			errs = append(errs, fmt.Errorf("%s: %.80s: the value must be text in quotes", name, keys[name]))
		}
	}
	return errs
}

func (c *Config) readParameters(raw json.RawMessage) (errs []error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return []error{fmt.Errorf("parameters: %.80s: the value must be an object of names and texts", raw)}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var value string
		if !text(all[name], &value) {
			errs = append(errs, fmt.Errorf("parameters: %s: %.80s: the value must be text in quotes", name, all[name]))
			continue
		}
		c.Parameters[name] = value
	}
	return errs
}

// text reads a JSON string. Null is none: it would hide a value that somebody forgot to fill in.
func text(raw json.RawMessage, into *string) bool {
	return string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

// programs is the contract as the programs need it: what only the stack needs may be left out.
func programs() *contract.Contract {
	c := Contract()
	for i := range c.Parameters {
		switch c.Parameters[i].Group {
		case GroupFleet, GroupNotification, GroupHousekeeping:
			c.Parameters[i].Required = false
		}
	}
	return withLists(c)
}

// leastKept is the fewest days for which records of the ledger are kept: a message may be that old, and what came to its object
// after it has to be known.
const leastKept = 15

// KeepRecords is how long records of the ledger are kept after they were finished; 0: for ever.
func KeepRecords(v contract.Values) time.Duration {
	return time.Duration(v.Integer("ledgerTtlDays")) * 24 * time.Hour
}

// GroupMachine holds what only tasks on one machine have.
const GroupMachine = "This machine"

// machine are the parameters that only tasks on one machine have.
func machine() []contract.Parameter {
	all := []contract.Parameter{
		{Name: "srcProfile", Label: "Source profile", Help: "Profile of this machine's AWS configuration that reads the source. Empty: the default one, unless the source has credentials.", Type: contract.String, MaxBytes: 128, OnUpdate: contract.Restart},
		{Name: "destProfile", Label: "Destination profile", Help: "Profile of this machine's AWS configuration that writes the destination.", Type: contract.String, MaxBytes: 128, OnUpdate: contract.Restart},
		{Name: "srcEventFile", Label: "File of events", Help: "File on this machine with one event notification a line, as a queue would deliver it.", Type: contract.String, MaxBytes: 4096, When: []contract.Condition{{Parameter: "srcEvent", In: []string{"Create", "CreateAndDelete"}}}, OnUpdate: contract.Restart},
		{Name: "pollEvery", Label: "Look again after", Help: "Time from the beginning of one pass to the next, in place of a schedule: 5s, 10m or 2h.", Type: contract.String, Pattern: `^[1-9][0-9]{0,4}[smh]$`, Rule: "a number of seconds, minutes or hours, such as 30s", OnUpdate: contract.Nothing},
	}
	for i := range all {
		all[i].Group = GroupMachine
	}
	return all
}

// Local returns the contract of tasks on one machine: the whole one and GroupMachine, but nothing of a stack has to be given,
// and events may be those of any store, since they come from a file.
func Local() *contract.Contract {
	c := programs()
	c.Parameters = append(c.Parameters, machine()...)
	for i := range c.Parameters {
		if c.Parameters[i].Name == "srcEvent" {
			c.Parameters[i].When = nil
		}
	}
	return c
}
