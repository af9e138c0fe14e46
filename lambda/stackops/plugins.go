package stackops

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/partition"
)

// Plugin is a kind of transfer as the workflow needs to know it.
type Plugin struct {
	Type     string // as tasks name it
	Template string // name of its template, without .template
	Contract *contract.Contract
}

// Plugins returns the plugins whose stacks the hub makes.
func Plugins() []Plugin {
	return []Plugin{
		{Type: "S3", Template: "DataTransferS3Stack", Contract: s3.Contract()},
		{Type: "ECR", Template: "DataTransferECRStack", Contract: ecr.Contract()},
	}
}

// released is what the keys of released files begin with; the version follows. Package cmd/internal/publish puts them there.
const released = "data-transfer-hub"

// pausedParameter is the parameter of every plugin that has its stack made, or changed, as that of a paused task.
const pausedParameter = s3.ParameterStartPaused

// boundaryParameter is the parameter of every plugin that names the permissions boundary of its roles.
const boundaryParameter = "permissionsBoundaryArn"

// Templates says where the templates are, and what every task's stack is given beside the task's own parameters.
type Templates struct {
	BucketPrefix string // PREFIX of the buckets PREFIX-REGION
	Region       string
	Boundary     string // ARN of the policy that bounds the roles of stacks; "": none
	Hub          string // name of the hub's stack
	Plugins      []Plugin
}

// Change returns how a task's stack shall be: its template in the task's version, its parameters completed and checked. The
// error names what the plugin's contract refuses.
func (ts *Templates) Change(t *task.Task) (Change, error) {
	i := slices.IndexFunc(ts.Plugins, func(p Plugin) bool { return p.Type == t.Type })
	if i < 0 {
		return Change{}, fmt.Errorf("this hub knows no plugin of type %q", t.Type)
	}
	plugin := ts.Plugins[i]
	values, err := plugin.Contract.Validate(t.Parameters)
	if err != nil {
		return Change{}, fmt.Errorf("the parameters do not fit the plugin: %w", err)
	}
	if _, takes := plugin.Contract.Find(boundaryParameter); takes && values[boundaryParameter] == "" && ts.Boundary != "" {
		values[boundaryParameter] = ts.Boundary
	}
	if _, takes := plugin.Contract.Find(pausedParameter); takes {
		values[pausedParameter] = strconv.FormatBool(t.Operation.After == task.Paused)
	}
	url, err := ts.url(plugin.Template, t.PluginVersion)
	if err != nil {
		return Change{}, err
	}
	c := Change{Name: t.Stack.Name, TemplateURL: url, Token: t.Operation.ID, Tags: map[string]string{TagTask: t.ID, TagHub: ts.Hub}}
	for name := range values {
		c.Parameters = append(c.Parameters, Parameter{name, plain(plugin.Contract, values, name)})
	}
	slices.SortFunc(c.Parameters, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// plain is a value as CloudFormation takes it: lists on one line and without remarks, shares without their sign.
func plain(c *contract.Contract, values contract.Values, name string) string {
	switch p, _ := c.Find(name); p.Type {
	case contract.List:
		return p.OneLine(values[name])
	case contract.Percent:
		return strings.TrimSuffix(values[name], "%")
	default:
		return values[name]
	}
}

// url is the address of a template in one version.
func (ts *Templates) url(template, version string) (string, error) {
	p, err := partition.Of(ts.Region)
	if err != nil {
		return "", err
	}
	return p.BucketURL(ts.BucketPrefix+"-"+ts.Region, ts.Region) + "/" + path.Join(released, version, template+".template"), nil
}
