package closing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files returns reports that are files of a folder: RUN.jsonl. A file has this name when it is whole. Reports without an
// object are not kept: a task that looks every few seconds would fill the folder with them.
func Files(dir string) func(runID string) (Report, error) {
	return func(runID string) (Report, error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.CreateTemp(dir, runID+".part-*")
		if err != nil {
			return nil, err
		}
		return &fileReport{File: f, path: filepath.Join(dir, runID+".jsonl")}, nil
	}
}

type fileReport struct {
	*os.File
	path string
}

// Publish implements Report.
func (r *fileReport) Publish(_ context.Context, objects int64) (string, error) {
	if objects == 0 {
		return "", nil
	}
	if err := errors.Join(r.Sync(), r.Close()); err != nil {
		return "", err
	}
	if err := os.Rename(r.Name(), r.path); err != nil {
		return "", fmt.Errorf("naming the file: %w", err)
	}
	return r.path, nil
}

// Discard implements Report.
func (r *fileReport) Discard() {
	_ = r.Close()
	_ = os.Remove(r.Name()) // gone when it was published
}
