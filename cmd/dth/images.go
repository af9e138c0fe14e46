package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image/plan"
)

const imagesLong = `SRC and DST are registries: HOST, HOST:PORT, or ecr:REGION and ecr:REGION/ACCOUNT for Amazon ECR. DST may have a prefix behind a
slash, which is put in front of the names of repositories. Without --src-image-list all images of SRC are meant, which has to
list its repositories then.

Secrets are named, never given: --src-credential nas is the file nas.json in --secrets (mode 0600), or the variable DTH_SECRET_NAS.
For registries it holds {"username": ..., "password": ...} or {"token": ...}, for Amazon ECR access keys; without one the AWS
configuration of this machine is used there.

Exit codes: 0 both sides agree; 1 images failed or differ; 2 wrong usage; 3 a registry cannot be reached or refuses.`

func newImages() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "images",
		Short: "Plan, copy and compare container images between registries",
		Long:  "Images moves container images between registries, without a hub. Copies are made by skopeo, and proved by their digests.\n\n" + imagesLong,
	}
	cmd.AddCommand(
		newImagesOf("plan", "Say which images a copy would bring", planImages),
		newImagesOf("copy", "Copy images that are new or changed, and prove that both sides agree", copyImages),
		newImagesOf("verify", "Compare both sides; copy nothing", verifyImages),
	)
	return cmd
}

// registryFlags are what the commands on images are told.
type registryFlags struct {
	values           map[string]*string // of parameters of the plugin, by name
	secrets, scratch string
	state            string
	json, verbose    bool
}

// fromAddresses are parameters that follow from SRC and DST, or belong to a hub.
var fromAddresses = []string{
	"sourceType", "srcRegion", "srcAccountId", "srcList", "srcRegistry", "destRegion", "destAccountId", "destRegistry", "destPrefix", "scheduleExpression", "pollEvery", "alarmEmail",
}

func newImagesOf(name, short string, do func(ctx context.Context, f *registryFlags, v contract.Values) error) *cobra.Command {
	f := &registryFlags{values: map[string]*string{}}
	cmd := &cobra.Command{
		Use:   name + " SRC DST",
		Short: short,
		Long:  short + ".\n\n" + imagesLong,
		Example: fmt.Sprintf(`  dth images %[1]s registry.example.com:5000 ecr:eu-west-1/mirror --src-credential nas
  dth images %[1]s docker.io localhost:5000/hub --src-image-list "library/alpine:3.*, library/nginx:semver(>=1.26)"
  dth images %[1]s ecr:us-east-1/123456789012 ecr:cn-north-1 --dest-credential china --src-image-list @images.txt`, name),
		Args: twoRegistries,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.parse(args[0], args[1])
			if err != nil {
				return usageError(err)
			}
			return do(cmd.Context(), f, v)
		},
	}
	for _, p := range ecr.Local().Parameters {
		if slices.Contains(fromAddresses, p.Name) {
			continue
		}
		if p.Name == "srcImageList" {
			p.Help = "Images, one a line or separated by commas: [registry[:port]/]repository[:tag or @digest], with ALL_TAGS, a glob pattern, /expression/ or semver(range) in place of a tag; @FILE reads a file."
		}
		f.values[p.Name] = cmd.Flags().String(p.Flag(), "", help(&p)) // empty: the contract has the default
		if p.Type == contract.Bool {
			cmd.Flags().Lookup(p.Flag()).NoOptDefVal = "true"
		}
	}
	cmd.Flags().StringVar(&f.secrets, "secrets", "", "folder with secrets, one NAME.json each [secrets in the user's data folder]")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	if name == "copy" {
		cmd.Flags().StringVar(&f.state, "state", "", "file that keeps what became of each image; empty: nothing is kept")
		cmd.Flags().StringVar(&f.scratch, "scratch", "", "folder for what is under way; what a command that was killed has left there is removed [image-copies in the user's data folder]")
		cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log what is done")
	}
	return cmd
}

func twoRegistries(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usageError(fmt.Errorf("two registries are needed, SRC and DST, such as ghcr.io and ecr:eu-west-1; %d were given", len(args)))
	}
	return nil
}

// parse checks addresses and flags by the plugin's contract.
func (f *registryFlags) parse(src, dst string) (contract.Values, error) {
	given := map[string]string{"scheduleExpression": "", "srcList": "ALL"}
	for name, value := range f.values {
		given[name] = *value
	}
	if list := given["srcImageList"]; list != "" {
		given["srcList"] = "SELECTED"
		if path, file := strings.CutPrefix(list, "@"); file {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("--src-image-list: %w", err)
			}
			given["srcImageList"] = string(text)
		}
	}
	if err := address(given, "src", src); err != nil {
		return nil, fmt.Errorf("SRC: %w", err)
	}
	if err := address(given, "dest", dst); err != nil {
		return nil, fmt.Errorf("DST: %w", err)
	}
	values, err := ecr.Local().Validate(given)
	return values, named(err, src, dst)
}

// address takes a registry's address apart into the parameters of its end.
func address(given map[string]string, end, text string) error {
	host, prefix, _ := strings.Cut(text, "/")
	place, amazon := strings.CutPrefix(host, "ecr:")
	if amazon {
		account, more, _ := strings.Cut(prefix, "/")
		if len(account) == 12 && strings.Trim(account, "0123456789") == "" {
			given[end+"AccountId"], prefix = account, more
		}
		given[end+"Region"] = place
	} else {
		given[end+"Registry"] = host
	}
	if end == "dest" {
		given["destPrefix"] = prefix
		return nil
	}
	if prefix != "" {
		return fmt.Errorf("%q: images below a prefix are chosen by --src-image-list, such as %q", text, prefix+"/**:ALL_TAGS")
	}
	given["sourceType"] = "Public"
	if amazon {
		given["sourceType"] = "Amazon_ECR"
	}
	return nil
}

// named calls parameters what the command line calls them.
func named(err error, src, dst string) error {
	var fields contract.Errors
	if !errors.As(err, &fields) {
		return err
	}
	var all error
	for _, e := range fields {
		p := contract.Parameter{Name: e.Field}
		name := "--" + p.Flag()
		if slices.Contains(fromAddresses, e.Field) {
			name, e.Value = "SRC", src
			if strings.HasPrefix(e.Field, "dest") {
				name, e.Value = "DST", dst
			}
		}
		all = errors.Join(all, fmt.Errorf("%s: %.200q: %s", name, e.Value, e.Message))
	}
	return all
}

// machine is what opens registries on this machine.
func (f *registryFlags) machine() (*machine, error) {
	dir := f.secrets
	if dir == "" {
		data, err := dataPath("")
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(data, "secrets")
	}
	return &machine{secrets: local.Secrets{Dir: dir, Env: os.LookupEnv}}, nil
}

func (f *registryFlags) open(ctx context.Context, v contract.Values) (plan.Config, error) {
	m, err := f.machine()
	if err != nil {
		return plan.Config{}, usageError(err)
	}
	c, err := m.planImages(ctx, local.Task{Values: v})
	if err != nil {
		return c, imagesError(ctx, err)
	}
	c.Log = logger(f.verbose)
	return c, nil
}

// imagesError tells what a registry said from wrong usage.
func imagesError(ctx context.Context, err error) error {
	var f *failure.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return cmp.Or(ctx.Err(), err)
	case errors.As(err, &f):
		return &exitError{Code: command.Unreachable, Err: err}
	}
	return usageError(err)
}

// planned is what a plan prints.
type planned struct {
	Images    []imageLine      `json:"images"`               // to be copied
	Missing   []imageLine      `json:"missing,omitempty"`    // or not to be looked at; why says which
	Delete    []imageLine      `json:"delete,omitempty"`     // at the destination, with --delete-extraneous
	Extra     int              `json:"extraneous,omitempty"` // likewise, when they are too many to be deleted, too
	TooMany   string           `json:"tooMany,omitempty"`
	Decisions map[string]int64 `json:"decisions"`
	Listed    int64            `json:"listed"`
}

type imageLine struct {
	Image  string `json:"image"`
	Tag    string `json:"tag"`
	Digest string `json:"digest,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	Why    string `json:"why,omitempty"`
}

func compareBoth(ctx context.Context, f *registryFlags, v contract.Values) (planned, error) {
	var p planned
	c, err := f.open(ctx, v)
	if err != nil {
		return p, err
	}
	found, err := plan.Make(ctx, c)
	if err != nil {
		return p, imagesError(ctx, err)
	}
	p = planned{Images: []imageLine{}, Decisions: map[string]int64{}, Listed: found.Totals.ListedSource}
	for _, b := range found.Batches {
		for _, i := range b.Images {
			p.Images = append(p.Images, imageLine{Image: b.Name, Tag: i.Reference(), Digest: i.Digest, Bytes: i.Bytes})
		}
		for _, x := range b.Delete {
			p.Delete = append(p.Delete, imageLine{Image: b.Target, Tag: x.Reference(), Digest: x.Digest})
		}
	}
	if p.Extra = found.Extraneous; found.TooMany != nil {
		p.TooMany = found.TooMany.Error()
	}
	for _, a := range found.Absent {
		p.Missing = append(p.Missing, imageLine{Image: a.Name, Tag: a.Reference, Why: a.Err.Error()})
	}
	for name, n := range found.Totals.Decisions {
		p.Decisions[name] = n.Objects
	}
	return p, nil
}

func (p *planned) print(out io.Writer, asJSON bool, verb string) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	}
	for _, i := range p.Images {
		fmt.Fprintf(out, "%s  %s %s  %s\n", verb, i.Image, i.Tag, i.Digest)
	}
	for _, i := range p.Missing {
		fmt.Fprintf(out, "missing  %s %s  %s\n", i.Image, i.Tag, i.Why)
	}
	for _, i := range p.Delete {
		fmt.Fprintf(out, "delete  %s %s  %s\n", i.Image, i.Tag, i.Digest)
	}
	if p.TooMany != "" {
		fmt.Fprintln(out, p.TooMany)
	}
	_, err := fmt.Fprintf(out, "%d images looked at: %d the same, %d to copy, %d missing or not to be read at the source", p.Listed, p.Decisions[plan.Same], len(p.Images), len(p.Missing))
	if err == nil && p.Extra > 0 {
		_, err = fmt.Fprintf(out, ", %d only at the destination", p.Extra)
	}
	if err == nil {
		_, err = fmt.Fprintln(out)
	}
	return err
}

func planImages(ctx context.Context, f *registryFlags, v contract.Values) error {
	p, err := compareBoth(ctx, f, v)
	if err != nil {
		return err
	}
	return p.print(os.Stdout, f.json, "copy")
}

func verifyImages(ctx context.Context, f *registryFlags, v contract.Values) error {
	p, err := compareBoth(ctx, f, v)
	if err != nil {
		return err
	}
	if err := p.print(os.Stdout, f.json, "differs"); err != nil {
		return err
	}
	if len(p.Images)+len(p.Missing)+p.Extra > 0 {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}
