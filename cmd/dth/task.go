package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/hub"
	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/worker/units"
)

func newTask() *cobra.Command {
	f := &hubFlags{}
	cmd := &cobra.Command{
		Use:   "task",
		Short: "Create, watch and steer the tasks of a hub",
		Long: `Task speaks to a hub: to the one on this machine (dth local), found by its data folder, or with --hub to one in the cloud. TASK is
a task's id or its name. Exit codes: 0 done; 1 the task failed, or its run left objects that failed or differ; 2 wrong usage, or the hub
refused; 3 no hub answers.`,
		Example: `  dth task create -f photos.yaml --wait
  dth task list
  dth task pause photos
  dth task retry photos --class access_denied
  dth task export photos > photos.yaml
  dth task diff -f photos.yaml`,
	}
	f.register(cmd)
	cmd.AddCommand(
		taskList(f), taskShow(f), taskCreate(f), taskEdit(f), taskDiff(f), taskExport(f), taskClone(f), taskWait(f),
		taskDo(f, "pause", "Let nothing new begin; what is under way is finished or kept", "pauseTask", ""),
		taskDo(f, "resume", "Let a paused task go on; it begins with a pass", "resumeTask", ""),
		taskDo(f, "run", "Make a pass now", "runTask", ""), taskRetry(f), taskObjects(f), taskRuns(f), taskLogs(f), taskAudit(f), taskCheck(f), taskPlan(f),
		taskDo(f, "stop", "Delete a task's stack with all it has on record; the task's own record stays", "stopTask", ""),
		taskDo(f, "delete", "Remove the record of a task that is stopped", "deleteTask", ""),
		taskSchema(),
	)
	return cmd
}

// taskFields are what every command knows of a task.
const taskFields = `fragment T on Task { id edition name description type pluginVersion labels { name value } parameters { name value }
	schedule { kind expression events } source destination state reason nextStep stack { name id } health nextRun createdBy createdAt updatedBy updatedAt
	lastRun { id trigger state started finished queued settled copied bytes failed error } agreement { asOf inSync behind named } }`

type entry struct{ Name, Value string }

type taskView struct {
	ID, Name, Description, Type, PluginVersion, Source, Destination, State, Health string
	Edition                                                                        int
	Labels, Parameters                                                             []entry
	Schedule                                                                       struct {
		Kind, Expression string
		Events           bool
	}
	Reason, NextStep     string
	Stack                struct{ Name, ID string }
	NextRun              *time.Time
	CreatedBy, UpdatedBy string
	CreatedAt, UpdatedAt time.Time
	LastRun              *runView
	Agreement            *struct {
		AsOf          time.Time
		InSync        bool
		Behind, Named float64
	}
}

type runView struct {
	ID, Trigger, State, Error              string
	Started                                time.Time
	Finished                               *time.Time
	Queued, Settled, Copied, Bytes, Failed float64
}

// figures says what became of a run's objects.
func (r *runView) figures() string {
	return fmt.Sprintf("%.0f of %.0f objects settled, %.0f copied (%s), %.0f failed", r.Settled, r.Queued, r.Copied, units.FormatSize(int64(r.Bytes)), r.Failed)
}

func mapOf(list []entry) map[string]string {
	m := make(map[string]string, len(list))
	for _, e := range list {
		m[e.Name] = e.Value
	}
	return m
}

func entriesOf(m map[string]string) []map[string]string {
	list := []map[string]string{}
	for _, name := range sortedKeys(m) {
		list = append(list, map[string]string{"name": name, "value": m[name]})
	}
	return list
}

// find returns the task of an id or a name.
func (f *hubFlags) find(ctx context.Context, c *hub.Client, name string) (*taskView, error) {
	var one struct{ Task *taskView }
	err := c.Do(ctx, `query($id: ID!) { task(id: $id) { ...T } } `+taskFields, map[string]any{"id": name}, &one)
	if err == nil || hub.Code(err) != "INVALID" && hub.Code(err) != "NOT_FOUND" {
		return one.Task, err
	}
	var found []taskView
	err = f.each(ctx, c, map[string]any{"text": name}, func(t *taskView) {
		if t.Name == name {
			found = append(found, *t)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("there is no task %q; dth task list names them", name)
	case len(found) > 1:
		return nil, fmt.Errorf("%d tasks have the name %q; give the id, such as %s", len(found), name, found[0].ID)
	}
	return &found[0], nil
}

// each calls do with every task that a filter lets through.
func (f *hubFlags) each(ctx context.Context, c *hub.Client, filter map[string]any, do func(*taskView)) error {
	after := ""
	for {
		var page struct {
			Tasks struct {
				Nodes    []taskView
				PageInfo pageInfo
			}
		}
		vars := map[string]any{"filter": filter, "first": 100}
		if after != "" {
			vars["after"] = after
		}
		err := c.Do(ctx, `query($filter: TaskFilter, $first: Int, $after: String) { tasks(filter: $filter, first: $first, after: $after) {
			nodes { ...T } pageInfo { hasNextPage endCursor } } } `+taskFields, vars, &page)
		if err != nil {
			return err
		}
		for i := range page.Tasks.Nodes {
			do(&page.Tasks.Nodes[i])
		}
		if after = page.Tasks.PageInfo.EndCursor; !page.Tasks.PageInfo.HasNextPage {
			return nil
		}
	}
}

type pageInfo struct {
	HasNextPage bool
	EndCursor   string
}

func taskList(f *hubFlags) *cobra.Command {
	var states []string
	var text string
	cmd := &cobra.Command{
		Use: "list", Short: "List the tasks, the newest first", Args: cobra.NoArgs,
		RunE: f.run(func(ctx context.Context, c *hub.Client, _ []string, out io.Writer) error {
			filter := map[string]any{}
			if len(states) > 0 {
				filter["states"] = states
			}
			if text != "" {
				filter["text"] = text
			}
			var all []taskView
			if err := f.each(ctx, c, filter, func(t *taskView) { all = append(all, *t) }); err != nil {
				return err
			}
			if f.json {
				return printJSON(out, all)
			}
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tSTATE\tHEALTH\tLAST RUN\tCOPIED\tFAILED\tSOURCE -> DESTINATION")
			for i := range all {
				t := &all[i]
				run, copied, failed := "-", "-", "-"
				if r := t.LastRun; r != nil {
					run = r.State + " " + r.Started.UTC().Format(time.RFC3339)
					copied, failed = fmt.Sprintf("%.0f (%s)", r.Copied, units.FormatSize(int64(r.Bytes))), fmt.Sprintf("%.0f", r.Failed)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s -> %s\n", t.ID, t.Name, t.State, t.Health, run, copied, failed, t.Source, t.Destination)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "only tasks in these states: STARTING, IN_PROGRESS, PAUSED, UPDATING, DONE, STOPPING, STOPPED, ERROR")
	cmd.Flags().StringVar(&text, "text", "", "only tasks whose name, description or labels contain this")
	return cmd
}

func taskShow(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show TASK", Short: "Show a task: its state, its latest run, its parameters", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			return f.show(out, t)
		}),
	}
}

func (f *hubFlags) show(out io.Writer, t *taskView) error {
	if f.json {
		return printJSON(out, t)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	line("task", "%s (%s)", t.Name, t.ID)
	line("what", "%s -> %s", t.Source, t.Destination)
	line("state", "%s, %s", t.State, t.Health)
	if t.Reason != "" {
		line("reason", "%s", t.Reason)
		line("next step", "%s", t.NextStep)
	}
	line("schedule", "%s %s", t.Schedule.Kind, t.Schedule.Expression)
	if t.NextRun != nil {
		line("next run", "%s", t.NextRun.UTC().Format(time.RFC3339))
	}
	if r := t.LastRun; r != nil {
		line("latest run", "%s, %s, begun %s", r.ID, r.State, r.Started.UTC().Format(time.RFC3339))
		line("", "%s", r.figures())
		if r.Error != "" {
			line("", "%s", r.Error)
		}
	}
	if a := t.Agreement; a != nil {
		word := "in sync"
		if !a.InSync {
			word = "different"
		}
		line("agreement", "%s as of %s; objects behind: %.0f, with a reason on record: %.0f", word, a.AsOf.UTC().Format(time.RFC3339), a.Behind, a.Named)
	}
	for _, e := range t.Labels {
		line("label "+e.Name, "%s", e.Value)
	}
	for _, e := range t.Parameters {
		line(e.Name, "%q", e.Value)
	}
	line("created", "by %s, %s", t.CreatedBy, t.CreatedAt.UTC().Format(time.RFC3339))
	line("updated", "by %s, %s", t.UpdatedBy, t.UpdatedAt.UTC().Format(time.RFC3339))
	return w.Flush()
}

// taskDo is a command that asks for one thing.
func taskDo(f *hubFlags, name, short, field, arguments string) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: name + " TASK", Short: short, Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			if t, err = f.ask(ctx, c, field, arguments, map[string]any{"id": t.ID}); err != nil {
				return err
			}
			if name == "delete" {
				return f.gone(out, t)
			}
			if wait {
				return f.wait(ctx, c, t.ID, out)
			}
			return f.said(out, t)
		}),
	}
	if name != "delete" {
		cmd.Flags().BoolVar(&wait, "wait", false, "wait until this is done, and until a run that it began is closed")
	}
	return cmd
}

// ask executes a mutation that returns a task; arguments are those beside the id, as in $keys: [String!] / keys: $keys.
func (f *hubFlags) ask(ctx context.Context, c *hub.Client, field, arguments string, vars map[string]any) (*taskView, error) {
	declared, passed := "$id: ID!", "id: $id"
	if arguments != "" {
		declared += ", " + declaration(arguments)
		passed += ", " + arguments
	}
	var answer map[string]*taskView
	err := c.Do(ctx, "mutation("+declared+") { "+field+"("+passed+") { ...T } } "+taskFields, vars, &answer)
	return answer[field], err
}

func (f *hubFlags) said(out io.Writer, t *taskView) error {
	if f.json {
		return printJSON(out, t)
	}
	_, err := fmt.Fprintf(out, "%s %s: %s\n", t.ID, t.Name, t.State)
	return err
}

// gone says that a task is no longer on record.
func (f *hubFlags) gone(out io.Writer, t *taskView) error {
	if f.json {
		return printJSON(out, t)
	}
	_, err := fmt.Fprintf(out, "%s %s: deleted; dth task audit %s still tells of it\n", t.ID, t.Name, t.ID)
	return err
}

func taskSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of task specs, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := catalog.Local(version)[0]
			return printJSON(cmd.OutOrStdout(), hub.Schema(p.Type, p.Contract))
		},
	}
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// hubError gives errors of a hub their exit codes.
func hubError(err error) error {
	var exit *exitError
	switch {
	case err == nil, errors.As(err, &exit), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, hub.ErrUnreachable), hub.Code(err) == "UNAVAILABLE":
		return &exitError{Code: command.Unreachable, Err: err}
	}
	return usageError(err)
}
