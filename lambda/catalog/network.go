package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
)

// Network is where a hub's tasks run unless they name another place.
type Network struct {
	Cluster string // name of the ECS cluster
	VPC     string
	Subnets []string // of that VPC
	Public  bool     // they lead to the internet by public addresses alone
}

// network says by which parameters a plugin's tasks name where they run.
type network struct {
	cluster, vpc string // cluster may be ""
	subnets      func([]string) map[string]string
}

var (
	ofInstances = network{vpc: "ec2VpcId", subnets: func(ids []string) map[string]string {
		return map[string]string{"ec2Subnets": strings.Join(ids, ",")}
	}}
	ofContainers = network{cluster: "ecsClusterName", vpc: "ecsVpcId", subnets: func(ids []string) map[string]string {
		if len(ids) < 2 {
			return map[string]string{"ecsSubnetA": ids[0]} // the second one is asked for
		}
		return map[string]string{"ecsSubnetA": ids[0], "ecsSubnetB": ids[1]}
	}}
)

// publicAddresses is the parameter of every plugin that gives public addresses.
const publicAddresses = "assignPublicIp"

// values are those of a plugin's parameters that name the hub's network; none when the hub has no network.
func (n network) values(hub Network) map[string]string {
	all := map[string]string{}
	if n.cluster != "" && hub.Cluster != "" {
		all[n.cluster] = hub.Cluster
	}
	if hub.VPC == "" || len(hub.Subnets) == 0 {
		return all
	}
	all[n.vpc] = hub.VPC
	for name, value := range n.subnets(hub.Subnets) {
		all[name] = value
	}
	if hub.Public {
		all[publicAddresses] = "true"
	}
	return all
}

// names are all parameters by which a plugin's tasks name where they run.
func (n network) names() []string {
	all := []string{n.vpc, publicAddresses}
	if n.cluster != "" {
		all = append(all, n.cluster)
	}
	return append(all, slices.Sorted(maps.Keys(n.subnets([]string{"", ""})))...)
}

// within returns a contract whose tasks run in the hub's network unless they say otherwise, and what of it a task keeps.
func within(c *contract.Contract, n network, hub Network) (out *contract.Contract, kept []string) {
	values := n.values(hub)
	out = &contract.Contract{Plugin: c.Plugin, Parameters: slices.Clone(c.Parameters), Rules: slices.Clone(c.Rules), Defaults: c.Defaults}
	for i := range out.Parameters {
		if value, ok := values[out.Parameters[i].Name]; ok {
			out.Parameters[i].Default = value
		}
	}
	if hub.VPC == "" {
		return out, nil
	}
	out.Rules = append(out.Rules, n.belong(hub))
	return out, n.names()
}

// belong refuses the hub's subnets in another VPC: whoever names a VPC has to name its subnets.
func (n network) belong(hub Network) contract.Rule {
	return func(v contract.Values) (wrong []contract.FieldError) {
		if v[n.vpc] == "" || v[n.vpc] == hub.VPC {
			return nil
		}
		for name := range n.subnets([]string{"", ""}) {
			for _, id := range v.List(name) {
				if slices.Contains(hub.Subnets, id) {
					wrong = append(wrong, contract.FieldError{
						Field: name, Value: v[name], Message: id + " is a subnet of the hub's own VPC, " + hub.VPC + "; name subnets of " + v[n.vpc],
					})
				}
			}
		}
		slices.SortFunc(wrong, func(a, b contract.FieldError) int { return strings.Compare(a.Field, b.Field) })
		return wrong
	}
}

// boundary is the parameter of every plugin that names the permissions boundary of its roles.
const boundary = "permissionsBoundaryArn"

// bounded adds the rule that a hub bounds the roles of its tasks itself: its service role may make no role under another boundary,
// so the stack would be rolled back.
func bounded(c *contract.Contract) {
	c.Rules = append(c.Rules, func(v contract.Values) []contract.FieldError {
		if v[boundary] == "" {
			return nil
		}
		return []contract.FieldError{{
			Field: boundary, Value: v[boundary],
			Message: "a hub bounds the roles of its tasks by a policy of its own, and may make no others; leave it empty, or deploy the plugin's template without a hub",
		}}
	})
}
