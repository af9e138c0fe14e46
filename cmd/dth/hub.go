package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/local/front"
	"github.com/datatransferhub/dth/lambda/local/localsqlite"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// serve runs the hub: the tasks on record, and the API that changes them.
func (m *machine) serve(ctx context.Context) error {
	password, err := ownersPassword(m.dir)
	if err != nil {
		return usageError(err)
	}
	door, err := front.Open(front.Way{Listen: m.options.listen, Certificate: m.options.tlsCert, Key: m.options.tlsKey, Password: password != nil})
	if err != nil {
		return usageError(err)
	}
	defer door.Close()
	if m.db, err = databasesqlite.Open(ctx, filepath.Join(m.dir, "dth.db")); err != nil {
		return usageError(err)
	}
	defer m.db.Close()
	logs, err := local.OpenTaskLogs(filepath.Join(m.dir, "logs"))
	if err != nil {
		return usageError(err)
	}
	defer logs.Close()
	m.logs = logs
	log := slog.New(logs.Handler(logger(m.options.verbose).Handler()))
	if m.options.sample {
		if m.sample, err = startSample(ctx, filepath.Join(m.dir, "sample"), true, m.screen); err != nil {
			return err
		}
		defer m.sample.stop()
	}
	service, provider, metrics, err := m.hub(ctx, log)
	if err != nil {
		return err
	}
	if err := m.createSample(ctx, service); err != nil {
		return err
	}
	handler, signIn, err := m.front(door, password, service, log)
	if err != nil {
		return usageError(err)
	}
	server := front.Server(handler)
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // of callers that break off, and browsers that do not know a certificate
	m.announceHub(door, signIn)
	return m.serveUntil(ctx, door, server, provider, metrics)
}

// serveUntil runs server and tasks until ctx ends or one of them fails.
func (m *machine) serveUntil(ctx context.Context, door *front.Door, server *http.Server, provider *local.Provider, metrics *local.Metrics) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	measured := make(chan struct{})
	go func() { defer close(measured); metrics.Run(ctx) }()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := door.Serve(server); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("the hub's server ended: %w", err))
		}
	}()
	err := provider.Run(ctx)
	stop(err)
	shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if shutErr := server.Shutdown(shut); shutErr != nil {
		_ = server.Close() // calls that take longer are cut off
	}
	<-served
	<-measured
	m.screen.end()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// hub puts the service together.
func (m *machine) hub(ctx context.Context, log *slog.Logger) (*task.Service, *local.Provider, *local.Metrics, error) {
	store, err := tasksqlite.Open(ctx, m.db)
	if err != nil {
		return nil, nil, nil, usageError(err)
	}
	requests, err := localsqlite.OpenRequests(ctx, m.db)
	if err != nil {
		return nil, nil, nil, usageError(err)
	}
	measures, err := localsqlite.OpenMeasures(ctx, m.db)
	if err != nil {
		return nil, nil, nil, usageError(err)
	}
	metrics := &local.Metrics{Measures: measures, Log: log, Now: time.Now}
	m.measures, m.requests = measures, requests
	provider := local.NewProvider(local.Provider{
		Store: store, Requests: requests, OpenRecords: m.openTask, Forget: m.forget, Examine: m.examine, Compare: m.compare, Log: log, Now: time.Now,
		Hub: &local.Hub{Open: m.open, OpenImages: m.openImages, Version: version, Log: log, OnOutcome: m.outcomes(log, metrics)},
	})
	return &task.Service{
		Hub: task.Hub{Version: version, Local: true}, Plugins: catalog.Local(version), Store: store, Stacks: provider, Engine: provider,
		Logs: m.logs, Metrics: metrics, Pickers: local.Pickers{Secrets: filepath.Join(m.dir, "secrets")}, Log: log, Now: time.Now,
		Existence: local.Existence{Secret: m.Secret, Profile: hasProfile},
	}, provider, metrics, nil
}

// outcomes measures what became of each object, and writes it into its task's log.
func (m *machine) outcomes(log *slog.Logger, metrics *local.Metrics) func(name string, r ledger.Record) {
	var logs sync.Map // by task
	return func(name string, r ledger.Record) {
		metrics.Outcome(name, r)
		known, ok := logs.Load(name)
		if !ok {
			known, _ = logs.LoadOrStore(name, log.With("task", name))
		}
		attrs := []slog.Attr{
			slog.String("run", r.RunID), slog.String("key", r.Key), slog.Int64("size", r.Size), slog.String("status", string(r.Status)), slog.String("method", r.Method),
			slog.Int("attempts", r.Attempts),
		}
		if r.Error != "" {
			attrs = append(attrs, slog.String("class", r.Class()), slog.String("error", r.Error))
		}
		known.(*slog.Logger).LogAttrs(context.Background(), slog.LevelInfo, "object", attrs...)
	}
}

// createSample makes the sample's tasks; a second start finds them.
func (m *machine) createSample(ctx context.Context, s *task.Service) error {
	if m.sample == nil {
		return nil
	}
	all, err := m.sample.inputs(m.options.every)
	if err != nil {
		return err
	}
	c := task.Caller{Name: "sample", Role: task.Admin}
	for _, in := range all {
		// Its servers have other addresses when somebody else has taken theirs.
		_, err := s.Update(ctx, c, task.UpdateInput{ID: task.NewID(c.Name, in.ClientToken), Parameters: in.Parameters})
		if task.Is(err, task.NotFound) {
			_, err = s.Create(ctx, c, in)
		}
		if err != nil && !task.Is(err, task.WrongState) {
			return err
		}
	}
	return nil
}

// openTask opens what a task of a type has on record.
func (m *machine) openTask(ctx context.Context, id, kind string) (task.Records, error) {
	if kind == local.Images {
		return m.openImageRecords(ctx, id)
	}
	l, err := ledgersqlite.Open(ctx, m.db, id)
	if err != nil {
		return task.Records{}, err
	}
	r, err := runsqlite.Open(ctx, m.db, id)
	return task.Records{Runs: r, Objects: l, Close: func() { _ = l.Close() }}, err // statements; the database stays
}

// forget aborts a task's open uploads, and removes what it has on record. Uploads at an end that cannot be reached are left
// there: a task has to be stoppable when its ends are gone.
func (m *machine) forget(ctx context.Context, t local.Task) error {
	uploads, err := multipartsqlite.Open(ctx, m.db, t.Name)
	if err != nil {
		return err
	}
	if open, err := uploads.Uploads(ctx); err == nil && len(open) > 0 && t.Job != nil {
		bounded, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		e, err := m.ends(bounded, t)
		if err == nil {
			_, err = giant.Abandon(bounded, uploads, e.destination, time.Now())
			e.close()
		}
		if err != nil {
			m.screen.line("%s: uploads are left open at the destination: %v", t.Name, err)
		}
	}
	return errors.Join(
		recordsqlite.Drop(ctx, m.db, t.Name), queuesqlite.Drop(ctx, m.db, t.Name), ledgersqlite.Drop(ctx, m.db, t.Name), runsqlite.Drop(ctx, m.db, t.Name), multipartsqlite.Drop(ctx, m.db, t.Name),
		m.measures.Forget(ctx, t.Name, time.Time{}), m.requests.Forget(ctx, t.Name), m.logs.Forget(t.Name),
	)
}

// examine looks at each right that a task needs at its ends.
func (m *machine) examine(ctx context.Context, t local.Task) ([]task.Finding, error) {
	if t.Type == local.Images {
		return m.examineImages(ctx, t)
	}
	o, err := m.access(ctx)
	if err != nil {
		return nil, err
	}
	e, err := openUnseen(ctx, t.Job, o)
	if err != nil {
		return nil, err
	}
	defer e.close()
	found, err := preflight.Inspect(ctx, preflight.Subject{
		Job: t.Job, Source: e.source, Destination: e.destination, PrefixFile: e.prefixFile(),
		Names: func(end string) preflight.Names {
			names := preflight.ParameterNames(end)
			names.Credentials = strings.ReplaceAll(names.Credentials, "RoleArn", "Profile")
			return names
		},
	})
	return task.FindingsOf(found), err
}

// compare makes a pass that queues nothing.
func (m *machine) compare(ctx context.Context, t local.Task, told func(listed int64)) (*task.PlanResult, error) {
	if t.Type == local.Images {
		return m.compareImages(ctx, t)
	}
	e, err := m.ends(ctx, t)
	if err != nil {
		return nil, err
	}
	defer e.close()
	records, err := ledgersqlite.Open(ctx, m.db, t.Name)
	if err != nil {
		return nil, err
	}
	defer records.Close()
	plan := &finder.Plan{Rules: estimate.RulesOf(t.Job)}
	totals, err := finder.Pass(ctx, finder.Config{
		Job: t.Job, Source: e.source, Destination: e.destination, PrefixFile: e.prefixFile(), Ledger: ledger.Ledger(records),
		Sinks:      func() []diff.Sink { return []diff.Sink{plan} },
		OnProgress: func(p finder.Progress) { told(p.Source + p.Destination) },
	})
	if err != nil {
		return nil, err
	}
	result := &task.PlanResult{Totals: totals, Estimate: estimate.Of(estimate.Input{
		Job: t.Job, Totals: totals, Work: plan.Work(), Shared: e.destination.Shares(e.source), SourceRegion: e.source.Region(), DestinationRegion: e.destination.Region(),
	})}
	for _, b := range plan.Histogram() {
		result.Histogram = append(result.Histogram, task.Bin(b))
	}
	for _, o := range plan.Largest() {
		result.Largest = append(result.Largest, task.Sized{Key: o.Key, Size: o.Size})
	}
	return result, nil
}
