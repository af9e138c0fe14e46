// Package imagelist reads lists of container images: which repositories of which registries, and which of their tags.
//
// A list has one image a line, or several with commas between them; a line that begins with # is a remark. An image is
//
//	[registry[:port]/]repository[:tag or @digest]
//
// The first part is a registry when it has a dot or a colon in it, or is localhost; so docker reads names, too. A tag that is not
// given is latest. In place of a tag stand
//
//	ALL_TAGS              every tag
//	v1.*  {a,b}  [0-9]?   a glob pattern
//	/v[0-9]+/             a regular expression (RE2) for the whole tag
//	semver(>=1.2 <2)      versions of a range
//
// and a repository may be a glob pattern, in which ** crosses slashes.
package imagelist

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/bmatcuk/doublestar/v4"
)

// AllTags is the word for every tag of a repository.
const AllTags = "ALL_TAGS"

// Latest is the tag of an image that is named without one.
const Latest = "latest"

// Bounds. Names and tags have those of the OCI distribution specification, names those of Amazon ECR.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
const (
	MaxName  = 256
	MaxTag   = 128
	maxRange = 256
)

// Kind is how an entry chooses among the tags of a repository.
type Kind string

// The kinds.
const (
	Literal  Kind = "tag"
	Digest   Kind = "digest"
	Every    Kind = "all"
	Glob     Kind = "glob"
	Regexp   Kind = "regexp"
	Versions Kind = "semver"
)

// Entry is one entry of a list.
type Entry struct {
	Registry   string // host or host:port; empty: the source's own
	Repository string // a name, or a glob pattern
	Kind       Kind
	Text       string // tag, digest, pattern, expression or range, as it was given; empty of Every
	Line       int    // where it begins, both from 1; columns count characters
	Column     int

	expression *regexp.Regexp
	versions   *semver.Constraints
}

// Pattern reports whether the repository is a pattern, so that the registry has to list its repositories.
func (e *Entry) Pattern() bool { return strings.ContainsAny(e.Repository, magic) }

// MatchRepository reports whether a repository is meant.
func (e *Entry) MatchRepository(name string) bool {
	if !e.Pattern() {
		return name == e.Repository
	}
	return doublestar.MatchUnvalidated(e.Repository, name)
}

// MatchTag reports whether a tag is meant. Tags that are no versions are in no range; a version with something behind a hyphen
// (1.2.3-alpine) is before its release, and in a range only where the range names such a one.
func (e *Entry) MatchTag(tag string) bool {
	switch e.Kind {
	case Every:
		return true
	case Literal:
		return tag == e.Text
	case Glob:
		return doublestar.MatchUnvalidated(e.Text, tag)
	case Regexp:
		return e.expression.MatchString(tag)
	case Versions:
		v, err := semver.NewVersion(tag)
		return err == nil && e.versions.Check(v)
	case Digest:
	}
	return false
}

// String is the entry as a list may hold it; read again, it means the same.
func (e *Entry) String() string {
	name := e.Repository
	if e.Registry != "" {
		name = e.Registry + "/" + name
	}
	switch e.Kind {
	case Digest:
		return name + "@" + e.Text
	case Every:
		return name + ":" + AllTags
	case Regexp:
		return name + ":/" + e.Text + "/"
	case Versions:
		return name + ":semver(" + e.Text + ")"
	case Literal, Glob:
	}
	return name + ":" + e.Text
}

// Error is one entry that is refused.
type Error struct {
	Line, Column int
	Entry        string // the entry, shortened
	Reason       string // what is wrong and what is allowed
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %q: %s", e.Line, e.Column, e.Entry, e.Reason)
}

// Errors is everything that is wrong with a list.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Parse reads a list. The error, if any, is Errors: each names line, column, entry and reason. An empty list has no entries.
func Parse(text string) ([]Entry, error) {
	var all []Entry
	var errs Errors
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, p := range split(line) {
			e, refused := parse(p.text)
			if refused != nil {
				errs = append(errs, &Error{n + 1, p.column + refused.at, shorten(p.text), refused.reason})
				continue
			}
			e.Line, e.Column = n+1, p.column
			all = append(all, *e)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return all, nil
}

func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
