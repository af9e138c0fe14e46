package stack

import (
	"embed"
	"strings"

	"github.com/datatransferhub/dth/infra/kit"
)

// The scripts that an instance runs at its first start. They are one file each, so that they can be read and run as they
// are; the template's values are variables in front of them.
//
//go:embed boot/*.sh
var scripts embed.FS

// variable is a value of the template that a script uses. It must need no quoting: names, regions, hashes, addresses; never
// the text of a parameter.
type variable struct {
	name  string
	value *string
}

// script returns what an instance runs: variables, then fetch.sh, then the script of its kind.
func script(kind string, variables []variable) string {
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for _, v := range variables {
		b.WriteString(v.name + "='" + *v.value + "'\n")
	}
	for _, name := range []string{"fetch.sh", kind + ".sh"} {
		text, err := scripts.ReadFile("boot/" + name)
		if err != nil {
			panic("a script of instances is not built in: " + err.Error()) // a mistake of the build
		}
		b.Write(text)
	}
	return b.String()
}

// engine returns the variables that say which program an instance runs, with which configuration, and where its log goes:
// kind ends the name of the log group.
func (b *builder) engine(program, kind string) []variable {
	file := b.engines[program]
	return []variable{
		{"stack", kit.Ref("AWS::StackName")},
		{"region", kit.Ref("AWS::Region")},
		{"program", &program},
		{"bucket", file.Bucket},
		{"key", file.Key},
		{"sha256", &file.SHA256},
		{"config", kit.Sub("ssm:" + configuration)},
		{"logs", kit.Sub(logPrefix + kind)},
	}
}
