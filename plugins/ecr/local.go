package ecr

import (
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/image/registry"
)

// GroupMachine holds what only tasks on one machine have.
const GroupMachine = "This machine"

// Local returns the contract of tasks on one machine: nothing of a stack has to be given, both ends may be any registry, and
// there are no accounts to assume roles in.
func Local() *contract.Contract {
	c := Contract()
	c.Parameters = slices.DeleteFunc(c.Parameters, func(p contract.Parameter) bool {
		return p.Group == GroupFleet || p.Group == GroupHousekeeping || p.Name == "pushEvents" || p.Name == "srcImageListParameter"
	})
	for i := range c.Parameters {
		p := &c.Parameters[i]
		switch p.Name {
		case "destRegion", "alarmEmail":
			p.Required = false
		case "srcList":
			p.Help = "All images, or those of a list. A registry that does not list its repositories needs a list."
		case "srcImageList":
			p.MaxBytes = MaxDocument
		}
	}
	for _, p := range []contract.Parameter{
		{Name: "srcRegistry", Label: "Source registry", Help: "Host, or host:port, of the source when it is no Amazon ECR; images of the list that name no registry are read there. Empty: docker.io.", OnUpdate: contract.Replaced},
		{Name: "destRegistry", Label: "Destination registry", Help: "Host, or host:port, of the destination. Empty: the Amazon ECR of destRegion.", OnUpdate: contract.Replaced},
		{Name: "insecureRegistries", Label: "Registries without TLS", Help: "Hosts that are spoken to by plain HTTP. Those at loopback addresses are spoken to as they speak themselves.", OnUpdate: contract.Nothing},
		{Name: "pollEvery", Label: "Look again after", Help: "Time from the beginning of one run to the next, in place of a schedule: 30s, 10m or 2h.", Pattern: `^[1-9][0-9]{0,4}[smh]$`, Rule: "a number of seconds, minutes or hours, such as 30s", OnUpdate: contract.Nothing},
	} {
		p.Group, p.Type = GroupMachine, contract.String
		switch p.Name {
		case "srcRegistry":
			p.Group, p.Pattern, p.Rule = GroupSource, registryPattern, registryRule
			p.When = []contract.Condition{{Parameter: "sourceType", In: []string{"Public"}}}
		case "destRegistry":
			p.Group, p.Pattern, p.Rule = GroupDestination, registryPattern, registryRule
		case "insecureRegistries":
			p.Type = contract.List
		}
		c.Parameters = append(c.Parameters, p)
	}
	c.Rules = []contract.Rule{localEnds, images, identities, deleting}
	return c
}

const (
	registryPattern = `^[A-Za-z0-9.\-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?$`
	registryRule    = "a registry's host, such as ghcr.io or localhost:5000"
)

// localEnds checks what both ends are on one machine.
func localEnds(v contract.Values) (errs []contract.FieldError) {
	refuse := func(field, message string) {
		errs = append(errs, contract.FieldError{Field: field, Value: v[field], Message: message})
	}
	if v["srcRegistry"] != "" && v["sourceType"] != "Public" {
		refuse("srcRegistry", "this goes with sourceType Public")
	}
	if v["sourceType"] == "Public" && registry.HostOf(v["srcRegistry"]) == registry.DockerHub && v["srcList"] == "ALL" {
		refuse("srcList", "docker.io cannot be listed whole: name a registry in srcRegistry, or choose SELECTED and give a list")
	}
	if (v["destRegistry"] == "") == (v["destRegion"] == "") {
		refuse("destRegistry", "give one of destRegistry and destRegion")
	}
	if v["srcList"] == "SELECTED" && v["srcImageList"] == "" {
		refuse("srcImageList", "SELECTED needs a list")
	}
	if strings.HasPrefix(v["srcImageList"], ListScheme) {
		refuse("srcImageList", "lists in S3 objects are read when a stack is created; give the list itself here")
	}
	if v["srcRegistry"] != "" && v["srcRegistry"] == v["destRegistry"] && strings.Trim(v["destPrefix"], "/") == "" {
		refuse("destRegistry", "source and destination are one; give a destPrefix, or another registry")
	}
	return errs
}
