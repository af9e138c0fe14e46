package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/pass"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/units"
)

// copied is what a copy prints.
type copied struct {
	Copied    int         `json:"copied"`
	Unchanged int         `json:"unchanged"`
	Deleted   int         `json:"deleted,omitempty"` // at the destination, since the source does not have it
	Failed    int         `json:"failed"`            // with what is missing at the source
	Bytes     int64       `json:"bytes"`
	Agree     bool        `json:"agree"`
	Left      int         `json:"left,omitempty"`    // different, without a reason on record
	Newer     int         `json:"newer,omitempty"`   // pushed meanwhile
	TooMany   string      `json:"tooMany,omitempty"` // why nothing was deleted
	Failures  []imageLine `json:"failures,omitempty"`
}

func copyImages(ctx context.Context, f *registryFlags, v contract.Values) error {
	screen := newScreen(os.Stderr)
	dir, err := f.folder()
	if err != nil {
		return usageError(err)
	}
	tool, err := skopeo.Open(ctx, "", dir)
	if err != nil {
		return usageError(err)
	}
	own, err := skopeo.Folder(dir)
	if err != nil {
		return usageError(err)
	}
	defer os.RemoveAll(own)
	c, err := f.open(ctx, v)
	if err != nil {
		return err
	}
	db, err := databasesqlite.Open(ctx, f.stateFile(own))
	if err != nil {
		return usageError(err)
	}
	defer db.Close()
	records, err := recordsqlite.Open(ctx, db, c.Source.Host()+" -> "+c.Destination.Host()+"/"+v["destPrefix"])
	if err != nil {
		return usageError(err)
	}
	out := &copied{}
	shown := &imageProgress{screen: screen, out: out}
	result, err := pass.Run(ctx, pass.Config{
		Plan: c, Prove: true,
		Copier: &copier.Copier{
			Source: c.Source, Destination: c.Destination, Open: c.Open, Tool: tool, Records: records, Referrers: c.Referrers, Settings: v["destRepositorySettings"] == "copy",
			RunID: newRunID(), Log: logger(f.verbose), OnRecord: shown.record,
		},
		OnPlan: func(p *plan.Result) error { shown.begin(p); return nil },
	})
	screen.end()
	var many *plan.TooManyError
	switch {
	case errors.As(err, &many): // all else was done
		out.TooMany = many.Error()
	case err != nil:
		return imagesError(ctx, err)
	}
	out.Copied, out.Unchanged, out.Deleted, out.Failed, out.Bytes = result.Copied, result.Unchanged, result.Deleted, result.Failed+result.Absent, result.Bytes
	out.Agree, out.Left, out.Newer = result.Agree(), result.Left, result.Newer
	return out.end(screen, f.json)
}

// folder returns where skopeo writes. It is the same each time: what a command that was killed has left there, sign-ins among it, is
// removed by the next.
func (f *registryFlags) folder() (string, error) {
	if f.scratch != "" {
		return filepath.Abs(f.scratch)
	}
	data, err := dataPath("")
	return filepath.Join(data, "image-copies"), err
}

func (f *registryFlags) stateFile(dir string) string {
	if f.state != "" {
		return f.state
	}
	return filepath.Join(dir, "records.db")
}

// imageProgress shows how a copy goes.
type imageProgress struct {
	screen *screen

	mu   sync.Mutex
	out  *copied
	all  int
	done int
}

func (p *imageProgress) begin(r *plan.Result) {
	p.all = r.Images() + r.Deletions() + len(r.Absent)
	p.screen.line("%d images looked at, %d to copy", r.Totals.ListedSource, r.Images())
	if r.Extraneous > 0 {
		p.screen.line("%d images are only at the destination, %d to delete", r.Extraneous, r.Deletions())
	}
}

func (p *imageProgress) record(r record.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	switch r.Status {
	case record.Done:
		p.screen.line("%d/%d copied %s  %s  %s", p.done, p.all, r.Key, r.DestinationDigest, units.FormatSize(r.Bytes))
	case record.Deleted:
		p.screen.line("%d/%d deleted %s  %s", p.done, p.all, r.Key, r.DestinationDigest)
	case record.Failed:
		p.screen.line("%d/%d FAILED %s  %s: %s", p.done, p.all, r.Key, r.ErrorClass, r.ErrorMessage)
		p.out.Failures = append(p.out.Failures, imageLine{Image: r.Image, Tag: r.Tag, Digest: r.SourceDigest, Why: r.ErrorClass + ": " + r.ErrorMessage})
	}
}

func (c *copied) end(screen *screen, asJSON bool) error {
	screen.line("%d copied (%s), %d unchanged, %d deleted, %d failed", c.Copied, units.FormatSize(c.Bytes), c.Unchanged, c.Deleted, c.Failed)
	switch {
	case c.TooMany != "":
		screen.line("%s", c.TooMany)
	case c.Agree:
		screen.line("both sides agree: every digest was compared")
	case c.Left > 0:
		screen.line("%d images differ without a reason on record; run the same command again", c.Left)
	case c.Newer > 0:
		screen.line("%d images were pushed meanwhile; run the same command again", c.Newer)
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(c); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	if !c.Agree {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}
