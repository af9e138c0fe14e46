package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/web"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/preflight"
)

func newLocal() *cobra.Command {
	var o localOptions
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run the hub on this machine",
		Long: `Local runs tasks in one process, without an AWS account: on their schedules, by events, or once. Each run is closed by a
comparison of both ends. Everything is kept under --data, so that a restart goes on where it was stopped or killed.

Without a task file it is a hub: it serves the console and its API on --listen, and prints a link that signs you in. Tasks are
created, changed and watched in the console, or by dth task. Others on the network reach it only with a certificate (--tls-cert,
--tls-key) and a password, which dth local password sets.

--sample starts two S3 servers on this machine, fills the first, and creates a task that copies everything to the second and goes
on copying what is added.

--tasks FILE names the tasks instead, and nothing is served; SIGHUP reads it anew, and tasks that did not change go on undisturbed.

A task file:

  tasks:
    - name: photos
      schedule: rate(1 hour)        # cron(...), rate(...) or once; default: ec2CronExpression
      parameters:                   # as of the S3 plugin
        srcType: S3_Compatible
        srcEndpoint: http://127.0.0.1:9000
        srcBucket: photos
        srcCredentials: nas         # DATA/secrets/nas.json, or the environment variable DTH_SECRET_NAS
        destType: Amazon_S3
        destBucket: backup
        destRegion: eu-west-1
      destProfile: backup           # of this machine's AWS configuration`,
		Example: `  dth local --sample
  dth local link
  dth local --tasks tasks.yaml
  dth local --tasks tasks.yaml --check
  dth local --tasks tasks.yaml --once --data /srv/dth`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLocal(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.tasks, "tasks", "", "file with the tasks, YAML or JSON")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the hub; port 0 is any that is free")
	cmd.Flags().StringVar(&o.tlsCert, "tls-cert", "", "PEM file with the certificate that the hub shows, and those between it and its root")
	cmd.Flags().StringVar(&o.tlsKey, "tls-key", "", "PEM file with the certificate's key")
	cmd.Flags().BoolVar(&o.check, "check", false, "only look whether the tasks are valid and have every right that they need at their ends; an object is written below the destination prefix and removed")
	cmd.Flags().BoolVar(&o.sample, "sample", false, "start two sample stores, fill the first and copy it to the second")
	cmd.PersistentFlags().StringVar(&o.data, "data", "", "folder of records, secrets and the sample [the user's data folder]")
	cmd.Flags().BoolVar(&o.once, "once", false, "stop when each task has made one run")
	cmd.Flags().DurationVar(&o.every, "every", 5*time.Second, "how often the sample's source is looked at for what was added")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "log what happens, to standard error")
	cmd.AddCommand(newLocalLink(&o), newLocalPassword(&o))
	return cmd
}

type localOptions struct {
	tasks, data, listen          string
	tlsCert, tlsKey              string
	sample, once, check, verbose bool
	every                        time.Duration
}

func runLocal(ctx context.Context, o localOptions) error {
	if o.check && o.tasks == "" {
		return usageError(errors.New("--check: it looks at the tasks of a file; give --tasks FILE"))
	}
	if o.once && o.tasks == "" && !o.sample {
		return usageError(errors.New("--once: it makes one run of each task of a file; give --tasks FILE, or use dth copy to copy between your own stores at once"))
	}
	if o.every < time.Second {
		return usageError(fmt.Errorf("--every: %s: allowed is 1s or more", o.every))
	}
	tasks, err := readTasks(o.tasks)
	if err != nil {
		return usageError(err)
	}
	dir, err := dataFolder(o.data)
	if err != nil {
		return usageError(err)
	}
	screen := newScreen(os.Stderr)
	m := &machine{dir: dir, options: o, board: newBoard(screen), screen: screen, secrets: local.Secrets{Dir: filepath.Join(dir, "secrets"), Env: os.LookupEnv}}
	if files, built := web.Files(); built {
		m.console = files
	}
	if o.check {
		return m.check(ctx, tasks)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return usageError(err)
	}
	defer unlock()
	if o.tasks == "" && !o.once {
		return m.serve(ctx)
	}
	return m.run(ctx, tasks)
}

func readTasks(path string) ([]local.Task, error) {
	if path == "" {
		return nil, nil
	}
	document, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--tasks: %w", err)
	}
	tasks, err := local.ParseTasks(document)
	if err != nil {
		return nil, fmt.Errorf("--tasks %s: %w", path, err)
	}
	return tasks, nil
}

// dataFolder returns the folder of the records, and makes it for this user alone.
func dataFolder(given string) (string, error) {
	dir, err := dataPath(given)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	return dir, nil
}

// dataPath returns where the folder of the records is, or is to be.
func dataPath(given string) (string, error) {
	dir := given
	if dir == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("--data: give a folder; there is no home folder: %w", err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(base, "dth")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	return dir, nil
}

// run keeps the tasks running.
func (m *machine) run(ctx context.Context, tasks []local.Task) error {
	hangups := make(chan os.Signal, 1) // from the first moment on: a signal that nobody waits for would end the process
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	m.screen.line("records are kept in %s", m.dir)
	var err error
	if m.db, err = databasesqlite.Open(ctx, filepath.Join(m.dir, "dth.db")); err != nil {
		return usageError(err)
	}
	defer m.db.Close()
	own := func(t []local.Task) []local.Task { return t }
	if m.options.sample {
		if m.sample, err = startSample(ctx, filepath.Join(m.dir, "sample"), false, m.screen); err != nil {
			return err
		}
		defer m.sample.stop()
		sample, err := m.sample.task(m.options.every)
		if err != nil {
			return err
		}
		own = func(t []local.Task) []local.Task { return append(slices.Clone(t), sample) }
		m.board.refused, m.board.blocker = m.sample.refused, m.sample.blocker
		if !m.options.once {
			m.board.announce = m.announce
		}
	}
	hub := &local.Hub{
		Open: m.open, OpenImages: m.openImages, Version: version, Log: logger(m.options.verbose), Once: m.options.once,
		OnChange: m.board.change, OnClosed: m.board.closed, OnOutcome: m.board.outcome,
	}
	err = hub.Run(ctx, own(tasks), m.changes(ctx, hangups, own))
	m.screen.end()
	if err != nil {
		return copyError(ctx, err)
	}
	if m.board.incomplete() {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}

// changes reads the task file anew at every SIGHUP. A file with errors changes nothing.
func (m *machine) changes(ctx context.Context, hangups <-chan os.Signal, own func([]local.Task) []local.Task) <-chan local.Change {
	changed := make(chan local.Change)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			tasks, err := readTasks(m.options.tasks)
			if err != nil {
				m.screen.line("the tasks go on as they were: %v", err)
				continue
			}
			m.screen.line("%s: %d tasks", m.options.tasks, len(tasks))
			select {
			case changed <- local.Change{Tasks: own(tasks)}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changed
}

// check looks at each right that the tasks need at their ends, and says what is missing or could not be looked at.
func (m *machine) check(ctx context.Context, tasks []local.Task) error {
	var all error
	for _, t := range tasks {
		found, err := m.examine(ctx, t)
		denied := 0
		for _, f := range found {
			if f.Result == string(preflight.Denied) {
				denied++
			}
			if f.Result != string(preflight.OK) {
				m.screen.line("%s: %s: %s: %s: %s", t.Name, f.End, f.Right, f.Result, f.Message)
				if f.Remedy != "" {
					m.screen.line("    %s", f.Remedy)
				}
			}
		}
		switch {
		case err != nil:
			m.screen.line("%s: %v", t.Name, err)
			all = &exitError{Code: command.Unreachable}
		case denied > 0:
			m.screen.line("%s: %d rights are missing", t.Name, denied)
			all = &exitError{Code: command.Unreachable}
		case t.Job == nil:
			m.screen.line("%s: both registries can be used; %s", t.Name, whenNext(t))
		default:
			m.screen.line("%s: both ends can be reached; %s; %s", t.Name, mapping(t.Job), whenNext(t))
		}
	}
	return all
}

// whenNext says when a task runs.
func whenNext(t local.Task) string {
	if t.Paused {
		return "paused"
	}
	if t.Events.Poll > 0 {
		return "again every " + t.Events.Poll.String()
	}
	if t.Ticks == nil {
		return "once"
	}
	next, more := t.Ticks.Next(time.Now())
	if !more {
		return "never again by its schedule"
	}
	return "next by its schedule: " + next.UTC().Format(time.RFC3339)
}
