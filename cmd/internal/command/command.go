// Package command holds what all binaries do alike: exit codes and stopping.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// Exit codes, the same for every binary and command.
const (
	Done        = 0 // all in agreement, or done
	Incomplete  = 1 // finished, but some objects failed or differ
	Usage       = 2 // wrong usage or configuration
	Unreachable = 3 // an end cannot be reached, or refuses
)

// ExitError carries an exit code. Without an error nothing is printed: the command has said it all.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// UsageError marks an error as wrong usage or configuration.
func UsageError(err error) error { return &ExitError{Usage, err} }

// Main runs f and ends the process with its exit code. The context ends with the first SIGINT or SIGTERM, so that f can drain;
// a second signal ends the process at once.
func Main(name string, f func(ctx context.Context) error) {
	ctx, signaled := withSignals()
	os.Exit(code(name, f(ctx), signaled()))
}

func withSignals() (ctx context.Context, signaled func() os.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	incoming := make(chan os.Signal, 2)
	signal.Notify(incoming, os.Interrupt, syscall.SIGTERM)
	first := make(chan os.Signal, 1)
	go func() {
		s := <-incoming
		first <- s
		cancel()
		<-incoming
		os.Exit(signalCode(s))
	}()
	return ctx, func() os.Signal {
		select {
		case s := <-first:
			return s
		default:
			return nil
		}
	}
}

// ProcessName names this process: its host, the time, its number. It is another after every start.
func ProcessName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%s-%d", host, time.Now().UTC().Format("20060102T150405.000Z"), os.Getpid())
}

func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return Incomplete
}

// code prints what is left to say and chooses the exit code.
func code(name string, err error, stopped os.Signal) int {
	if stopped != nil {
		fmt.Fprintln(os.Stderr, name+": stopped")
		return signalCode(stopped)
	}
	if err == nil {
		return Done
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, name+":", text)
	}
	var e *ExitError
	if errors.As(err, &e) {
		return e.Code
	}
	var f *failure.Error
	if errors.As(err, &f) {
		return Unreachable
	}
	return Incomplete
}
