package local

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
)

// Existence looks for the secrets and profiles that parameters name. Whether the ends themselves can be reached and used is what
// a check finds out.
type Existence struct {
	Secret  func(ctx context.Context, name string) (string, error) // returns the text of a secret
	Profile func(ctx context.Context, name string) error           // of this machine's AWS configuration
}

var _ task.Existence = Existence{}

// Missing implements task.Existence. Plugins call what names a secret ...Credentials or ...Credential, and what names a profile ...Profile.
func (e Existence) Missing(ctx context.Context, _ string, parameters map[string]string) (wrong []task.Error, err error) {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		value := parameters[name]
		var err error
		switch {
		case value == "":
		case strings.HasSuffix(name, "Credentials"), strings.HasSuffix(name, "Credential"):
			_, err = e.Secret(ctx, value)
		case strings.HasSuffix(name, "Profile"):
			err = e.Profile(ctx, value)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			wrong = append(wrong, task.Error{Code: task.Invalid, Field: "parameters." + name, Value: value, Message: err.Error()})
		}
	}
	return wrong, nil
}
