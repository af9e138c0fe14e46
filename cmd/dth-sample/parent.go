package main

import (
	"context"
	"io"
	"os"
	"time"
)

// parentInterval is how often the parent is looked for.
const parentInterval = time.Second

// awaitOrphaned calls stop when the process that started this one is gone, so that a killed `dth local`
// leaves no server behind. A closed pipe on standard input tells at once; a parent that gave none (a
// shell, a test runner with /dev/null) is looked for by its process id.
func awaitOrphaned(ctx context.Context, stop context.CancelFunc) {
	defer stop()
	closed := make(chan struct{})
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		go func() {
			defer close(closed)
			_, _ = io.Copy(io.Discard, os.Stdin) // any end of it, an error too, is the sign
		}()
	}
	parent := os.Getppid()
	ticker := time.NewTicker(parentInterval)
	defer ticker.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-closed:
			return
		case <-ticker.C:
		}
	}
}
