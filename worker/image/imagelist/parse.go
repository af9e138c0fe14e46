package imagelist

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"
	"github.com/bmatcuk/doublestar/v4"
)

// magic are the characters that make a name a pattern.
const magic = "*?[{"

// The forms of names, of https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests; of hosts,
// those of https://pkg.go.dev/github.com/distribution/reference.
var (
	hostForm        = regexp.MustCompile(`^([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(\.([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*$|^\[[0-9A-Fa-f:]+\]$`)
	nameForm        = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm         = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	digestForm      = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	namePatternForm = regexp.MustCompile(`^[a-z0-9._/*?{},\[\]!^-]+$`)
	tagPatternForm  = regexp.MustCompile(`^[A-Za-z0-9._*?{},\[\]!^-]+$`)
)

// piece is the text of an entry with the column that it begins at.
type piece struct {
	text   string
	column int
}

// split divides a line at the commas that belong to no entry: not those in braces, brackets, or parentheses, and not those
// of a regular expression, which goes from :/ to the slash before a comma or the end.
func split(line string) (out []piece) {
	from, depth := 0, 0
	add := func(to int) {
		text := line[from:to]
		left := len(text) - len(strings.TrimLeft(text, " \t"))
		if trimmed := strings.TrimSpace(text); trimmed != "" {
			out = append(out, piece{trimmed, utf8.RuneCountInString(line[:from+left]) + 1})
		}
		from, depth = to+1, 0
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case strings.HasPrefix(line[i:], ":/"):
			i = expressionEnd(line, i+2)
		case strings.IndexByte("{[(", c) >= 0:
			depth++
		case strings.IndexByte("}])", c) >= 0:
			depth = max(depth-1, 0)
		case c == ',' && depth == 0:
			add(i)
		}
	}
	add(len(line))
	return out
}

// expressionEnd returns where the slash is that ends a regular expression: the first one with nothing but white space between
// it and a comma or the end. Without one, it is the end of the line.
func expressionEnd(line string, from int) int {
	for i := from; i < len(line); i++ {
		if line[i] != '/' {
			continue
		}
		rest := strings.TrimLeft(line[i+1:], " \t")
		if rest == "" || rest[0] == ',' {
			return i
		}
	}
	return len(line)
}

// refusal says what is wrong, at so many characters after the entry's beginning.
type refusal struct {
	at     int
	reason string
}

func parse(text string) (*Entry, *refusal) {
	if !utf8.ValidString(text) {
		return nil, &refusal{0, "this is not UTF-8"}
	}
	if at := strings.Index(text, "://"); at >= 0 {
		return nil, &refusal{0, "this is an address; leave " + text[:at+3] + " away"}
	}
	e := &Entry{}
	rest := text
	if first, after, found := strings.Cut(text, "/"); found && isHost(first) {
		if why := checkHost(first); why != "" {
			return nil, &refusal{0, why}
		}
		e.Registry, rest = first, after
	}
	at := utf8.RuneCountInString(text[:len(text)-len(rest)])
	end := strings.IndexAny(rest, ":@")
	if end < 0 {
		end = len(rest)
	}
	e.Repository = rest[:end]
	if why := checkName(e.Repository); why != "" {
		return nil, &refusal{at, why}
	}
	at += utf8.RuneCountInString(rest[:end]) + 1
	if why := e.choose(rest[end:]); why != "" {
		return nil, &refusal{at, why}
	}
	return e, nil
}

// isHost reports whether the part before the first slash is a registry. So docker does it: a name has no dot, no colon.
func isHost(first string) bool {
	return first == "localhost" || strings.ContainsAny(first, ".:[") && !strings.ContainsAny(first, "*?{@") && !strings.HasSuffix(first, ":")
}

func checkHost(text string) string {
	name, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		name, port = text[:i], text[i+1:]
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || port[0] == '+' {
			return "the port of a registry is a number from 1 to 65535"
		}
	}
	if !hostForm.MatchString(name) {
		return "a registry is a host's name, such as ghcr.io or localhost:5000"
	}
	return ""
}

func checkName(name string) string {
	switch {
	case name == "":
		return "the name of a repository is missing"
	case len(name) > MaxName:
		return "a repository's name has at most 256 characters"
	case strings.ContainsAny(name, magic):
		if !namePatternForm.MatchString(name) || !doublestar.ValidatePattern(name) {
			return "this is no pattern of repositories; allowed are *, **, ?, [a-z] and {a,b}"
		}
	case !nameForm.MatchString(name):
		if strings.ToLower(name) != name {
			return "a repository's name has small letters only"
		}
		return "a repository's name has small letters and digits, with single . _ - or / between them"
	}
	return ""
}

// choose reads what follows the repository: nothing, a colon and a tag, or an @ and a digest. It returns what is wrong.
func (e *Entry) choose(rest string) string {
	if rest == "" {
		e.Kind, e.Text = Literal, Latest
		return ""
	}
	text := rest[1:]
	switch {
	case rest[0] == '@' && digestForm.MatchString(text):
		e.Kind, e.Text = Digest, text
	case rest[0] == '@':
		return "a digest is sha256: and 64, or sha512: and 128 hexadecimal digits in small letters"
	case text == "":
		return "the tag is missing; leave the colon away for latest"
	case text == AllTags:
		e.Kind = Every
	case text[0] == '/':
		return e.chooseExpression(text)
	case strings.HasPrefix(text, "semver("):
		return e.chooseVersions(text)
	case strings.Contains(text, "@"):
		return "give either a tag or a digest, not both"
	case len(text) > MaxTag:
		return "a tag has at most 128 characters"
	case strings.ContainsAny(text, magic):
		if !tagPatternForm.MatchString(text) || !doublestar.ValidatePattern(text) {
			return "this is no pattern of tags; allowed are *, ?, [a-z] and {a,b}"
		}
		e.Kind, e.Text = Glob, text
	case !tagForm.MatchString(text):
		return "a tag has letters, digits, . _ and -, and begins with none of . and -"
	default:
		e.Kind, e.Text = Literal, text
	}
	return ""
}

func (e *Entry) chooseExpression(text string) string {
	inner, ended := strings.CutSuffix(text[1:], "/")
	if !ended || inner == "" {
		return "a regular expression stands between two slashes, such as /v[0-9]+/"
	}
	if len(inner) > maxRange {
		return "a regular expression has at most 256 characters"
	}
	if _, err := syntax.Parse(inner, syntax.Perl); err != nil {
		return "this is no regular expression of RE2: " + err.Error()
	}
	expression, err := regexp.Compile(`^(?:` + inner + `)$`)
	if err != nil {
		return "this is no regular expression of RE2: " + err.Error()
	}
	e.Kind, e.Text, e.expression = Regexp, inner, expression
	return ""
}

func (e *Entry) chooseVersions(text string) string {
	inner, ended := strings.CutSuffix(strings.TrimPrefix(text, "semver("), ")")
	inner = strings.TrimSpace(inner)
	if !ended || inner == "" || len(inner) > maxRange || strings.ContainsAny(inner, "()") {
		return "a range of versions is semver(RANGE) of at most 256 characters, such as semver(>=1.2 <2)"
	}
	versions, err := semver.NewConstraint(inner)
	if err != nil {
		return "this is no range of versions; allowed are such as >=1.2 <2, ~1.4, ^2, 1.x and || between them"
	}
	e.Kind, e.Text, e.versions = Versions, inner, versions
	return ""
}
