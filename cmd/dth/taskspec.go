package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/hub"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/units"
)

// specs reads the specs of a file.
func specs(file string) ([]hub.Spec, error) {
	if file == "" {
		return nil, usageError(fmt.Errorf("-f is required: a file with a task's spec, YAML or JSON; - is standard input; dth task schema prints its form"))
	}
	document, err := readInput(file, os.Stdin)
	if err != nil {
		return nil, usageError(fmt.Errorf("-f: %w", err))
	}
	all, err := hub.ParseSpecs(document)
	if err != nil {
		return nil, usageError(fmt.Errorf("-f %s: %w", file, err))
	}
	return all, nil
}

func specOf(t *taskView) *hub.Spec {
	return &hub.Spec{Name: t.Name, Description: t.Description, Type: t.Type, Labels: mapOf(t.Labels), Parameters: mapOf(t.Parameters)}
}

func taskCreate(f *hubFlags) *cobra.Command {
	var file, token string
	var paused, wait, check bool
	cmd := &cobra.Command{
		Use: "create -f SPEC", Short: "Create tasks from specs", Args: cobra.NoArgs,
		RunE: f.run(func(ctx context.Context, c *hub.Client, _ []string, out io.Writer) error {
			all, err := specs(file)
			if err != nil {
				return err
			}
			for i := range all { // all that is wrong with any of them is told before the first is made
				if err := f.validate(ctx, c, &all[i]); err != nil {
					return fmt.Errorf("task %q: %w", all[i].Name, err)
				}
			}
			if check {
				fmt.Fprintf(out, "valid: %d\n", len(all))
				return nil
			}
			for i := range all {
				t, err := f.create(ctx, c, &all[i], !paused, token)
				if err != nil {
					return fmt.Errorf("task %q: %w", all[i].Name, err)
				}
				f.namesakes(ctx, c, t)
				if wait {
					err = f.wait(ctx, c, t.ID, out)
				} else {
					err = f.said(out, t)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with specs, YAML or JSON; - is standard input")
	cmd.Flags().BoolVar(&paused, "paused", false, "make the stack and begin nothing, to check and plan first; dth task resume starts the task")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the first run is closed")
	cmd.Flags().BoolVar(&check, "validate", false, "only look for all that is wrong with the specs")
	cmd.Flags().StringVar(&token, "client-token", "", "makes the call safe to repeat: the same token gives the same task")
	return cmd
}

func inputOf(s *hub.Spec) map[string]any {
	return map[string]any{"name": s.Name, "description": s.Description, "type": s.Type, "labels": entriesOf(s.Labels), "parameters": entriesOf(s.Parameters)}
}

func (f *hubFlags) validate(ctx context.Context, c *hub.Client, s *hub.Spec) error {
	var answer struct{ ValidateTask []struct{ Kind string } }
	return c.Do(ctx, `query($input: CreateTaskInput!) { validateTask(input: $input) { kind } }`, map[string]any{"input": inputOf(s)}, &answer)
}

func (f *hubFlags) create(ctx context.Context, c *hub.Client, s *hub.Spec, start bool, token string) (*taskView, error) {
	input := inputOf(s)
	input["start"] = start
	if token != "" {
		input["clientToken"] = token + "-" + s.Name
	}
	var answer struct{ CreateTask *taskView }
	err := c.Do(ctx, `mutation($input: CreateTaskInput!) { createTask(input: $input) { ...T } } `+taskFields, map[string]any{"input": input}, &answer)
	return answer.CreateTask, err
}

// namesakes says which other tasks have a task's name, so that it does not address it any more. The task is made: what cannot be
// looked up is left unsaid.
func (f *hubFlags) namesakes(ctx context.Context, c *hub.Client, t *taskView) {
	var others []string
	_ = f.each(ctx, c, map[string]any{"text": t.Name}, func(o *taskView) {
		if o.Name == t.Name && o.ID != t.ID {
			others = append(others, o.ID)
		}
	})
	if len(others) > 0 {
		fmt.Fprintf(os.Stderr, "dth: the name %q is also that of %s: use ids to speak of them\n", t.Name, strings.Join(others, ", "))
	}
}

func taskEdit(f *hubFlags) *cobra.Command {
	var file string
	var upgrade, wait bool
	cmd := &cobra.Command{
		Use: "edit [TASK] -f SPEC", Short: "Change a task to what a spec says; dth task diff shows what that would be", Args: cobra.MaximumNArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, s, err := f.both(ctx, c, file, args)
			if err != nil {
				return err
			}
			input := map[string]any{
				"id": t.ID, "edition": t.Edition, "name": s.Name, "description": s.Description, "labels": entriesOf(s.Labels), "parameters": entriesOf(s.Parameters), "upgrade": upgrade,
			}
			var answer struct{ UpdateTask *taskView }
			err = c.Do(ctx, `mutation($input: UpdateTaskInput!) { updateTask(input: $input) { ...T } } `+taskFields, map[string]any{"input": input}, &answer)
			if err != nil {
				return err
			}
			if wait {
				return f.wait(ctx, c, t.ID, out)
			}
			return f.said(out, answer.UpdateTask)
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with one spec; - is standard input")
	cmd.Flags().BoolVar(&upgrade, "upgrade", false, "also to the newest version of the plugin")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the change is done")
	return cmd
}

// both returns a task and the one spec of a file about it: the task that is named, or the one that has the spec's name.
func (f *hubFlags) both(ctx context.Context, c *hub.Client, file string, args []string) (*taskView, *hub.Spec, error) {
	all, err := specs(file)
	if err != nil {
		return nil, nil, err
	}
	if len(all) != 1 {
		return nil, nil, fmt.Errorf("-f %s: it holds %d tasks; one is allowed here", file, len(all))
	}
	name := all[0].Name
	if len(args) > 0 {
		name = args[0]
	}
	t, err := f.find(ctx, c, name)
	return t, &all[0], err
}

func taskDiff(f *hubFlags) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "diff [TASK] -f SPEC", Short: "Show how a task differs from a spec; exit code 1 when it does", Args: cobra.MaximumNArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, s, err := f.both(ctx, c, file, args)
			if err != nil {
				return err
			}
			lines := hub.Diff(specOf(t), s)
			for _, l := range lines {
				fmt.Fprintln(out, l)
			}
			if len(lines) > 0 {
				return &exitError{Code: command.Incomplete}
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with one spec; - is standard input")
	return cmd
}

func taskExport(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "export TASK", Short: "Print a task's spec as YAML", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			text, err := specOf(t).Text()
			if err != nil {
				return err
			}
			_, err = out.Write(text)
			return err
		}),
	}
}

func taskClone(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "clone TASK", Short: "Print the spec of a copy of a task, to be changed and created", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			var answer struct {
				CloneTask struct {
					Name, Description, Type string
					Labels, Parameters      []entry
				}
			}
			err = c.Do(ctx, `mutation($id: ID!) { cloneTask(id: $id) { name description type labels { name value } parameters { name value } } }`, map[string]any{"id": t.ID}, &answer)
			if err != nil {
				return err
			}
			d := answer.CloneTask
			text, err := (&hub.Spec{Name: d.Name, Description: d.Description, Type: d.Type, Labels: mapOf(d.Labels), Parameters: mapOf(d.Parameters)}).Text()
			if err != nil {
				return err
			}
			_, err = out.Write(text)
			return err
		}),
	}
}

func taskWait(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "wait TASK", Short: "Wait until a task's stack is at rest and its latest run is closed", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			return f.wait(ctx, c, t.ID, out)
		}),
	}
}

// wait watches a task until nothing is under way: it is at rest without a run, or its latest run is closed.
func (f *hubFlags) wait(ctx context.Context, c *hub.Client, id string, out io.Writer) error {
	screen := newScreen(os.Stderr)
	began, answered := time.Now(), time.Now()
	for {
		t, err := f.find(ctx, c, id)
		if errors.Is(err, hub.ErrUnreachable) && time.Since(answered) < restartTime {
			if err := retry.Sleep(ctx, time.Second); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		answered = time.Now()
		if screen.terminal {
			screen.status(progress(t))
		}
		if rest(t, time.Since(began)) {
			screen.end()
			if err := f.came(out, t); err != nil {
				return err
			}
			return verdict(t)
		}
		if err := retry.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// restartTime is how long a hub that answered before may be away.
const restartTime = time.Minute

// came says what a task that was waited for came to.
func (f *hubFlags) came(out io.Writer, t *taskView) error {
	if f.json || t.LastRun == nil || t.State == "STOPPED" {
		return f.said(out, t)
	}
	_, err := fmt.Fprintf(out, "%s %s: %s; run %s is %s: %s\n", t.ID, t.Name, t.State, t.LastRun.ID, t.LastRun.State, t.LastRun.figures())
	return err
}

// progress is how a task is doing, in a line.
func progress(t *taskView) string {
	r := t.LastRun
	if r == nil {
		return t.State
	}
	return fmt.Sprintf("%s, run %s: %.0f of %.0f objects, %s", t.State, r.State, r.Settled, r.Queued, units.FormatSize(int64(r.Bytes)))
}

// settleTime is how long a run that was just asked for may take to appear.
const settleTime = 3 * time.Second

// mendTime is how long a task may be failing: what was mended a moment ago is tried again within ten seconds.
const mendTime = 15 * time.Second

func rest(t *taskView, waited time.Duration) bool {
	switch t.State {
	case "STARTING", "UPDATING", "STOPPING":
		return false
	case "IN_PROGRESS":
		if t.Health == "FAILING" && t.Reason != "" {
			return waited > mendTime
		}
		return t.LastRun != nil && t.LastRun.Finished != nil && waited > settleTime
	}
	return true
}

// verdict turns what a task came to into an exit code.
func verdict(t *taskView) error {
	switch {
	case t.State == "STOPPED": // whatever its runs came to
		return nil
	case t.Reason == "" && t.Health == "FAILING" && t.LastRun != nil:
		return &exitError{Code: command.Incomplete, Err: fmt.Errorf("%s: run %s failed: %s", t.Name, t.LastRun.ID, t.LastRun.Error)}
	case t.State == "ERROR" || t.Health == "FAILING":
		return &exitError{Code: command.Incomplete, Err: fmt.Errorf("%s: %s; %s", t.Name, t.Reason, t.NextStep)}
	case t.Health == "ATTENTION" && (t.State == "DONE" || t.State == "IN_PROGRESS"):
		return &exitError{Code: command.Incomplete, Err: fmt.Errorf("%s: objects are left that failed or differ; dth task objects %s names those that failed", t.Name, t.ID)}
	}
	return nil
}
