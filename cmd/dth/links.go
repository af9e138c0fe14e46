package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/launch"
)

type linksFlags struct {
	from, bucketPrefix, version string
	regions, templates          []string
	stackName                   string
	params                      []string
	format, out                 string
}

func newLinks() *cobra.Command {
	var f linksFlags
	cmd := &cobra.Command{
		Use:   "links --bucket-prefix PREFIX --regions REGION,...",
		Short: "Print the links that launch a published template in CloudFormation's console",
		Long: `Links prints a quick-create link for each template and region, of any partitions, in the form of text, Markdown, HTML or JSON.
The templates are those below --from, or the named ones; a template is left out in the partitions where it cannot run. With
--param, the link fills the parameter in; its value is checked by the template's contract.`,
		Example: `  dth links --bucket-prefix acme-dth --regions eu-west-1,cn-north-1,us-gov-west-1 --format markdown --out LAUNCH.md
  dth links --bucket-prefix acme-dth --regions eu-west-1 --template DataTransferS3Stack --param srcBucket=photos`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.run(cmd.OutOrStdout()); err != nil {
				return usageError(err)
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "dist", "folder that make release filled; its templates are linked to")
	fs.StringVar(&f.bucketPrefix, "bucket-prefix", "", "what the buckets' names begin with; the region follows")
	fs.StringVar(&f.version, "version", "latest", "published version, or latest")
	fs.StringSliceVar(&f.regions, "regions", nil, "regions, separated by commas")
	fs.StringSliceVar(&f.templates, "template", nil, "names of templates, instead of those below --from")
	fs.StringVar(&f.stackName, "stack-name", "DataTransferHub", "name of the stack that the console suggests")
	fs.StringArrayVar(&f.params, "param", nil, "name=value of a parameter to fill in; repeat it for several")
	fs.StringVar(&f.format, "format", "text", "text, markdown, html or json")
	fs.StringVar(&f.out, "out", "", "file to write; empty is standard output")
	return cmd
}

func (f *linksFlags) run(stdout io.Writer) error {
	templates, err := f.named()
	if err != nil {
		return err
	}
	parameters, err := pairs("--param", f.params)
	if err != nil {
		return err
	}
	links, err := launch.Links(launch.Request{
		BucketPrefix: f.bucketPrefix, Version: f.version, Regions: f.regions, Templates: templates, StackName: f.stackName, Parameters: parameters,
	})
	if err != nil {
		return err
	}
	page, err := f.page(links)
	if err != nil {
		return err
	}
	return writeFile(f.out, stdout, page)
}

func (f *linksFlags) page(links []launch.Link) (string, error) {
	switch f.format {
	case "text":
		return launch.Text(links), nil
	case "markdown":
		return launch.Markdown(links, f.version), nil
	case "html":
		return launch.HTML(links, f.version), nil
	case "json":
		text, err := json.MarshalIndent(links, "", "  ")
		return string(text) + "\n", err
	}
	return "", fmt.Errorf("--format: %q: allowed are text, markdown, html and json", f.format)
}

// named returns the templates that are asked for: by name, or those that were built.
func (f *linksFlags) named() (out []launch.Template, err error) {
	names := f.templates
	if len(names) == 0 {
		dir := filepath.Join(f.from, "templates")
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("%w; name the folder that make release filled with --from, or templates with --template", err)
		}
		built := map[string]bool{}
		for _, e := range entries {
			built[strings.TrimSuffix(e.Name(), ".template")] = true
		}
		for _, t := range launch.Templates() {
			if built[t.Name] {
				out = append(out, t)
			}
			delete(built, t.Name)
		}
		if len(built) > 0 {
			return nil, fmt.Errorf("%s holds templates that links do not know: %s", dir, strings.Join(slices.Sorted(maps.Keys(built)), ", "))
		}
		if len(out) == 0 {
			return nil, errors.New(dir + " holds no templates; make release writes them")
		}
		return out, nil
	}
	for _, name := range names {
		t, err := launch.Find(name)
		if err != nil {
			return nil, fmt.Errorf("--template: %w", err)
		}
		out = append(out, t)
	}
	return out, nil
}

// pairs reads name=value texts of a repeated flag.
func pairs(flag string, given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s: %q: write name=value", flag, text)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s: %s is given twice", flag, name)
		}
		out[name] = value
	}
	return out, nil
}
