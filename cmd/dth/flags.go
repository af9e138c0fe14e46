package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/job"
)

// transferFlags are the flags that copy, plan and verify share: every parameter of the contract that a desk needs,
// and what only a desk has.
type transferFlags struct {
	values map[string]*string // contract parameters by name

	srcProfile, dstProfile     string
	srcAnonymous, dstAnonymous bool
	concurrency                int
	listConcurrency            int
	state                      string
	json                       bool
	verbose                    bool
}

// notFlags are the parameters that the two addresses give, or that make sense for a stack only.
func notFlags() map[string]bool {
	return map[string]bool{
		"srcBucket": true, "srcPrefix": true, "destBucket": true, "destPrefix": true, "srcInCurrentAccount": true, "destInCurrentAccount": true,
		"srcEvent": true, "reportBucket": true, "reportPrefix": true, "reportAll": true,
	}
}

func (f *transferFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.registerParameters(fs)
	fs.StringVar(&f.srcProfile, "src-profile", "", "profile of the shared AWS configuration for the source")
	fs.StringVar(&f.dstProfile, "dst-profile", "", "profile of the shared AWS configuration for the destination")
	fs.IntVar(&f.concurrency, "concurrency", 0, "transfers at once; 0 adapts")
	fs.IntVar(&f.listConcurrency, "list-concurrency", 0, "key ranges listed at once; 0 is 32")
	fs.StringVar(&f.state, "state", "", "file that keeps the records, so that a second run goes on where this one was stopped")
	fs.BoolVar(&f.json, "json", false, "print one JSON object as the last line of standard output")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens to single objects, to standard error")
}

// registerParameters adds the flags that describe the transfer itself.
func (f *transferFlags) registerParameters(fs *pflag.FlagSet) {
	// Both spellings of the destination's flags are taken.
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if rest, ok := strings.CutPrefix(name, "dst-"); ok {
			name = "dest-" + rest
		}
		return pflag.NormalizedName(name)
	})
	f.values = map[string]*string{}
	c := s3.CLI()
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if notFlags()[p.Name] {
			continue
		}
		f.values[p.Name] = fs.String(p.Flag(), "", help(p))
		if p.Type == contract.Bool {
			fs.Lookup(p.Flag()).NoOptDefVal = "true"
		}
	}
	fs.BoolVar(&f.srcAnonymous, "src-anonymous", false, "read the source without signing requests")
	fs.BoolVar(&f.dstAnonymous, "dst-anonymous", false, "write the destination without signing requests")
}

func help(p *contract.Parameter) string {
	s := strings.ToLower(p.Help[:1]) + strings.TrimSuffix(p.Help[1:], ".")
	if len(p.Allowed) > 0 {
		s += " (" + strings.Join(p.Allowed, ", ") + ")"
	}
	if p.Default != "" {
		s += " [" + p.Default + "]"
	}
	return s
}

// job returns the transfer that two addresses and the flags describe.
func (f *transferFlags) job(src, dst string) (*job.Job, error) {
	given := map[string]string{}
	for name, value := range f.values {
		if *value != "" {
			given[name] = *value
		}
	}
	var err error
	if given["srcBucket"], given["srcPrefix"], err = parseAddress("SRC", src); err != nil {
		return nil, err
	}
	if given["destBucket"], given["destPrefix"], err = parseAddress("DST", dst); err != nil {
		return nil, err
	}
	if given["srcEndpoint"] != "" && given["srcType"] == "" {
		given["srcType"] = string(job.S3Compatible)
	}
	if given["destEndpoint"] != "" && given["destType"] == "" {
		given["destType"] = string(job.S3Compatible)
	}
	if given["stripSrcPrefix"] == "" && (given["srcPrefixList"] != "" || given["srcPrefixsListFile"] != "") {
		given["stripSrcPrefix"] = "false" // there is no one prefix to strip
	}
	v, err := s3.CLI().Validate(given)
	if err != nil {
		return nil, usageError(inFlags(err))
	}
	if err := f.check(v); err != nil {
		return nil, usageError(err)
	}
	j := s3.FromValues(v)
	j.Source.Access.Profile, j.Source.Access.Anonymous = f.srcProfile, f.srcAnonymous
	j.Destination.Access.Profile, j.Destination.Access.Anonymous = f.dstProfile, f.dstAnonymous
	j.Concurrency = f.concurrency
	return j, nil
}

// check refuses contradictions among the flags that no contract knows.
func (f *transferFlags) check(v contract.Values) error {
	for _, side := range []struct {
		name, profile, keys, role string
		anonymous                 bool
	}{
		{"src", f.srcProfile, v["srcCredentials"], v["srcRoleArn"], f.srcAnonymous},
		{"dst", f.dstProfile, v["destCredentials"], v["destRoleArn"], f.dstAnonymous},
	} {
		if side.anonymous && (side.profile != "" || side.keys != "" || side.role != "") {
			return fmt.Errorf("--%s-anonymous cannot be given together with a profile, credentials or a role", side.name)
		}
		if side.profile != "" && side.keys != "" {
			return fmt.Errorf("--%s-profile and --%s-credentials cannot be given together", side.name, side.name)
		}
	}
	if f.concurrency < 0 || f.concurrency > 1024 {
		return fmt.Errorf("--concurrency: %d: allowed are 0 to 1024", f.concurrency)
	}
	if f.listConcurrency < 0 || f.listConcurrency > 512 {
		return fmt.Errorf("--list-concurrency: %d: allowed are 0 to 512", f.listConcurrency)
	}
	return nil
}

// inFlags says errors of the contract in the words of the command line.
func inFlags(err error) error {
	var errs contract.Errors
	if !errors.As(err, &errs) {
		return err
	}
	c := s3.CLI()
	lines := make([]string, 0, len(errs))
	for _, e := range errs {
		switch e.Field {
		case "srcBucket", "srcPrefix":
			e.Field = "SRC"
		case "destBucket", "destPrefix":
			e.Field = "DST"
		default:
			if p, ok := c.Find(e.Field); ok {
				e.Field = "--" + p.Flag()
			}
		}
		lines = append(lines, e.Error())
	}
	return errors.New(strings.Join(lines, "\n     "))
}

// parseAddress splits s3://bucket/prefix.
func parseAddress(name, text string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(text, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", usageError(fmt.Errorf("%s: %q is no address; write s3://bucket or s3://bucket/prefix", name, text))
	}
	return bucket, prefix, nil
}
