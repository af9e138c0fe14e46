package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/older"
)

func newImportParams() *cobra.Command {
	var params []string
	var out string
	cmd := &cobra.Command{
		Use:   "import-params FILE",
		Short: "Convert an older tool's parameter file to the S3 plugin's",
		Long: `Import-params reads a CloudFormation parameter file of an older tool of this kind and prints one for the S3 plugin, for
aws cloudformation deploy --parameter-overrides file://FILE. Standard error tells what was kept, renamed and dropped, and where
three sample keys go under both. FILE may be - for standard input. It exits with 1 when copies would get other keys.`,
		Example: `  dth import-params old.json --out task.json
  aws cloudformation describe-stacks --stack-name old --query 'Stacks[0]' | dth import-params - --param alarmEmail=me@example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			override, err := pairs("--param", params)
			if err != nil {
				return usageError(err)
			}
			content, err := readInput(args[0], cmd.InOrStdin())
			if err != nil {
				return usageError(err)
			}
			return importParams(args[0], content, override, out, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringArrayVar(&params, "param", nil, "name=value that replaces or adds a parameter; repeat it for several")
	cmd.Flags().StringVar(&out, "out", "", "file to write; empty is standard output")
	return cmd
}

func readInput(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

func importParams(name string, content []byte, override map[string]string, out string, stdout, stderr io.Writer) error {
	file, err := older.Decode(content)
	if err != nil {
		return usageError(fmt.Errorf("%s: %w", name, err))
	}
	r, err := older.Convert(file, override)
	fmt.Fprint(stderr, r.Report())
	if err != nil {
		return usageError(fmt.Errorf("%s: the plugin refuses it; give other values with --param:\n%w", name, err))
	}
	text, err := r.JSON()
	if err != nil {
		return err
	}
	if err := writeFile(out, stdout, string(text)); err != nil {
		return err
	}
	if !r.KeysAgree() {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}
