// Package local is the hub on one machine: it reads tasks from a file and runs each as a stack of its own, with the real finder
// and workers on embedded records.
package local

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/cron"
	"github.com/datatransferhub/dth/worker/job"
)

// Task is one configured transfer.
type Task struct {
	Name       string            `yaml:"name"`
	Type       string            `yaml:"type"`     // Objects, which an empty one means, or Images
	Schedule   string            `yaml:"schedule"` // EventBridge cron or rate; "once"; empty: the parameter ec2CronExpression
	Parameters map[string]string `yaml:"parameters"`
	SrcProfile string            `yaml:"srcProfile"` // of the AWS configuration of this machine
	DstProfile string            `yaml:"destProfile"`
	Events     Feed              `yaml:"events"`
	Paused     bool              `yaml:"paused"`

	Job *job.Job `yaml:"-"` // of a task that copies objects
	// Values are all parameters of a task that copies images, with the defaults.
	Values contract.Values `yaml:"-"`
	Ticks  *cron.Schedule  `yaml:"-"` // nil: once
	// KeepRecords is how long records of objects are kept; 0: for ever.
	KeepRecords time.Duration `yaml:"-"`
}

// The types of tasks.
const (
	Objects = "S3"
	Images  = "ECR"
)

// Feed says where the events of a task come from, when its parameter srcEvent asks for some.
type Feed struct {
	File string        `yaml:"file"` // one event message a line, as it would arrive in a queue
	Poll time.Duration `yaml:"poll"` // or: a pass every so often in place of events
}

// taskFile is the document.
type taskFile struct {
	Tasks []Task `yaml:"tasks"`
}

var taskName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// leastPoll is how often a task may poll at most.
const leastPoll = time.Second

// ParseTasks reads a task file: YAML, or JSON. Every error of every task is reported at once; each names the task, the field,
// its value and what is allowed.
func ParseTasks(document []byte) ([]Task, error) {
	var file taskFile
	err := yaml.NewDecoder(bytes.NewReader(document), yaml.Strict()).Decode(&file)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("task file: %w", err)
	}
	if len(file.Tasks) == 0 {
		return nil, errors.New("task file: it holds no task; begin with `tasks:` and an entry with name and parameters")
	}
	var all error
	names := map[string]bool{}
	for i := range file.Tasks {
		t := &file.Tasks[i]
		label := fmt.Sprintf("task %d", i+1)
		if t.Name != "" {
			label = fmt.Sprintf("task %q", t.Name)
		}
		errs := t.check()
		if names[t.Name] {
			errs = append(errs, contract.FieldError{Field: "name", Value: t.Name, Message: "another task has this name; names are unique"})
		}
		names[t.Name] = true
		for _, e := range errs {
			all = errors.Join(all, fmt.Errorf("%s: %w", label, e))
		}
	}
	if all != nil {
		return nil, all
	}
	return file.Tasks, nil
}

// Check validates a task that no file describes, and makes it ready to run. Its errors are contract.Errors.
func (t *Task) Check() error {
	if errs := t.check(); len(errs) > 0 {
		return errs
	}
	return nil
}

// complete takes from the parameters what the task does not say itself.
func (t *Task) complete(v contract.Values) {
	t.SrcProfile, t.DstProfile = cmp.Or(t.SrcProfile, v["srcProfile"]), cmp.Or(t.DstProfile, v["destProfile"])
	t.Events.File = cmp.Or(t.Events.File, v["srcEventFile"])
	if poll, err := time.ParseDuration(v["pollEvery"]); err == nil { // the contract has checked its form; empty is no time
		t.Events.Poll = cmp.Or(t.Events.Poll, poll)
	}
}

// check validates a task and fills in what follows from its text.
func (t *Task) check() (errs contract.Errors) {
	refuse := func(field, value, message string) {
		errs = append(errs, contract.FieldError{Field: field, Value: value, Message: message})
	}
	if !taskName.MatchString(t.Name) {
		refuse("name", t.Name, "allowed are 1 to 40 small letters, digits and hyphens")
	}
	plugin, expression := s3.Local(), "ec2CronExpression"
	switch t.Type {
	case "", Objects:
	case Images:
		plugin, expression = ecr.Local(), "scheduleExpression"
	default:
		refuse("type", t.Type, "allowed are "+Objects+" and "+Images)
		return errs
	}
	values, err := plugin.Validate(t.Parameters)
	var fields contract.Errors
	if errors.As(err, &fields) {
		errs = append(errs, fields...)
	} else if err != nil {
		refuse("parameters", "", err.Error())
	}
	t.complete(values)
	schedule := t.Schedule
	if schedule == "" && values != nil {
		schedule = values[expression]
	}
	if schedule != "" && schedule != "once" {
		if !strings.Contains(schedule, "(") {
			schedule = "cron(" + schedule + ")"
		}
		if t.Ticks, err = cron.Parse(schedule); err != nil {
			refuse("schedule", t.Schedule, err.Error()+`; or write "once"`)
		}
	}
	if t.Events.Poll != 0 && t.Events.Poll < leastPoll {
		refuse("events.poll", t.Events.Poll.String(), "allowed is 1s or more")
	}
	if t.Events.Poll != 0 && t.Events.File != "" {
		refuse("events.poll", t.Events.Poll.String(), "give a file or a time to poll, not both")
	}
	if len(errs) > 0 {
		return errs
	}
	if t.Type == Images {
		if t.Events.File != "" {
			refuse("events.file", t.Events.File, "tasks that copy images follow no events on one machine; give events.poll")
		}
		t.Values = values
		return errs
	}
	t.Job, t.KeepRecords = s3.FromValues(values), s3.KeepRecords(values)
	t.Job.Source.Access.Profile, t.Job.Destination.Access.Profile = t.SrcProfile, t.DstProfile
	if t.Events.File != "" && t.Job.Events == job.EventsNone {
		refuse("events.file", t.Events.File, "the parameter srcEvent is No; allowed with events are Create and CreateAndDelete")
	}
	return errs
}
