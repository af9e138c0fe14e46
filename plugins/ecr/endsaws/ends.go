// Package endsaws opens both ends of a task on AWS as its configuration says: who signs in where, and which images are meant.
package endsaws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/registry"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// Ends are both ends of a task.
type Ends struct {
	Source, Destination image.Registry
	// Other returns a registry that a list names beside the source's own; nil when the source is an Amazon ECR, which is the only one.
	Other func(host string) (image.Registry, error)
}

// Options say as whom both ends are opened.
type Options struct {
	AWS     aws.Config // the program's own identity
	Secrets storeaws.SecretReader
	// Registry is the one registry that images come from, when there is only one: a secret that names none is for it alone, and
	// is shown to no other.
	Registry string
}

// Open signs in at both ends.
func Open(ctx context.Context, c *ecr.Config, o Options) (*Ends, error) {
	e := &Ends{}
	var err error
	if c.Values["sourceType"] == "Amazon_ECR" {
		e.Source, err = amazon(ctx, o, side{"src", c.Values["srcRegion"], c.Values["srcAccountId"]}, c)
	} else {
		err = e.anywhere(ctx, c, o)
	}
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	e.Destination, err = destination(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return e, nil
}

// destination opens an Amazon ECR or, on one machine, any registry.
func destination(ctx context.Context, c *ecr.Config, o Options) (image.Registry, error) {
	host := c.Values["destRegistry"]
	if host == "" {
		return amazon(ctx, o, side{"dest", c.Values["destRegion"], c.Values["destAccountId"]}, c)
	}
	open, err := opener(ctx, c, o, "destCredential", registry.HostOf(host))
	if err != nil {
		return nil, err
	}
	return open(host)
}

// side is an Amazon ECR, with the prefix of its parameters.
type side struct{ prefix, region, account string }

// amazon opens an Amazon ECR with keys of a secret, as an assumed role, or as the program itself.
func amazon(ctx context.Context, o Options, s side, c *ecr.Config) (image.Registry, error) {
	cfg := o.AWS.Copy()
	cfg.Region = c.Region
	if s.region != "" {
		cfg.Region = s.region
	}
	secret, role, external := c.Values[s.prefix+"Credential"], c.Values[s.prefix+"RoleArn"], c.Values[s.prefix+"ExternalId"]
	switch {
	case secret != "":
		cfg.Credentials = aws.NewCredentialsCache(storeaws.SecretKeys(secret, o.Secrets))
	case role != "":
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(o.AWS), role, func(r *stscreds.AssumeRoleOptions) {
			r.RoleSessionName = "data-transfer-hub"
			if external != "" {
				r.ExternalID = &external
			}
		}))
	}
	return ecraws.Open(ctx, cfg, s.account, nil)
}

// anywhere opens registries that are no Amazon ECR. Images that name no registry are on Docker Hub or, on one machine, at srcRegistry.
func (e *Ends) anywhere(ctx context.Context, c *ecr.Config, o Options) error {
	open, err := opener(ctx, c, o, "srcCredential", o.Registry)
	if err != nil {
		return err
	}
	if e.Source, err = open(c.Values["srcRegistry"]); err != nil {
		return err
	}
	var mu sync.Mutex
	others := map[string]image.Registry{}
	e.Other = func(host string) (image.Registry, error) {
		host = registry.HostOf(host)
		mu.Lock()
		defer mu.Unlock()
		if r, ok := others[host]; ok {
			return r, nil
		}
		r, err := open(host)
		if err == nil {
			others[host] = r
		}
		return r, err
	}
	return nil
}

// opener returns what opens registries with the sign-in of a parameter's secret, which is for one of them only.
func opener(ctx context.Context, c *ecr.Config, o Options, parameter, only string) (func(host string) (image.Registry, error), error) {
	var known *secret
	if name := c.Values[parameter]; name != "" {
		known = &secret{name: name, reader: o.Secrets, now: time.Now}
		if _, err := known.read(ctx); err != nil {
			return nil, err
		}
	}
	return func(host string) (image.Registry, error) {
		host = registry.HostOf(host)
		options := registry.Options{Plain: slices.Contains(c.Values.List("insecureRegistries"), host)}
		if known != nil {
			options.Login = func(ctx context.Context) (image.Login, error) { return known.login(ctx, host, only) }
		}
		return registry.Open(host, options)
	}, nil
}

// lifetime is how long a secret is used before it is read again.
const lifetime = time.Hour

// secret is a sign-in that is kept in Secrets Manager.
type secret struct {
	name   string
	reader storeaws.SecretReader
	now    func() time.Time

	mu    sync.Mutex
	known ecr.SignIn
	until time.Time
}

func (s *secret) read(ctx context.Context) (ecr.SignIn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.known, nil
	}
	text, err := s.reader.Secret(ctx, s.name)
	if err != nil {
		return ecr.SignIn{}, fmt.Errorf("reading secret %s: %w", s.name, err)
	}
	if s.known, err = ecr.ParseSignIn(s.name, text); err != nil {
		return ecr.SignIn{}, err
	}
	s.until = s.now().Add(lifetime)
	return s.known, nil
}

// login returns the sign-in for a host; nobody's for a host that the secret is not for.
func (s *secret) login(ctx context.Context, host, only string) (image.Login, error) {
	in, err := s.read(ctx)
	if err != nil {
		return image.Login{}, err
	}
	if in.Registry != "" {
		only = in.Registry
	}
	if only != host {
		return image.Login{}, nil
	}
	return in.For(host), nil
}

// ParameterActions are those on the parameter that holds a list.
func ParameterActions() []string { return []string{"ssm:GetParameter"} }

// List returns the images that a task chooses; nil for all of the source.
func List(ctx context.Context, c *ecr.Config, own aws.Config) ([]imagelist.Entry, error) {
	if c.Values["srcList"] != "SELECTED" {
		return nil, nil
	}
	text, from := c.Values["srcImageList"], "srcImageList"
	if name := c.Values["srcImageListParameter"]; name != "" {
		from = "srcImageListParameter " + name
		out, err := ssm.NewFromConfig(own).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		text = aws.ToString(out.Parameter.Value)
	}
	if err := ecr.CheckList(text, c.Values["sourceType"]); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return imagelist.Parse(text)
}

// only returns the one registry that the images of a list come from, or of all images when there is no list; empty when there are
// several.
func only(list []imagelist.Entry, own string) string {
	hosts := []string{}
	for _, e := range list {
		hosts = append(hosts, registry.HostOf(cmp.Or(e.Registry, own)))
	}
	if list == nil {
		hosts = append(hosts, registry.HostOf(own))
	}
	slices.Sort(hosts)
	if hosts = slices.Compact(hosts); len(hosts) == 1 {
		return hosts[0]
	}
	return ""
}

// errSeveral refuses to guess whom a password is for.
var errSeveral = errors.New("srcImageList names several registries, and the secret of srcCredential does not say which of them it is for; put \"registry\": \"HOST\" into the secret")

// Plan opens both ends for a comparison.
func Plan(ctx context.Context, c *ecr.Config, o Options) (plan.Config, error) {
	list, err := List(ctx, c, o.AWS)
	if err != nil {
		return plan.Config{}, err
	}
	o.Registry = only(list, c.Values["srcRegistry"])
	if name := c.Values["srcCredential"]; name != "" && c.Values["sourceType"] != "Amazon_ECR" && o.Registry == "" {
		in, err := (&secret{name: name, reader: o.Secrets, now: time.Now}).read(ctx)
		if err == nil && in.Registry == "" {
			err = errSeveral
		}
		if err != nil {
			return plan.Config{}, fmt.Errorf("source: %w", err)
		}
	}
	ends, err := Open(ctx, c, o)
	if err != nil {
		return plan.Config{}, err
	}
	return plan.Config{
		Source: ends.Source, Destination: ends.Destination, Open: ends.Other, List: list, Prefix: c.Values["destPrefix"],
		Untagged: c.Values.Is("includeUntagged"), Referrers: c.Values.Is("includeReferrers"),
		Delete: c.Values.Is("deleteExtraneous"), MaxDeleteShare: float64(c.Values.Integer("maxDeleteShare")) / 100,
	}, nil
}

// RegistryOf returns the registry that the images of a batch come from.
func RegistryOf(b image.Batch) string { return registry.HostOf(b.Registry) }
