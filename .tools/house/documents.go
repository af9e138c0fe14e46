package house

import (
	"bufio"
	"bytes"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// The rules on the repository as a whole and on its texts.
const (
	ruleTop     = "the top level holds the agreed entries and dot files only"
	ruleLink    = "links between documents lead somewhere"
	ruleMachine = "no text names a path of one machine"
	ruleLock    = "lock files name no registry; npm leaves it out with omit-lockfile-registry-resolved"
)

// top are the entries beside dot files that the repository shows first.
var top = []string{
	"go.mod", "go.sum", "cdk.json", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
	"LICENSE", "NOTICE", "cmd", "infra", "plugins", "lambda", "worker", "web", "docs",
}

func checkTop(tree *Tree) ([]Finding, error) {
	var findings []Finding
	seen := map[string]bool{}
	for _, name := range tree.Files {
		entry, _, _ := strings.Cut(name, "/")
		if seen[entry] || strings.HasPrefix(entry, ".") || slices.Contains(top, entry) {
			continue
		}
		seen[entry] = true
		findings = append(findings, Finding{File: entry, What: "is at the top level", Rule: ruleTop})
	}
	return findings, nil
}

var (
	// [text](target) and [text](target "title"), and [name]: target.
	inlineLink    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]^]+\]:\s*<?(\S+?)>?(?:\s|$)`)
	codeSpan      = regexp.MustCompile("`[^`]*`")
	heading       = regexp.MustCompile(`^#{1,6}\s+(.+?)\s*#*\s*$`)
	scheme        = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)
)

func checkLinks(tree *Tree) ([]Finding, error) {
	var findings []Finding
	for _, name := range tree.Files {
		if !isMarkdown(name) {
			continue
		}
		content, err := tree.Read(name)
		if err != nil {
			return nil, err
		}
		for number, line := range prose(content) {
			for _, target := range targets(line) {
				broken, err := tree.broken(name, target)
				if err != nil {
					return nil, err
				}
				if broken {
					findings = append(findings, Finding{
						File: name, Line: number, What: "link to " + target + " leads nowhere", Rule: ruleLink,
					})
				}
			}
		}
	}
	return findings, nil
}

func isMarkdown(name string) bool { return strings.HasSuffix(name, ".md") }

// prose yields the numbered lines of a Markdown text that are not inside fenced code.
func prose(content []byte) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		lines := bufio.NewScanner(bytes.NewReader(content))
		lines.Buffer(nil, 1<<20)
		fence := ""
		for number := 1; lines.Scan(); number++ {
			trimmed := strings.TrimSpace(lines.Text())
			for _, mark := range []string{"```", "~~~"} {
				if !strings.HasPrefix(trimmed, mark) {
					continue
				}
				switch fence {
				case "":
					fence = mark
				case mark:
					fence = ""
					trimmed = ""
				}
			}
			if fence == "" && !yield(number, lines.Text()) {
				return
			}
		}
	}
}

func targets(line string) []string {
	line = codeSpan.ReplaceAllString(line, "")
	var found []string
	for _, match := range append(inlineLink.FindAllStringSubmatch(line, -1), referenceLink.FindAllStringSubmatch(line, -1)...) {
		found = append(found, match[1])
	}
	return found
}

// broken reports whether a link from the document leads nowhere inside the repository.
func (t *Tree) broken(from, target string) (bool, error) {
	if scheme.MatchString(target) || strings.HasPrefix(target, "//") {
		return false, nil
	}
	file, anchor, _ := strings.Cut(target, "#")
	file, err := url.PathUnescape(file)
	if err != nil {
		return true, nil //nolint:nilerr // a link that cannot be read leads nowhere
	}
	name := from
	switch {
	case strings.HasPrefix(file, "/"):
		name = path.Clean(strings.TrimPrefix(file, "/"))
	case file != "":
		name = path.Join(path.Dir(from), file)
	}
	if name != "." && !t.holds(name) {
		return true, nil
	}
	if anchor == "" || !isMarkdown(name) {
		return false, nil
	}
	content, err := t.Read(name)
	if err != nil {
		return false, err
	}
	for _, line := range prose(content) {
		match := heading.FindStringSubmatch(line)
		if match != nil && slug(match[1]) == anchor || strings.Contains(line, `id="`+anchor+`"`) {
			return false, nil
		}
	}
	return true, nil
}

// slug is the anchor that GitHub gives a heading.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.NewReplacer("`", "", "*", "").Replace(title))
}

// machinePath finds absolute paths into somebody's home or work folder. Homes that every machine of a
// kind has, such as that of Amazon Linux, are no such paths.
var machinePath = regexp.MustCompile(`(?:^|[\s"'` + "`" + `(=:,])(/(?:root|work|home/[a-z][a-z0-9_-]*|Users/[A-Za-z][A-Za-z0-9_-]*)/)`)

var publicHomes = []string{"/home/ec2-user/"}

// resolved finds where a lock file of npm says that a package comes from.
var resolved = regexp.MustCompile(`"resolved":\s*"(https?://[^/"]+)`)

func checkText(tree *Tree) ([]Finding, error) {
	var findings []Finding
	for _, name := range tree.Files {
		content, err := tree.Read(name)
		if err != nil {
			return nil, err
		}
		if !isText(content) {
			continue
		}
		number := 0
		for line := range strings.SplitSeq(string(content), "\n") {
			number++
			if match := machinePath.FindStringSubmatch(line); match != nil && !slices.Contains(publicHomes, match[1]) {
				findings = append(findings, Finding{File: name, Line: number, What: "names " + match[1], Rule: ruleMachine})
			}
			if match := resolved.FindStringSubmatch(line); match != nil {
				findings = append(findings, Finding{File: name, Line: number, What: "names " + match[1], Rule: ruleLock})
			}
		}
	}
	return findings, nil
}
