package stack

import (
	"slices"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// function makes a Lambda as package wiring describes it, with what it reads of the environment that is known by now.
func (b *builder) function(name string) kit.Lambda {
	l := lambdaOf(name)
	own := map[string]*string{}
	for _, variable := range l.Environment {
		own[variable] = b.environment[variable]
	}
	return b.s.Function(functionID(name), kit.Function{
		Name: l.Name, Description: l.Description, Memory: l.Memory, Timeout: l.Timeout, Environment: own,
		LogGroup: kit.Sub(logPrefix + l.Name), LogDays: kit.Number("logRetentionDays"), Rights: b.rights.Of(policy.Lambda(l.Name)),
	})
}

func lambdaOf(name string) wiring.Lambda {
	all := wiring.Lambdas()
	return all[slices.IndexFunc(all, func(l wiring.Lambda) bool { return l.Name == name })]
}

// functionID is the logical id of a Lambda.
func functionID(name string) string { return lambdaOf(name).ID }

// lambdaNames are the folders that the template's code comes from.
func lambdaNames() []string {
	var names []string
	for _, l := range wiring.Lambdas() {
		names = append(names, l.Name)
	}
	return names
}
