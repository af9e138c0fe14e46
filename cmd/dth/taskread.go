package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/hub"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/units"
)

func taskRetry(f *hubFlags) *cobra.Command {
	var keys []string
	var class string
	var all, wait bool
	cmd := &cobra.Command{
		Use: "retry TASK --key KEY | --class CLASS | --all", Short: "Queue failed objects again", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			vars := map[string]any{"id": t.ID}
			var arguments []string
			if len(keys) > 0 {
				vars["keys"], arguments = keys, append(arguments, "keys: $keys")
			}
			if class != "" {
				vars["errorClass"], arguments = class, append(arguments, "errorClass: $errorClass")
			}
			if all {
				vars["all"], arguments = true, append(arguments, "all: $all")
			}
			if len(arguments) != 1 {
				return usageError(errors.New("give --key (any number of times), --class or --all; dth task objects names what failed"))
			}
			if t, err = f.ask(ctx, c, "retryObjects", strings.Join(arguments, ", "), vars); err != nil {
				return err
			}
			if wait {
				return f.wait(ctx, c, t.ID, out)
			}
			return f.said(out, t)
		}),
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "key of a failed object, literally")
	cmd.Flags().StringVar(&class, "class", "", "class of the error, as dth task objects shows it")
	cmd.Flags().BoolVar(&all, "all", false, "all failed objects")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the run is closed")
	return cmd
}

// pages reads a list to its end: query takes $id, $first and $after, and its only field holds nodes and pageInfo.
func pages[T any](ctx context.Context, c *hub.Client, query string, vars map[string]any, limit int, do func([]T) error) error {
	for seen := 0; ; {
		vars["first"] = min(100, limit-seen)
		var answer map[string]struct {
			Nodes    []T
			PageInfo pageInfo
		}
		if err := c.Do(ctx, query, vars, &answer); err != nil {
			return err
		}
		for _, page := range answer {
			if err := do(page.Nodes); err != nil {
				return err
			}
			if seen += len(page.Nodes); !page.PageInfo.HasNextPage || seen >= limit {
				return nil
			}
			vars["after"] = page.PageInfo.EndCursor
		}
	}
}

func taskObjects(f *hubFlags) *cobra.Command {
	var class, prefix string
	var limit int
	cmd := &cobra.Command{
		Use: "objects TASK", Short: "List the objects that failed, with the reason", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			type object struct {
				Key, ErrorClass, Error string
				Size                   float64
				Attempts               int
				Finished               *time.Time
			}
			vars := map[string]any{"id": t.ID}
			if class != "" {
				vars["class"] = class
			}
			if prefix != "" {
				vars["prefix"] = prefix
			}
			return pages(ctx, c, `query($id: ID!, $class: String, $prefix: String, $first: Int, $after: String) {
				taskObjects(id: $id, errorClass: $class, keyPrefix: $prefix, first: $first, after: $after) {
					nodes { key size errorClass error attempts finished } pageInfo { hasNextPage endCursor } } }`, vars, limit, func(all []object) error {
				for _, o := range all {
					if f.json {
						if err := printJSON(out, o); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(out, "%s  %q  %s: %s\n", units.FormatSize(int64(o.Size)), o.Key, o.ErrorClass, o.Error)
				}
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&class, "class", "", "only objects whose error is of this class")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only objects whose keys begin with this")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most this many")
	return cmd
}

func taskRuns(f *hubFlags) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "runs TASK", Short: "List the runs of a task, the newest first", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			type tally struct {
				Name           string
				Objects, Bytes float64
			}
			type run struct {
				ID, Trigger, State, Error string
				Started                   time.Time
				Finished                  *time.Time
				Queued, Settled           float64
				Proved                    bool
				Outcomes                  []tally
			}
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			if !f.json {
				fmt.Fprintln(w, "RUN\tTRIGGER\tSTATE\tSTARTED\tQUEUED\tSETTLED\tOUTCOMES")
			}
			err = pages(ctx, c, `query($id: ID!, $first: Int, $after: String) { taskRuns(id: $id, first: $first, after: $after) {
				nodes { id trigger state started finished error queued settled proved outcomes { name objects bytes } } pageInfo { hasNextPage endCursor } } }`,
				map[string]any{"id": t.ID}, limit, func(all []run) error {
					for _, r := range all {
						if f.json {
							if err := printJSON(out, r); err != nil {
								return err
							}
							continue
						}
						var outcomes []string
						for _, o := range r.Outcomes {
							outcomes = append(outcomes, fmt.Sprintf("%s %.0f", o.Name, o.Objects))
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%s\n", r.ID, r.Trigger, r.State, r.Started.UTC().Format(time.RFC3339), r.Queued, r.Settled, strings.Join(outcomes, ", "))
					}
					return nil
				})
			return errors.Join(err, w.Flush())
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "at most this many")
	return cmd
}

func taskLogs(f *hubFlags) *cobra.Command {
	var source, text string
	var since time.Duration
	var limit int
	cmd := &cobra.Command{
		Use: "logs TASK", Short: "Print log lines of a task's programs, such as those about one object", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			t, err := f.find(ctx, c, args[0])
			if err != nil {
				return err
			}
			type line struct{ Text string }
			vars := map[string]any{"id": t.ID, "source": strings.ToUpper(source), "from": time.Now().Add(-since).UTC().Format(time.RFC3339Nano)}
			if text != "" {
				vars["query"] = text
			}
			return pages(ctx, c, `query($id: ID!, $source: LogSource!, $query: String, $from: AWSDateTime, $first: Int, $after: String) {
				taskLogs(id: $id, source: $source, query: $query, from: $from, first: $first, after: $after) { nodes { text } pageInfo { hasNextPage endCursor } } }`,
				vars, limit, func(all []line) error {
					for _, l := range all {
						fmt.Fprintln(out, l.Text)
					}
					return nil
				})
		}),
	}
	cmd.Flags().StringVar(&source, "source", "worker", "whose: finder, worker or controller")
	cmd.Flags().StringVar(&text, "text", "", "only lines that contain this, an object's key say")
	cmd.Flags().DurationVar(&since, "since", 24*time.Hour, "how far back")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most this many lines")
	return cmd
}

func taskAudit(f *hubFlags) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "audit TASK", Short: "Show who did what to a task, the newest first", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			id := args[0]
			if t, err := f.find(ctx, c, id); err == nil {
				id = t.ID
			} // the audit of a deleted task stays, under its id
			type entry struct {
				At               time.Time
				By, Action, Note string
				Changes          []struct{ Field, Before, After string }
			}
			return pages(ctx, c, `query($id: ID!, $first: Int, $after: String) { taskAudit(id: $id, first: $first, after: $after) {
				nodes { at by action note changes { field before after } } pageInfo { hasNextPage endCursor } } }`, map[string]any{"id": id}, limit, func(all []entry) error {
				for _, e := range all {
					fmt.Fprintf(out, "%s  %s  %s %s\n", e.At.UTC().Format(time.RFC3339), e.By, e.Action, e.Note)
					for _, c := range e.Changes {
						fmt.Fprintf(out, "    %s: %q -> %q\n", c.Field, c.Before, c.After)
					}
				}
				return nil
			})
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this many entries")
	return cmd
}

// answerView is what a check or a plan says.
type answerView struct {
	State, Error string
	Listed       float64
	Findings     []struct{ End, Right, Result, Message, Remedy string }
	Result       *struct {
		ListedSource, ListedDestination float64
		Decisions                       []struct {
			Name           string
			Objects, Bytes float64
		}
		Text string
	}
}

// examined starts a check or a plan, and waits for its answer.
func (f *hubFlags) examined(ctx context.Context, c *hub.Client, name, start, query string) (*answerView, error) {
	t, err := f.find(ctx, c, name)
	if err != nil {
		return nil, err
	}
	if _, err := f.ask(ctx, c, start, "", map[string]any{"id": t.ID}); err != nil {
		return nil, err
	}
	screen := newScreen(os.Stderr)
	defer screen.end()
	for {
		var answer map[string]*answerView
		if err := c.Do(ctx, query, map[string]any{"id": t.ID}, &answer); err != nil {
			return nil, err
		}
		for _, a := range answer {
			if a != nil && a.State != "RUNNING" {
				return a, nil
			}
			if a != nil && a.Listed > 0 && screen.terminal {
				screen.status(fmt.Sprintf("%.0f objects listed", a.Listed))
			}
		}
		if err := retry.Sleep(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func taskCheck(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "check TASK", Short: "Look with the task's own identity whether both ends can be used", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			a, err := f.examined(ctx, c, args[0], "startCheck", `query($id: ID!) { check(id: $id) { state error findings { end right result message remedy } } }`)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(out, a)
			}
			bad := false
			for _, x := range a.Findings {
				fmt.Fprintf(out, "%-12s %-10s %s\n", x.End, x.Right, x.Result)
				if x.Message != "" {
					fmt.Fprintf(out, "    %s\n", x.Message)
				}
				if x.Remedy != "" {
					fmt.Fprintf(out, "    %s\n", x.Remedy)
				}
				bad = bad || x.Result == "denied"
			}
			if a.Error != "" {
				return &exitError{Code: command.Unreachable, Err: errors.New(a.Error)}
			}
			if bad {
				return &exitError{Code: command.Unreachable}
			}
			return nil
		}),
	}
}

func taskPlan(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use: "plan TASK", Short: "Compare both ends and say what a pass would do and cost; nothing is copied", Args: cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error {
			a, err := f.examined(ctx, c, args[0], "startPlan", `query($id: ID!) { plan(id: $id) { state error listed result {
				listedSource listedDestination decisions { name objects bytes } text } } }`)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(out, a)
			}
			if a.Error != "" || a.Result == nil {
				return &exitError{Code: command.Unreachable, Err: errors.New(a.Error)}
			}
			fmt.Fprintf(out, "listed %.0f at the source, %.0f at the destination\n\n", a.Result.ListedSource, a.Result.ListedDestination)
			fmt.Fprintf(out, "%-24s %14s %12s\n", "decision", "objects", "size")
			for _, d := range a.Result.Decisions {
				fmt.Fprintf(out, "%-24s %14.0f %12s\n", d.Name, d.Objects, units.FormatSize(int64(d.Bytes)))
			}
			fmt.Fprintf(out, "\n%s", a.Result.Text)
			return nil
		}),
	}
}
