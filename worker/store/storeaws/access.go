package storeaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/datatransferhub/dth/worker/job"
)

// Identity returns the SDK configuration with which an endpoint's own settings, such as its notifications, are read and
// written: its identity and its region.
func Identity(ctx context.Context, e job.Endpoint, o Options) (aws.Config, error) {
	cfg, err := accessConfig(ctx, e, o)
	if err != nil {
		return cfg, err
	}
	if e.Region != "" {
		cfg.Region = e.Region
	}
	if cfg.Credentials != nil {
		cfg.Credentials = aws.NewCredentialsCache(cfg.Credentials)
	}
	return cfg, nil
}

// accessConfig returns the SDK configuration of an endpoint: its identity, region and base endpoint.
// Credentials are nil for an anonymous endpoint.
func accessConfig(ctx context.Context, e job.Endpoint, o Options) (aws.Config, error) {
	cfg := o.AWS.Copy()
	a := e.Access
	if a.Profile != "" {
		loaded, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(a.Profile))
		if err != nil {
			return cfg, fmt.Errorf("profile %q of the shared AWS configuration: %w", a.Profile, err)
		}
		cfg = loaded
	}
	if s3URL, ok := serviceEndpoint(ctx, cfg); ok {
		cfg.BaseEndpoint = &s3URL
	}
	switch {
	case a.Anonymous:
		cfg.Credentials = nil
	case a.Secret != "":
		if o.Secrets == nil {
			return cfg, fmt.Errorf("credentials: secret %q is named, but this process has no secret store", a.Secret)
		}
		cfg.Credentials = SecretKeys(a.Secret, o.Secrets)
	case a.RoleARN != "":
		client := sts.NewFromConfig(cfg)
		cfg.Credentials = stscreds.NewAssumeRoleProvider(client, a.RoleARN, func(r *stscreds.AssumeRoleOptions) {
			r.RoleSessionName = "data-transfer-hub"
			if a.ExternalID != "" {
				r.ExternalID = aws.String(a.ExternalID)
			}
		})
	}
	return cfg, nil
}

// serviceEndpoint returns the S3 address of the standard environment and shared configuration, which
// the SDK's own clients look up by service before they fall back to AWS_ENDPOINT_URL.
func serviceEndpoint(ctx context.Context, cfg aws.Config) (string, bool) {
	type finder interface {
		GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
	}
	for _, source := range cfg.ConfigSources {
		if f, ok := source.(finder); ok {
			if v, found, err := f.GetServiceBaseEndpoint(ctx, "S3"); err == nil && found {
				return v, true
			}
		}
	}
	return "", false
}

// SecretKeys returns the access keys of a secret, which is read again after an hour.
func SecretKeys(name string, reader SecretReader) aws.CredentialsProvider {
	return &secretProvider{name: name, reader: reader}
}

// secretLifetime is how long keys read from a secret are used before the secret is read again.
const secretLifetime = time.Hour

// secretProvider turns a secret's JSON into credentials. Values never appear in its errors.
type secretProvider struct {
	name   string
	reader SecretReader
}

func (p *secretProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	text, err := p.reader.Secret(ctx, p.name)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("reading secret %s: %w", p.name, err)
	}
	return ParseSecret(p.name, text)
}

// ParseSecret reads credentials from a secret's text: a JSON object with access_key_id,
// secret_access_key and, optionally, session_token.
func ParseSecret(name, text string) (aws.Credentials, error) {
	var s struct {
		AccessKeyID     string `json:"access_key_id"`
		SecretAccessKey string `json:"secret_access_key"`
		SessionToken    string `json:"session_token"`
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		// The decoder's message may quote the text, so it is not passed on.
		return aws.Credentials{}, fmt.Errorf("secret %s is no JSON object with access_key_id and secret_access_key", name)
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" {
		return aws.Credentials{}, errors.New("secret " + name + " lacks access_key_id or secret_access_key")
	}
	return aws.Credentials{
		AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken,
		Source: "secret " + name, CanExpire: true, Expires: time.Now().Add(secretLifetime),
	}, nil
}
