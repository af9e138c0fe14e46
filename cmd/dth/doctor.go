package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/doctor"
)

type doctorOptions struct {
	data, listen, profile string
	json                  bool
}

func newDoctor() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [ENDPOINT...]",
		Short: "Look at what dth needs of this machine, and say what to do about what is missing",
		Long: `Doctor looks at the data folder and its room, at secrets that others could read, at the hub's port, at the tools beside dth,
at AWS credentials, and at endpoints that you name: their names, certificates, answers, and the clock compared with theirs. It
changes nothing, and asks no host but those that you name, here or in your AWS configuration.

Exit codes: 0 nothing has to be mended, though notes may be there; 1 something has to be.`,
		Example: `  dth doctor
  dth doctor https://s3.eu-west-1.amazonaws.com http://nas.example.com:9000
  dth doctor --profile backup --json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runDoctor(cmd, o, args) },
	}
	cmd.Flags().StringVar(&o.data, "data", "", "folder of the hub's records [the user's data folder]")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "address that the hub is to have")
	cmd.Flags().StringVar(&o.profile, "profile", "", "profile of this machine's AWS configuration")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runDoctor(cmd *cobra.Command, o doctorOptions, endpoints []string) error {
	dir, err := dataPath(o.data)
	if err != nil {
		return usageError(err)
	}
	transport, err := trusting(filepath.Join(dir, certificateFile))
	if err != nil {
		return usageError(err)
	}
	hub, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return usageError(err)
	}
	m := doctor.Machine{
		Data: dir, Listen: o.listen, Hub: strings.TrimSpace(string(hub)), Endpoints: endpoints, Sample: findHelper, Now: time.Now,
		Credentials: func(ctx context.Context) (string, error) { return credentialsOf(ctx, o.profile) },
		HTTP:        &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	found := m.Examine(cmd.Context())
	if err := printFindings(cmd.OutOrStdout(), found, o.json); err != nil {
		return err
	}
	if doctor.Worst(found) == doctor.Problem {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}

// printFindings prints a line each, and what to do below it.
func printFindings(out io.Writer, found []doctor.Finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(found)
	}
	width := 0
	for _, f := range found {
		width = max(width, len(f.Check))
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(out, "%-7s  %-*s  %s\n", f.Result, width, f.Check, f.Says); err != nil {
			return err
		}
		if f.Remedy != "" {
			if _, err := fmt.Fprintf(out, "%*s  -> %s\n", 9+width, "", f.Remedy); err != nil {
				return err
			}
		}
	}
	return nil
}

// credentialsOf says where this machine's AWS credentials come from, and nothing of them.
func credentialsOf(ctx context.Context, profile string) (string, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}), config.WithSharedConfigProfile(profile))
	if err != nil {
		return "", fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err)
	}
	if cfg.Credentials == nil {
		return "", doctor.ErrNone
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		if profile == "" && os.Getenv("AWS_PROFILE") == "" && strings.Contains(err.Error(), "IMDS") { // nothing else was left to ask
			return "", doctor.ErrNone
		}
		return "", fmt.Errorf("they cannot be had: %w", err)
	}
	says := "from " + c.Source
	if cfg.Region != "" {
		says += ", region " + cfg.Region
	}
	if c.CanExpire {
		says += ", until " + c.Expires.UTC().Format(time.RFC3339)
	}
	return says, nil
}
