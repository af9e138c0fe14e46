// Package launch makes the links that open CloudFormation's console with a published template and its parameters filled in.
package launch

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/partition"
)

// Template is a published template: what it is, and where it can be launched.
type Template struct {
	Name  string // of the file, without .template
	Title string
	// Partitions are those that it can be launched in.
	Partitions []string
	// contract checks parameters; nil where there is none yet.
	contract func() *contract.Contract
}

// Templates returns the templates of the product in the order in which people meet them. In China there is no Cognito
// user pool for a hub, in GovCloud no CloudFront for its console.
func Templates() []Template {
	return []Template{
		{Name: "DataTransferHub-cognito", Title: "Hub, sign-in by Amazon Cognito", Partitions: []string{"aws", "aws-eusc"}},
		{Name: "DataTransferHub-openid", Title: "Hub, sign-in by OpenID Connect", Partitions: []string{"aws", "aws-cn", "aws-eusc"}},
		{Name: "DataTransferS3Stack", Title: "S3 plugin", Partitions: everywhere(), contract: s3.Contract},
		{Name: "DataTransferECRStack", Title: "ECR plugin", Partitions: everywhere(), contract: ecr.Contract},
	}
}

func everywhere() []string { return []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc"} }

// Find returns a template by name. The error lists the names.
func Find(name string) (Template, error) {
	var names []string
	for _, t := range Templates() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Template{}, fmt.Errorf("%q is no template; allowed are %s", name, strings.Join(names, ", "))
}

// Request says which links are wanted.
type Request struct {
	BucketPrefix string
	Version      string   // or latest
	Regions      []string // of any partitions
	Templates    []Template
	StackName    string
	Parameters   map[string]string // filled in; checked by the template's contract
}

// Link opens one template in one region.
type Link struct {
	Template    Template `json:"-"`
	Name        string   `json:"template"`
	Region      string   `json:"region"`
	Partition   string   `json:"partition"`
	TemplateURL string   `json:"templateUrl"`
	URL         string   `json:"url"`
}

// stackForm is CloudFormation's rule for names of stacks.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var stackForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// Links returns the links by template and region. A template is left out in the partitions that it cannot be launched in.
// Errors name everything that is wrong with the request.
func Links(r Request) ([]Link, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var out []Link
	for _, t := range r.Templates {
		for _, region := range r.Regions {
			p, err := partition.Of(region)
			if err != nil {
				return nil, err
			}
			if slices.Contains(t.Partitions, p.Name) {
				out = append(out, r.link(t, p, region))
			}
		}
	}
	return out, nil
}

func (r *Request) check() error {
	errs := []error{publish.CheckBucketPrefix(r.BucketPrefix)}
	if r.Version != "latest" {
		_, err := publish.ParseVersion(r.Version)
		errs = append(errs, err)
	}
	if !stackForm.MatchString(r.StackName) {
		errs = append(errs, fmt.Errorf("stack name %q: allowed are a letter, then up to 127 letters, digits and hyphens", r.StackName))
	}
	if len(r.Regions) == 0 {
		errs = append(errs, errors.New("no region is named"))
	}
	for _, region := range r.Regions {
		_, err := partition.Of(region)
		errs = append(errs, err)
	}
	if len(r.Parameters) > 0 {
		for _, t := range r.Templates {
			errs = append(errs, t.check(r.Parameters))
		}
	}
	return errors.Join(errs...)
}

// check refuses values that the template would refuse. What is not given is left to the person who launches.
func (t *Template) check(given map[string]string) error {
	if t.contract == nil {
		return fmt.Errorf("parameters of %s cannot be checked here; name another template, or give none", t.Name)
	}
	c := t.contract()
	for i := range c.Parameters {
		c.Parameters[i].Required = false
	}
	// Two buckets that nobody has named yet are not one bucket.
	filled := map[string]string{"srcBucket": "source-bucket", "destBucket": "destination-bucket"}
	maps.Copy(filled, given)
	_, err := c.Validate(filled)
	var errs contract.Errors
	if !errors.As(err, &errs) {
		return err
	}
	// What rules say of empty places is for the person who fills them in.
	errs = slices.DeleteFunc(errs, func(e contract.FieldError) bool { return given[e.Field] == "" })
	if len(errs) == 0 {
		return nil
	}
	return errs
}

func (r *Request) link(t Template, p partition.Partition, region string) Link {
	templateURL := p.BucketURL(publish.Bucket(r.BucketPrefix, region), region) + "/" + publish.Prefix(r.Version) + t.Name + ".template"
	return Link{Template: t, Name: t.Name, Region: region, Partition: p.Name, TemplateURL: templateURL, URL: r.address(p, region, templateURL)}
}

// address is a quick-create link. Its query stands behind the #, which the console reads by itself: it takes %20 for a
// blank, and + for a plus.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stacks-quick-create-links.html
func (r *Request) address(p partition.Partition, region, templateURL string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "https://%s/cloudformation/home?region=%s#/stacks/quickcreate?templateURL=%s&stackName=%s",
		p.Console(region), region, escape(templateURL), escape(r.StackName))
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		fmt.Fprintf(&b, "&param_%s=%s", name, escape(r.Parameters[name]))
	}
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
