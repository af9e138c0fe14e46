package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/older"
	"github.com/datatransferhub/dth/plugins/ecr"
	images "github.com/datatransferhub/dth/plugins/ecr/grant"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/grant"
	"github.com/datatransferhub/dth/worker/job"
)

type policyFlags struct {
	transfer transferFlags
	params   string
	plugin   string
	task     grant.Task
	srcEvent string
}

func newPolicy() *cobra.Command {
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "policy [SRC DST]",
		Short: "Print the least rights that both ends of a transfer have to grant",
		Long: `Policy prints IAM policies for both ends, with no more than this transfer needs: for the identity that works there, for a
bucket or KMS key of another account, for a role that is assumed, and in words for stores of other vendors. Nothing is sent
anywhere. Two addresses with flags mean dth copy and have its defaults; --params FILE is a task's parameter file and has the
template's; with --type ECR it is the file of a task that copies images. Accounts are those that own the buckets; without them, both
ends belong to the task's.`,
		Example: `  dth policy s3://photos/2024 s3://archive --account 111122223333 --src-account-id 444455556666
  dth policy --params task.json --account 111122223333 --region cn-north-1 --stack-name photos --json
  dth policy --type ECR --params images.json --account 111122223333 --region eu-west-1`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			grants, err := f.printed(args)
			if err != nil {
				return usageError(err)
			}
			return printGrants(cmd.OutOrStdout(), grants, f.transfer.json)
		},
	}
	fs := cmd.Flags()
	f.transfer.registerParameters(fs)
	fs.StringVar(&f.params, "params", "", "parameter file of a task, instead of two addresses and flags; - is standard input")
	fs.StringVar(&f.plugin, "type", "S3", "kind of the task of --params: S3 or ECR")
	fs.StringVar(&f.srcEvent, "src-event", "", "events that are followed: No, Create or CreateAndDelete")
	fs.StringVar(&f.task.Account, "account", "", "account that the transfer runs in, 12 digits")
	fs.StringVar(&f.task.Region, "region", "", "region that the transfer runs in; empty is the destination's, or us-east-1")
	fs.StringVar(&f.task.StackName, "stack-name", "", "name of the task's stack, to bound what other accounts grant to its roles")
	fs.StringVar(&f.task.DestinationAccount, "dest-account-id", "", "account that owns the destination bucket")
	fs.StringSliceVar(&f.task.SourceKeys, "src-kms-key", nil, "ARNs of KMS keys that source objects are encrypted with")
	fs.StringSliceVar(&f.task.DestinationKeys, "dest-kms-key", nil, "ARNs of KMS keys that the destination bucket encrypts with")
	fs.BoolVar(&f.transfer.json, "json", false, "print one JSON array")
	return cmd
}

// printed is a grant as it is printed, of whichever plugin.
type printed struct {
	End    string `json:"end"`
	Kind   string `json:"kind"`
	To     string `json:"attachTo"`
	Policy any    `json:"policy,omitempty"`
	Text   string `json:"text,omitempty"`
}

// printed returns what both ends of the transfer have to grant.
func (f *policyFlags) printed(args []string) ([]printed, error) {
	switch {
	case f.plugin == "ECR" && f.params != "" && len(args) == 0:
		return f.images()
	case f.plugin == "ECR":
		return nil, errors.New("--type ECR goes with --params FILE alone")
	case f.plugin != "S3":
		return nil, fmt.Errorf("--type: %q: allowed are S3 and ECR", f.plugin)
	}
	grants, err := f.grants(args)
	all := make([]printed, len(grants))
	for i, g := range grants {
		all[i] = printed{g.End, string(g.Kind), g.To, nil, g.Text}
		if g.Policy != nil {
			all[i].Policy = g.Policy
		}
	}
	return all, err
}

// images returns the grants of a task that copies images. What is of its stack alone does not matter here, and may be missing.
func (f *policyFlags) images() ([]printed, error) {
	content, err := readInput(f.params, os.Stdin)
	if err != nil {
		return nil, err
	}
	params, err := older.Decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.params, err)
	}
	whole := ecr.Contract()
	ends := whole.Subset([]string{ecr.GroupSource, ecr.GroupDestination, ecr.GroupWhat}, nil)
	given := map[string]string{}
	for name, value := range params.Values {
		if _, of := ends.Find(name); of {
			given[name] = value
		} else if _, known := whole.Find(name); !known {
			given[name] = value // is refused with a hint
		}
	}
	v, err := ends.Validate(given)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", f.params, err)
	}
	grants, err := images.For(images.Task{Values: v, Account: f.task.Account, Region: f.task.Region})
	all := make([]printed, len(grants))
	for i, g := range grants {
		all[i] = printed{g.End, string(g.Kind), g.To, nil, g.Text}
		if g.Policy != nil {
			all[i].Policy = g.Policy
		}
	}
	return all, err
}

func (f *policyFlags) grants(args []string) ([]grant.Grant, error) {
	var err error
	if f.task.Job, err = f.job(args); err != nil {
		return nil, err
	}
	f.task.SourceAccount = f.task.Job.Source.ExpectedOwner
	f.task.Region = cmp.Or(f.task.Region, amazonRegion(f.task.Job.Destination), "us-east-1")
	return grant.For(f.task)
}

func amazonRegion(e job.Endpoint) string {
	if e.Provider != job.AmazonS3 {
		return ""
	}
	return e.Region
}

// job returns the transfer of the two addresses, or that of a task's parameter file.
func (f *policyFlags) job(args []string) (*job.Job, error) {
	switch {
	case f.params != "" && len(args) > 0:
		return nil, errors.New("give either two addresses or --params, not both")
	case f.params != "":
		return taskJob(f.params)
	case len(args) != 2:
		return nil, errors.New("give the two addresses SRC and DST, or --params FILE")
	}
	if f.srcEvent != "" {
		f.transfer.values["srcEvent"] = &f.srcEvent
	}
	return f.transfer.job(args[0], args[1])
}

func taskJob(file string) (*job.Job, error) {
	content, err := readInput(file, os.Stdin)
	if err != nil {
		return nil, err
	}
	params, err := older.Decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	v, err := s3.Local().Validate(params.Values)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", file, err)
	}
	return s3.FromValues(v), nil
}

func printGrants(w io.Writer, grants []printed, asJSON bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if asJSON {
		return e.Encode(grants)
	}
	e.SetIndent("", "  ")
	for i, g := range grants {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "# %s: %s, for %s\n", g.End, g.Kind, g.To)
		if g.Policy == nil {
			fmt.Fprintln(w, g.Text)
			continue
		}
		if err := e.Encode(g.Policy); err != nil {
			return err
		}
	}
	return nil
}
