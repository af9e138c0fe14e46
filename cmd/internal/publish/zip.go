package publish

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// zipEpoch is the time of every entry: the first that the format can write.
func zipEpoch() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// zipFolder packs the files of a folder. The same files give the same bytes: order by name, one time, two modes.
func zipFolder(dir string) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	// WalkDir goes by name.
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return zipFile(w, dir, path, entry)
	})
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", dir, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing %s: %w", dir, err)
	}
	return out.Bytes(), nil
}

func zipFile(w *zip.Writer, dir, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no plain file", path)
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: filepath.ToSlash(name), Method: zip.Deflate, Modified: zipEpoch()}
	header.SetMode(0o644)
	if info.Mode()&0o111 != 0 {
		header.SetMode(0o755) // Lambda runs bootstrap
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	to, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = to.Write(content)
	return err
}
