package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/hub"
)

// hubFlags say which hub is spoken to, and how.
type hubFlags struct {
	data, url, tokenFile string
	json                 bool
}

func (f *hubFlags) register(cmd *cobra.Command) {
	fs := cmd.PersistentFlags()
	fs.StringVar(&f.data, "data", "", "data folder of the hub on this machine [the user's data folder]")
	fs.StringVar(&f.url, "hub", os.Getenv("DTH_HUB"), "address of the API of a hub in the cloud, https://.../graphql [DTH_HUB]")
	fs.StringVar(&f.tokenFile, "token-file", "", "with --hub: file with an id token; without one, calls are signed with this machine's AWS credentials")
	fs.BoolVar(&f.json, "json", false, "print JSON")
}

// run gives a command its client.
func (f *hubFlags) run(do func(ctx context.Context, c *hub.Client, args []string, out io.Writer) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := f.client()
		if err != nil {
			return usageError(err)
		}
		return hubError(do(cmd.Context(), c, args, cmd.OutOrStdout()))
	}
}

func (f *hubFlags) client() (*hub.Client, error) {
	c := &hub.Client{URL: f.url, HTTP: &http.Client{Timeout: time.Minute}}
	switch {
	case f.url == "":
		return c, f.local(c)
	case f.data != "":
		return nil, errors.New("--hub and --data exclude each other: the one is a hub in the cloud, the other one on this machine")
	}
	address, err := url.Parse(f.url)
	if err != nil || address.Scheme != "https" || address.Host == "" {
		return nil, fmt.Errorf("--hub: %q: allowed is the https address of a hub's API, as its stack's output ApiUrl tells", f.url)
	}
	if f.tokenFile == "" {
		c.Authorize = signed(address)
		return c, nil
	}
	c.Authorize = func(r *http.Request, _ []byte) error {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		r.Header.Set("Authorization", strings.TrimSpace(string(token)))
		return nil
	}
	return c, nil
}

// local speaks to the hub on this machine, whose data folder says where it is and what to show it.
func (f *hubFlags) local(c *hub.Client) error {
	dir, err := dataFolder(f.data)
	if err != nil {
		return err
	}
	address, err := os.ReadFile(filepath.Join(dir, addressFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no hub has run with the data folder %s; start one with dth local, or name another with --data, or one in the cloud with --hub", dir)
	}
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if c.HTTP.Transport, err = trusting(filepath.Join(dir, certificateFile)); err != nil {
		return err
	}
	c.URL = strings.TrimSpace(string(address)) + "/graphql"
	c.Authorize = func(r *http.Request, _ []byte) error {
		token, err := os.ReadFile(filepath.Join(dir, tokenFile))
		if err != nil {
			return fmt.Errorf("token of the hub: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return nil
	}
	return nil
}

// trusting returns what connects to a hub with the certificate of a file, which its own folder names: nobody else need know it.
// Without the file the hub has none.
func trusting(path string) (http.RoundTripper, error) {
	certificate, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return http.DefaultTransport, nil
	}
	if err != nil {
		return nil, fmt.Errorf("certificate of the hub: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(certificate)
	transport := http.DefaultTransport.(*http.Transport).Clone() // the library's own
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// regionOf finds the region in the address of an AppSync API.
var regionOf = regexp.MustCompile(`\.appsync-api\.([a-z0-9-]+)\.`)

// signed signs requests as AWS wants it, for hubs that know this machine's identity.
func signed(address *url.URL) func(*http.Request, []byte) error {
	return func(r *http.Request, body []byte) error {
		cfg, err := config.LoadDefaultConfig(r.Context())
		if err != nil {
			return fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err)
		}
		if found := regionOf.FindStringSubmatch(address.Host); found != nil {
			cfg.Region = found[1]
		}
		if cfg.Region == "" {
			return errors.New("--hub: its address names no region; give one with AWS_REGION")
		}
		if cfg.Credentials == nil {
			return errors.New("there are no AWS credentials on this machine; give some, or an id token with --token-file")
		}
		credentials, err := cfg.Credentials.Retrieve(r.Context())
		if err != nil {
			return fmt.Errorf("credentials for the hub: %w", err)
		}
		sum := sha256.Sum256(body)
		return v4.NewSigner().SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), "appsync", cfg.Region, time.Now())
	}
}

// declaration turns keys: $keys into the declaration of its variables.
func declaration(arguments string) string {
	types := map[string]string{"keys": "[String!]", "errorClass": "String", "all": "Boolean", "clientToken": "String"}
	var all []string
	for _, a := range strings.Split(arguments, ", ") {
		name, _, _ := strings.Cut(a, ":")
		all = append(all, "$"+name+": "+types[name])
	}
	return strings.Join(all, ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
