// Command dth moves object data between stores, and runs the hub on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/worker/failure"
)

// version is set by the build.
var version = "dev"

// Exit codes, the same for every command.
const (
	exitDone        = 0 // all in agreement, or done
	exitIncomplete  = 1 // finished, but some objects failed or differ
	exitUsage       = 2 // wrong usage or configuration
	exitUnreachable = 3 // an end cannot be reached, or refuses
)

// exitError carries an exit code. An empty message prints nothing: the command has said it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{exitUsage, err} }

func main() {
	ctx, signaled := withSignals()
	root := newRoot()
	err := root.ExecuteContext(ctx)
	os.Exit(exitCode(err, signaled()))
}

// withSignals returns a context that ends with the first SIGINT or SIGTERM. A second one ends the process at once.
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

func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitIncomplete
}

// exitCode prints what is left to say and chooses the code.
func exitCode(err error, stopped os.Signal) int {
	if err == nil {
		return exitDone
	}
	if stopped != nil {
		fmt.Fprintln(os.Stderr, "dth: stopped")
		return signalCode(stopped)
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "dth:", text)
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	var f *failure.Error
	if errors.As(err, &f) {
		return exitUnreachable
	}
	return exitIncomplete
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "dth",
		Short:         "Move objects between clouds, regions and accounts, and prove that both sides agree",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newCopy(), newPlan(), newVerify(), newLocal(), newVersion())
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "dth", version) },
	}
}
