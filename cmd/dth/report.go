package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/ledger"
)

// report writes a JSON line an object. A nil file drops everything.
type report struct {
	all bool

	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	enc  *json.Encoder
	err  error
}

type reportLine struct {
	Key        string    `json:"key"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason,omitempty"`
	ErrorClass string    `json:"errorClass,omitempty"`
	Error      string    `json:"error,omitempty"`
	Size       int64     `json:"size"`
	Method     string    `json:"method,omitempty"`
	VerifiedBy string    `json:"verifiedBy,omitempty"`
	Checksum   string    `json:"crc64nvme,omitempty"`
	Attempts   int       `json:"attempts,omitempty"`
	Finished   time.Time `json:"finished,omitzero"`
}

func openReport(path string, all bool) (*report, error) {
	r := &report{all: all}
	if path == "" {
		return r, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	r.file, r.w = f, bufio.NewWriter(f)
	r.enc = json.NewEncoder(r.w)
	return r, nil
}

func (r *report) write(l reportLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.enc != nil && r.err == nil {
		r.err = r.enc.Encode(l)
	}
}

// outcome reports what became of a queued object.
func (r *report) outcome(rec ledger.Record) {
	if r.file == nil || !r.all && rec.Status == ledger.Done {
		return
	}
	l := reportLine{
		Key: rec.Key, Status: string(rec.Status), ErrorClass: rec.ErrorClass, Error: rec.Error, Size: rec.Size, Method: rec.Method,
		VerifiedBy: rec.VerifiedBy, Checksum: rec.Checksum, Attempts: rec.Attempts, Finished: rec.FinishedAt,
	}
	if rec.Status == ledger.Skipped {
		l.Reason, l.Error = rec.Error, ""
	}
	r.write(l)
}

// sinks returns what the finder tells its decisions to: nothing when nobody wants a report.
func (r *report) sinks() []diff.Sink {
	if r.file == nil {
		return nil
	}
	return []diff.Sink{finder.Held(r, "")}
}

// Decide reports what the finder left out.
func (r *report) Decide(_ context.Context, batch []diff.Decision) error {
	for i := range batch {
		switch v := &batch[i]; v.Kind {
		case diff.Skipped:
			r.write(reportLine{Key: v.Source.Key, Status: string(ledger.Skipped), Reason: v.Reason, Size: v.Source.Size})
		case diff.Extraneous:
			if r.all {
				r.write(reportLine{Key: v.Destination.Key, Status: "EXTRANEOUS", Size: v.Destination.Size})
			}
		case diff.New, diff.Changed, diff.Same:
		}
	}
	return nil
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	err := r.err
	if flushErr := r.w.Flush(); err == nil {
		err = flushErr
	}
	if closeErr := r.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
