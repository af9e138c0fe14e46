package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder is a Store on disk: a key is a path below the root.
type Folder struct{ Root string }

func (f Folder) path(key string) string { return filepath.Join(f.Root, filepath.FromSlash(key)) }

// Look reads the file and computes its hash.
func (f Folder) Look(ctx context.Context, key string) (Stored, bool, error) {
	content, err := f.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}, false, nil
	}
	if err != nil {
		return Stored{}, false, err
	}
	sum := sha256.Sum256(content)
	return Stored{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}, true, nil
}

// Get reads the file.
func (f Folder) Get(_ context.Context, key string) ([]byte, error) { return os.ReadFile(f.path(key)) }

// Put writes a file under another name first, so that one that is there is whole.
func (f Folder) Put(_ context.Context, o Object) error {
	name := f.path(o.Key)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".part-")
	if err != nil {
		return err
	}
	_, err = part.Write(o.Content)
	err = errors.Join(err, part.Chmod(0o644), part.Close())
	if err == nil && o.New {
		err = os.Link(part.Name(), name) // fails where the name is taken
		return errors.Join(err, os.Remove(part.Name()))
	}
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return nil
}
