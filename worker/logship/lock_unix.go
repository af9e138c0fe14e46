//go:build unix

package logship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder makes sure that this process is alone with a spool. The system lets go of the lock when the process ends,
// however it ends.
func lockFolder(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool of the log: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("spool of the log: %s is in use by another process; give each process a folder of its own", dir)
		}
		return nil, fmt.Errorf("spool of the log: locking %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
