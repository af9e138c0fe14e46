package house

import (
	"path"
	"strings"
)

// Module is the path of the root module; nested modules lie below it, so that an import path is always
// the module's path and the folder.
const Module = "github.com/datatransferhub/dth"

// folder is a package by its place: its folder below the root, with slashes.
type folder string

// below reports whether the package is at dir or under it.
func (f folder) below(dir string) bool {
	return string(f) == dir || strings.HasPrefix(string(f), dir+"/")
}

// plugin returns NAME for a package at plugins/NAME or under it.
func (f folder) plugin() string {
	rest, found := strings.CutPrefix(string(f), "plugins/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// stack reports whether the package belongs to a plugin's template: plugins/NAME/stack or under it.
func (f folder) stack() bool {
	name := f.plugin()
	return name != "" && f.below("plugins/"+name+"/stack")
}

// contract reports whether the package belongs to a plugin but not to its template.
func (f folder) contract() bool { return f.plugin() != "" && !f.stack() }

// layer says what the packages of one part of the house may import of ours.
type layer struct {
	holds func(from folder) bool
	may   func(from, to folder) bool
	rule  string
}

// layers are asked in order; the first that holds a package decides.
var layers = []layer{
	{
		holds: func(from folder) bool { return from.below("worker") },
		may:   func(_, to folder) bool { return to.below("worker") },
		rule:  "worker imports nothing of ours outside worker",
	},
	{
		holds: folder.stack,
		may: func(from, to folder) bool {
			return to.plugin() == from.plugin() || to.below("plugins/contract") || to.below("infra/kit")
		},
		rule: "plugins/NAME/stack imports its contract and infra/kit",
	},
	{
		holds: folder.contract,
		may: func(from, to folder) bool {
			return to.below("worker") || to.below("plugins/contract") || to.contract() && to.plugin() == from.plugin()
		},
		rule: "plugins/NAME imports worker and plugins/contract",
	},
	{
		holds: func(from folder) bool { return from.below("infra/kit") },
		may:   func(_, to folder) bool { return to.below("infra/kit") },
		rule:  "infra/kit imports nothing of ours",
	},
	{
		holds: func(from folder) bool { return from.below("infra") },
		may: func(_, to folder) bool {
			return to.below("infra") || to.plugin() != "" || to.below("lambda/wiring") || to.below("lambda/task/wiring") || to.below("lambda/api/schema")
		},
		rule: "infra imports infra/kit, the stacks, the contracts, lambda/wiring, lambda/task/wiring and lambda/api/schema",
	},
	{
		holds: func(from folder) bool { return from.below("lambda") },
		may: func(_, to folder) bool {
			return to.below("lambda") || to.below("worker") || to.contract()
		},
		rule: "lambda imports plugins/NAME and worker",
	},
	{
		holds: func(from folder) bool { return from.below("cmd") },
		may: func(from, to folder) bool {
			if to.below("web") {
				return from.below("cmd/dth")
			}
			if to.below("cmd/internal") {
				return true
			}
			if to.below("cmd") {
				return strings.Split(string(to), "/")[1] == strings.Split(string(from), "/")[1]
			}
			return !to.below("infra") && !to.stack()
		},
		rule: "cmd imports everything but infra, */stack and other commands; web is for cmd/dth only",
	},
	{
		holds: func(from folder) bool { return from.below(".tools") },
		may:   func(_, to folder) bool { return to.below("tools") }, // the module's path has no dot
		rule:  ".tools imports nothing of ours outside .tools",
	},
	{
		holds: func(folder) bool { return true },
		may:   func(from, to folder) bool { return to.below(strings.Split(string(from), "/")[0]) },
		rule:  "a package outside the house's rooms imports nothing of ours",
	},
}

// ours returns the folder of an import of our own.
func ours(imported string) (folder, bool) {
	dir, found := strings.CutPrefix(imported, Module+"/")
	return folder(dir), found
}

// importRule returns the rule that an import of our own breaks, or nothing.
func importRule(from, to folder) string {
	for _, l := range layers {
		if l.holds(from) {
			if from == to || l.may(from, to) {
				return ""
			}
			return l.rule
		}
	}
	return ""
}

// guarded are imports of others that only some packages may have.
var guarded = []struct {
	prefixes []string
	may      func(from folder, packageName string) bool
	rule     string
}{
	{
		prefixes: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"},
		may: func(from folder, name string) bool {
			return name == "main" || strings.HasSuffix(path.Base(string(from)), "aws")
		},
		rule: "the AWS SDK is imported in packages whose name ends in aws, and in main packages",
	},
	{
		prefixes: []string{"github.com/aws/aws-cdk-go", "github.com/aws/constructs-go", "github.com/aws/jsii-runtime-go"},
		may:      func(from folder, _ string) bool { return from.below("infra") || from.stack() },
		rule:     "CDK is imported in infra and plugins/*/stack",
	},
	{
		prefixes: []string{"modernc.org/sqlite"},
		may:      func(from folder, _ string) bool { return strings.HasSuffix(path.Base(string(from)), "sqlite") },
		rule:     "SQLite is imported in packages whose name ends in sqlite",
	},
}

// guardedRule returns the rule that an import of somebody else's package breaks, or nothing. A test
// package in its own name (x_test) counts as the package in whose folder it lies.
func guardedRule(from folder, packageName, imported string) string {
	for _, g := range guarded {
		for _, prefix := range g.prefixes {
			inside := imported == prefix || strings.HasPrefix(imported, prefix+"/")
			if inside && !g.may(from, strings.TrimSuffix(packageName, "_test")) {
				return g.rule
			}
		}
	}
	return ""
}
