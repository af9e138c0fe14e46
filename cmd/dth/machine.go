package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/local/localsqlite"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// machine is what the tasks of one process share.
type machine struct {
	dir     string
	options localOptions
	screen  *screen
	board   *board
	db      *sql.DB
	secrets local.Secrets
	sample  *sampleStores // nil: there is no sample
	console fs.FS         // the console's files; nil: this build has none

	logs     *local.TaskLogs       // of a hub's tasks
	measures *localsqlite.Measures // likewise
	requests *localsqlite.Requests // likewise
}

// open implements what the hub opens tasks with.
func (m *machine) open(ctx context.Context, t local.Task) (local.Parts, error) {
	e, err := m.ends(ctx, t)
	if err != nil {
		return local.Parts{}, err
	}
	r := &records{db: m.db}
	if err := r.open(ctx, t.Name); err != nil {
		e.close()
		return local.Parts{}, err
	}
	position, err := localsqlite.OpenPosition(ctx, m.db, t.Name)
	if err == nil {
		// Whoever held messages of this task is dead or drained: this process is alone with its folder.
		err = r.queue.ReleaseLeases(ctx)
	}
	if err != nil {
		e.close()
		return local.Parts{}, errors.Join(err, r.queue.Close())
	}
	return local.Parts{
		Source: e.source, Destination: e.destination, PrefixFile: e.prefixFile(), Queue: r.queue, DeadLetters: r.queue.DeadLetters(),
		Ledger: r.ledger, Runs: r.runs, Uploads: r.uploads, Position: position, Shared: e.destination.Shares(e.source),
		Report: m.report(t.Name), Tidy: tidy(r.ledger, t.KeepRecords),
		Close: func() {
			e.close()
			_ = r.queue.Close() // its statements; the database stays
		},
	}, nil
}

// tidy removes records of the ledger that are older than they are kept, once a day: it looks at all of them. 0: all are kept.
func tidy(l *ledgersqlite.Ledger, keep time.Duration) func(context.Context) error {
	if keep == 0 {
		return nil
	}
	var last time.Time
	return func(ctx context.Context) error {
		now := time.Now()
		if now.Sub(last) < 24*time.Hour {
			return nil
		}
		_, err := l.Expire(ctx, now.Add(-keep))
		if err == nil {
			last = now
		}
		return err
	}
}

// report writes a report for each run that left something to be named.
func (m *machine) report(task string) func(runID string) (closing.Report, error) {
	return closing.Files(filepath.Join(m.dir, "reports", task))
}

// ends opens both ends of a task and makes sure that they can be reached.
func (m *machine) ends(ctx context.Context, t local.Task) (*ends, error) {
	o, err := m.access(ctx)
	if err != nil {
		return nil, err
	}
	return openEndsNamed(ctx, t.Job, o, parameterNames)
}

// access is what ends are opened with.
func (m *machine) access(ctx context.Context) (storeaws.Options, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return storeaws.Options{}, fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err)
	}
	return storeaws.Options{AWS: cfg, Secrets: m}, nil
}

// hasProfile returns an error unless this machine's AWS configuration has a profile.
func hasProfile(ctx context.Context, name string) error {
	_, err := config.LoadSharedConfigProfile(ctx, name)
	var none config.SharedConfigProfileNotExistError
	if errors.As(err, &none) {
		return fmt.Errorf("the AWS configuration of this machine has no profile %q; aws configure --profile %s makes one", name, name)
	}
	return err
}

// Secret implements storeaws.SecretReader: the sample's accounts, then the person's own.
func (m *machine) Secret(ctx context.Context, name string) (string, error) {
	if m.sample != nil && m.sample.has(name) {
		return m.sample.Secret(ctx, name)
	}
	return m.secrets.Secret(ctx, name)
}

// parameterNames names the settings of an end as a task file does.
func parameterNames(end, prefix, rights string) preflight.Names {
	if prefix == "dst" {
		prefix = "dest"
	}
	names := preflight.ParameterNames(end)
	names.Credentials, names.Rights = prefix+"Credentials or "+prefix+"Profile", rights
	return names
}

func (m *machine) announce() {
	s := m.sample
	m.screen.line("")
	m.screen.line("source:       %s  bucket %s", s.source.url, sampleBucket)
	m.screen.line("destination:  %s  bucket %s", s.destination.url, sampleBucket)
	m.screen.line("credentials:  %s  (profiles dth-source and dth-destination)", s.credentialsFile())
	m.screen.line("records:      %s", filepath.Join(m.dir, "dth.db"))
	m.screen.line("")
	m.screen.line("What is added to the source is copied within %s. Ctrl-C stops. To add something, with the AWS CLI:", m.options.every)
	m.screen.line("  AWS_SHARED_CREDENTIALS_FILE=%s aws s3 cp README.md s3://%s/hello --profile dth-source --endpoint-url %s", s.credentialsFile(), sampleBucket, s.source.url)
}
