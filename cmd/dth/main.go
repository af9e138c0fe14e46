// Command dth moves object data between stores, and runs the hub on one machine.
package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
)

// version is set by the build.
var version = "dev"

func main() {
	command.Main("dth", func(ctx context.Context) error { return newRoot().ExecuteContext(ctx) })
}

// exitError and usageError are short for those of package command.
type exitError = command.ExitError

func usageError(err error) error { return command.UsageError(err) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "dth",
		Short:         "Move objects between clouds, regions and accounts, and prove that both sides agree",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newCopy(), newPlan(), newVerify(), newLocal(), newPublish(), newLinks(), newImportParams(), newPolicy(), newTask(), newImages(), newDoctor(), newVersion())
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
