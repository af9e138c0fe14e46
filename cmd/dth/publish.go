package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/copierimage"
	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishaws"
	"github.com/datatransferhub/dth/worker/partition"
	"github.com/datatransferhub/dth/worker/units"
)

type publishFlags struct {
	from, bucketPrefix, version string
	regions                     []string
	out                         string
	dryRun                      bool
	image                       imageFlags
}

func newPublish() *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish --bucket-prefix PREFIX --regions REGION,...",
		Short: "Upload a release to one bucket a region, so that it can be launched from there",
		Long: `Publish uploads what make release built to the buckets PREFIX-REGION, below data-transfer-hub/VERSION/: templates,
Lambda zips, programs and their hashes. Everything is read back afterwards; then latest/ is moved to this version, unless a newer
one is there. Files that are there already are left alone. A version that was published with other content is refused,
before anything is written. All regions of one run belong to one partition.

With --image-repository NAME the copier's container image is assembled, without Docker, and pushed to the repository NAME in the ECR of
each region, before the templates that name it are uploaded. REGISTRY/NAME pushes to that registry alone; the parameter copierImage
has to be given then.`,
		Example: `  dth publish --bucket-prefix acme-dth --regions eu-west-1,us-east-1 --dry-run
  dth publish --bucket-prefix acme-dth --regions cn-north-1,cn-northwest-1 --out ./tree`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "dist", "folder that make release filled")
	fs.StringVar(&f.bucketPrefix, "bucket-prefix", "", "what the buckets' names begin with; the region follows")
	fs.StringVar(&f.version, "version", "", "version to publish; empty is the one that the templates were written for")
	fs.StringSliceVar(&f.regions, "regions", nil, "regions, separated by commas")
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would be uploaded, and write nothing")
	fs.StringVar(&f.image.repository, "image-repository", "", "publish the copier's container image, too: to this repository of each region's ECR, or to REGISTRY/REPOSITORY")
	fs.StringVar(&f.image.base, "image-base", copierimage.Base, "image to assemble it upon, by digest; a copy of the default one, where that cannot be reached")
	fs.StringVar(&f.out, "out", "", "write the buckets as folders below this one instead, byte for byte")
	return cmd
}

func (f *publishFlags) run(ctx context.Context, out io.Writer) error {
	if _, err := onePartition(f.regions); err != nil {
		return usageError(fmt.Errorf("--regions: %w", err))
	}
	r, err := publish.Read(f.from, f.bucketPrefix, f.version)
	if err != nil {
		return usageError(err)
	}
	image, err := f.image.plan(ctx, f, r, !f.dryRun)
	if err != nil {
		return &exitError{Code: command.Unreachable, Err: err}
	}
	targets, err := f.targets(ctx, r)
	if err != nil {
		return &exitError{Code: command.Unreachable, Err: err}
	}
	plan, err := publish.Look(ctx, r, targets)
	if err != nil {
		return &exitError{Code: command.Unreachable, Err: err}
	}
	if f.dryRun {
		return tryPublish(ctx, out, plan, image)
	}
	if n := len(plan.Conflicts()); n == 0 {
		if err := image.push(ctx, out); err != nil {
			return &exitError{Code: command.Unreachable, Err: err}
		}
	}
	var mu sync.Mutex
	err = plan.Run(ctx, func(s publish.Step) {
		mu.Lock()
		defer mu.Unlock()
		printStep(out, s)
	})
	var conflict *publish.ConflictError
	switch {
	case errors.As(err, &conflict):
		return usageError(err)
	case err != nil:
		return &exitError{Code: command.Unreachable, Err: err}
	}
	fmt.Fprintf(out, "version %s is published and was read back: %d files in each of %d buckets\n", r.Version, len(r.Files), len(targets))
	return nil
}

// targets opens the buckets, or makes folders of their names.
func (f *publishFlags) targets(ctx context.Context, r *publish.Release) ([]publish.Target, error) {
	var targets []publish.Target
	if f.out != "" {
		for _, region := range f.regions {
			bucket := publish.Bucket(r.BucketPrefix, region)
			targets = append(targets, publish.Target{Region: region, Bucket: bucket, Store: publish.Folder{Root: filepath.Join(f.out, bucket)}})
		}
		return targets, nil
	}
	cfg, account, err := f.account(ctx)
	if err != nil {
		return nil, err
	}
	for _, region := range f.regions {
		bucket := publish.Bucket(r.BucketPrefix, region)
		store, err := publishaws.Open(ctx, cfg, region, bucket, account)
		if err != nil {
			return nil, err
		}
		targets = append(targets, publish.Target{Region: region, Bucket: bucket, Store: store})
	}
	return targets, nil
}

// tryPublish says what would be done, and whether it would be refused.
func tryPublish(ctx context.Context, out io.Writer, plan *publish.Plan, image *imagePlan) error {
	if err := image.look(ctx, out); err != nil {
		return &exitError{Code: command.Unreachable, Err: err}
	}
	for _, s := range plan.Steps {
		printStep(out, s)
	}
	if n := len(plan.Conflicts()); n > 0 {
		return usageError(fmt.Errorf("version %s is published with other content in %d files; it would be refused", plan.Release.Version, n))
	}
	return nil
}

// account returns the configuration of this machine, and the account of its credentials.
func (f *publishFlags) account(ctx context.Context) (aws.Config, string, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}), config.WithDefaultRegion(f.regions[0]))
	if err != nil {
		return cfg, "", fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err)
	}
	cfg.Region = f.regions[0] // the partition of the buckets, whatever the profile says
	account, err := publishaws.Account(ctx, cfg)
	return cfg, account, err
}

func printStep(w io.Writer, s publish.Step) {
	fmt.Fprintf(w, "%-8s %10s  s3://%s/%s\n", s.State, units.FormatSize(int64(len(s.Object.Content))), s.Target.Bucket, s.Object.Key)
}

// onePartition returns the partition that all regions belong to.
func onePartition(regions []string) (partition.Partition, error) {
	var all partition.Partition
	seen := map[string]bool{}
	for i, region := range regions {
		p, err := partition.Of(region)
		if err != nil {
			return p, err
		}
		if i > 0 && p.Name != all.Name {
			return p, fmt.Errorf("%s belongs to partition %s and %s to %s: no account has both; run once for each", regions[0], all.Name, region, p.Name)
		}
		if seen[region] {
			return p, fmt.Errorf("%s is named twice", region)
		}
		all, seen[region] = p, true
	}
	if len(regions) == 0 {
		return all, errors.New("no region is named")
	}
	return all, nil
}

// writeFile writes a file, or standard output for "" and "-".
func writeFile(name string, stdout io.Writer, content string) error {
	if name == "" || name == "-" {
		_, err := io.WriteString(stdout, content)
		return err
	}
	if !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	return os.WriteFile(name, []byte(content), 0o644)
}
