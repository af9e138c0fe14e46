// Package tasktest is what every task.Store has to do.
package tasktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/run"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Run holds the stores that open gives, each an empty one, against the port.
func Run(t *testing.T, open func(t *testing.T) task.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, task.Store)
	}{
		{"a task comes back as it was written", whole},
		{"changes are conditional", conditional},
		{"one of many writers wins", racing},
		{"tasks are found by their stacks", byStack},
		{"lists", lists},
		{"filters", filters},
		{"counts", counts},
		{"the audit", audit},
		{"preferences", preferences},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// full is a task in which everything is said.
func full(id string) task.Task {
	settings := task.Settings{
		Name: "Größe " + id, Description: "a task", Labels: map[string]string{"team": "blue"}, Parameters: map[string]string{"srcBucket": "from", "ec2CronExpression": ""},
		Schedule: task.Schedule{Kind: task.Scheduled, Expression: "cron(0 * * * ? *)", Events: true},
	}
	return task.Task{
		ID: id, Edition: 2, Settings: settings, Type: "S3", PluginVersion: "1.2.3", State: task.Updating, Reason: "r", NextStep: "n",
		Stack:     task.Stack{Name: "DTH-" + id, ID: "arn:aws:cloudformation:eu-west-1:123456789012:stack/DTH-" + id + "/1", Outputs: map[string]string{"RunTableName": "runs"}},
		Operation: &task.Operation{ID: id + "-2", Kind: task.Update, Begun: noon, By: "ada", After: task.InProgress, Undo: &task.Settings{Name: "before"}, UndoVersion: "1.2.2"},
		Health:    task.Attention, LastRun: &task.Run{ID: "run-1", State: run.Copying, Started: noon, Told: noon.Add(time.Nanosecond), Queued: 5},
		Agreement: task.Agreement{AsOf: noon, InSync: true, Behind: 2, Named: 2, RunID: "run-0", Checked: noon.Add(time.Hour)},
		Plan:      &task.Request{ID: "p", Asked: noon, By: "ada"}, CreatedBy: "ada", UpdatedBy: "bob", Created: noon, Updated: noon.Add(time.Minute), ClientToken: "token",
		Return: task.Paused, Steering: &task.Steering{ID: "r", To: task.InProgress, Asked: noon, By: "ada"}, Wanted: noon.Add(time.Second), Input: "fingerprint",
		Estimate: &task.Estimate{Request: "p", At: noon, Bytes: 7, Costs: []estimate.Total{{Currency: "USD", Amount: estimate.Range{Low: 1, High: 2}}}},
	}
}

func entry(id, action string) task.Entry {
	return task.Entry{Task: id, At: noon, By: "ada", Action: action, Changes: []task.Change{{Field: "name", Before: "a", After: "b"}}, Note: "why"}
}

func whole(t *testing.T, s task.Store) {
	want := full("t-1")
	must(t, s.Create(t.Context(), want, entry("t-1", "created")))
	got, err := s.Get(t.Context(), "t-1")
	must(t, err)
	want.Revision = 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got.Operation, got.LastRun, got.Stack.ID, got.Labels = nil, nil, "", nil
	stored, err := s.Update(t.Context(), got, nil)
	must(t, err)
	again, err := s.Get(t.Context(), "t-1")
	must(t, err)
	if got.Revision = 2; cmp.Diff(got, stored) != "" || cmp.Diff(got, again) != "" {
		t.Errorf("stored %+v, read %+v", stored, again)
	}
	if _, err := s.Get(t.Context(), "t-2"); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("a task that is not there: %v", err)
	}
}

func conditional(t *testing.T, s task.Store) {
	first := full("t-1")
	must(t, s.Create(t.Context(), first, entry("t-1", "created")))
	if err := s.Create(t.Context(), first, entry("t-1", "created again")); !errors.Is(err, task.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	first.Revision = 1
	second, err := s.Update(t.Context(), first, new(entry("t-1", "edited")))
	must(t, err)
	for _, e := range []*task.Entry{nil, new(entry("t-1", "edited in vain"))} {
		if _, err := s.Update(t.Context(), first, e); !errors.Is(err, task.ErrConflict) {
			t.Errorf("an old revision is written: %v", err)
		}
		if _, err := s.Update(t.Context(), full("t-2"), e); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("a task that is not there is written: %v", err)
		}
	}
	if err := s.Delete(t.Context(), "t-1", 1, entry("t-1", "deleted in vain")); !errors.Is(err, task.ErrConflict) {
		t.Errorf("an old revision is deleted: %v", err)
	}
	must(t, s.Delete(t.Context(), "t-1", second.Revision, entry("t-1", "deleted")))
	if err := s.Delete(t.Context(), "t-1", second.Revision, entry("t-1", "deleted again")); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	page, err := s.Audit(t.Context(), "t-1", 10, "")
	must(t, err)
	var actions []string
	for _, e := range page.Entries {
		actions = append(actions, e.Action)
	}
	if strings.Join(actions, ", ") != "deleted, edited, created" {
		t.Errorf("the audit of what was written is %q", actions)
	}
}

// racing has several writers count a task's revisions at once: no write is lost.
func racing(t *testing.T, s task.Store) {
	must(t, s.Create(t.Context(), full("t-1"), entry("t-1", "created")))
	const writers = 4
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			_, err := task.Amend(t.Context(), s, "t-1", func(t *task.Task) (*task.Entry, error) {
				t.Parameters[fmt.Sprint(w)] = "here"
				return new(entry("t-1", fmt.Sprint(w))), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := s.Get(t.Context(), "t-1")
	must(t, err)
	page, err := s.Audit(t.Context(), "t-1", 10, "")
	must(t, err)
	if got.Revision != 1+writers || len(got.Parameters) != 2+writers || len(page.Entries) != 1+writers {
		t.Errorf("revision %d, parameters %v, %d entries", got.Revision, got.Parameters, len(page.Entries))
	}
}

func byStack(t *testing.T, s task.Store) {
	one, two := full("t-1"), full("t-2")
	two.Stack.ID = ""
	must(t, s.Create(t.Context(), one, entry("t-1", "created")))
	must(t, s.Create(t.Context(), two, entry("t-2", "created")))
	for stack, want := range map[string]string{one.Stack.ID: "t-1", one.Stack.Name: "t-1", two.Stack.Name: "t-2", "": "", "DTH-t-3": "", "arn:aws:nothing": ""} {
		got, err := s.ByStack(t.Context(), stack)
		if got.ID != want || want == "" && !errors.Is(err, task.ErrNotFound) || want != "" && err != nil {
			t.Errorf("stack %q is of %q, %v", stack, got.ID, err)
		}
	}
}

// several creates tasks whose orders differ: by creation 0 1 2 3 4, by change 4 3 2 1 0, by name 2 0 3 1 4, the last two
// alike.
func several(t *testing.T, s task.Store) {
	t.Helper()
	for i, name := range []string{"beta", "Delta", "Alpha", "charlie", "delta"} {
		one := full(fmt.Sprintf("t-%d", i))
		one.Name, one.Created, one.Updated = name, noon.Add(time.Duration(i)*time.Second), noon.Add(-time.Duration(i)*time.Nanosecond)
		must(t, s.Create(t.Context(), one, entry(one.ID, "created")))
	}
}

// pages returns the ids of a list, read so many a page.
func pages(t *testing.T, s task.Store, q task.Query, first int) string {
	t.Helper()
	var ids []string
	q.First = first
	for range 20 {
		page, err := s.List(t.Context(), q)
		must(t, err)
		if len(page.Tasks) > first {
			t.Errorf("a page has %d tasks", len(page.Tasks))
		}
		for _, one := range page.Tasks {
			ids = append(ids, strings.TrimPrefix(one.ID, "t-"))
		}
		if q.After = page.Next; q.After == "" {
			return strings.Join(ids, " ")
		}
	}
	t.Fatal("the list has no end")
	return ""
}

func lists(t *testing.T, s task.Store) {
	several(t, s)
	for sort, want := range map[task.Sort]string{task.ByCreated: "0 1 2 3 4", task.ByUpdated: "4 3 2 1 0", task.ByName: "2 0 3 1 4"} {
		for _, first := range []int{1, 2, 5, 100} {
			if got := pages(t, s, task.Query{Sort: sort}, first); got != want {
				t.Errorf("%s, %d a page: %s, want %s", sort, first, got, want)
			}
			ids := strings.Fields(want)
			slices.Reverse(ids)
			if got := pages(t, s, task.Query{Sort: sort, Descending: true}, first); got != strings.Join(ids, " ") {
				t.Errorf("%s descending, %d a page: %s, want %s", sort, first, got, ids)
			}
		}
	}
	page, err := s.List(t.Context(), task.Query{Sort: task.ByName, First: 2})
	must(t, err)
	for _, q := range []task.Query{{Sort: task.ByCreated, First: 2, After: page.Next}, {Sort: task.ByName, First: 2, After: "x"}} {
		if _, err := s.List(t.Context(), q); !errors.Is(err, task.ErrCursor) {
			t.Errorf("cursor %q of another list: %v", q.After, err)
		}
	}
}

func filters(t *testing.T, s task.Store) {
	several(t, s)
	stopped, err := s.Get(t.Context(), "t-3")
	must(t, err)
	stopped.State, stopped.Type, stopped.Health = task.Stopped, "ECR", task.Healthy
	_, err = s.Update(t.Context(), stopped, nil)
	must(t, err)
	for _, c := range []struct {
		q    task.Query
		want string
	}{
		{task.Query{States: []task.State{task.Stopped, task.Done}}, "3"},
		{task.Query{Type: "S3"}, "0 1 2 4"},
		{task.Query{Text: "DELTA"}, "1 4"},
		{task.Query{Text: "blue", Attention: true}, "0 1 2 4"},
		{task.Query{Text: "nobody"}, ""},
	} {
		c.q.Sort = task.ByCreated
		if got := pages(t, s, c.q, 2); got != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}

func counts(t *testing.T, s task.Store) {
	if got, err := s.Count(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("of nothing there are %v, %v", got, err)
	}
	several(t, s)
	one, err := s.Get(t.Context(), "t-0")
	must(t, err)
	one.State = task.Paused
	_, err = s.Update(t.Context(), one, nil)
	must(t, err)
	got, err := s.Count(t.Context())
	if diff := cmp.Diff(map[task.State]int64{task.Updating: 4, task.Paused: 1}, got); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}

func audit(t *testing.T, s task.Store) {
	one := full("t-1")
	must(t, s.Create(t.Context(), one, entry("t-1", "0")))
	must(t, s.Create(t.Context(), full("t-2"), entry("t-2", "another's")))
	one.Revision = 1
	for i := 1; i < 5; i++ {
		var err error
		one, err = s.Update(t.Context(), one, new(entry("t-1", fmt.Sprint(i))))
		must(t, err)
	}
	var actions []string
	after := ""
	for {
		page, err := s.Audit(t.Context(), "t-1", 2, after)
		must(t, err)
		for _, e := range page.Entries {
			actions = append(actions, e.Action)
			if diff := cmp.Diff(entry("t-1", e.Action), e); diff != "" {
				t.Error(diff)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if strings.Join(actions, " ") != "4 3 2 1 0" {
		t.Errorf("the audit is %q", actions)
	}
	if _, err := s.Audit(t.Context(), "t-1", 2, "nonsense"); !errors.Is(err, task.ErrCursor) {
		t.Errorf("a cursor that nobody gave: %v", err)
	}
	if page, err := s.Audit(t.Context(), "t-3", 2, ""); err != nil || len(page.Entries) != 0 || page.Next != "" {
		t.Errorf("nobody's audit is %+v, %v", page, err)
	}
}

func preferences(t *testing.T, s task.Store) {
	empty, err := s.Preferences(t.Context())
	if err != nil || empty.Revision != 0 {
		t.Errorf("at first they are %+v, %v", empty, err)
	}
	empty.Defaults = map[string]map[string]string{"S3": {"maxCapacity": "5"}}
	set, err := s.SetPreferences(t.Context(), empty, entry(task.PreferencesID, "settings changed"))
	must(t, err)
	if _, err := s.SetPreferences(t.Context(), empty, entry(task.PreferencesID, "in vain")); !errors.Is(err, task.ErrConflict) {
		t.Errorf("an old revision is written: %v", err)
	}
	_, err = s.SetPreferences(t.Context(), set, entry(task.PreferencesID, "settings changed"))
	must(t, err)
	got, err := s.Preferences(t.Context())
	if err != nil || got.Revision != 2 || got.Defaults["S3"]["maxCapacity"] != "5" {
		t.Errorf("they are %+v, %v", got, err)
	}
	if page, err := s.Audit(t.Context(), task.PreferencesID, 10, ""); err != nil || len(page.Entries) != 2 {
		t.Errorf("their audit is %+v, %v", page, err)
	}
	if list := pages(t, s, task.Query{Sort: task.ByCreated}, 10); list != "" {
		t.Errorf("they are in the list of tasks: %s", list)
	}
	if _, err := s.Get(t.Context(), task.PreferencesID); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("they are a task: %v", err)
	}
}
