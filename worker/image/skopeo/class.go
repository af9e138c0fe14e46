package skopeo

import (
	"regexp"
	"strings"
	"sync"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// saying is what skopeo says of a kind of failure. The first that fits counts.
type saying struct {
	class failure.Class
	words *regexp.Regexp
}

// sayings are those of skopeo 1.9 to 1.18 and of the registries behind it, which it repeats. Numbers count as such of HTTP only where
// they are told as its status.
// https://github.com/containers/image/blob/main/docker/errors.go
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
var sayings = sync.OnceValue(func() []saying {
	of := func(class failure.Class, words string, status ...string) saying {
		if len(status) > 0 {
			codes := strings.Join(status, "|")
			words += `|(?:status|code|http|unexpected)[^;]{0,40}\b(?:` + codes + `)\b|\b(?:` + codes + `) \((?:[a-z]+ ?)+\)`
		}
		return saying{class, regexp.MustCompile(`(?i)` + words)}
	}
	return []saying{
		of(image.DigestChanged, `instructed to preserve digests|cannot modify it|would change the digest|digest.*preserve`),
		of(failure.Throttled, `toomanyrequests|too many requests|rate limit|slowdown`, "429"),
		of(image.Immutable, `imagetagalreadyexists|tag is immutable|immutable tag|cannot be overwritten`),
		of(failure.BadCredentials, `\bunauthorized\b|authentication required|invalid username/password|no basic auth credentials|token has expired`, "401"),
		of(failure.AccessDenied, `\bdenied\b|\bforbidden\b|not authorized`, "403"),
		of(failure.NotFound, `manifest unknown|name unknown|repository name not known|blob unknown|\bnot found\b|does not exist`, "404"),
		of(failure.Checksum, `digest did not match|does not match|unexpected eof.*digest`),
		of(failure.Server, `internal server error|bad gateway|service unavailable|gateway timeout`, "500", "502", "503", "504"),
		of(failure.Network, `connection refused|connection reset|no such host|i/o timeout|tls handshake|unexpected eof|: eof\b|^eof\b|broken pipe|network is unreachable|deadline exceeded|x509`),
		of(failure.DestinationRefuses, `manifest invalid|\bunsupported\b`, "400", "405"),
	}
})

// address is one of HTTP; of what is sought around names, nothing is in it.
var address = regexp.MustCompile(`https?://[^\s"]+`)

// without takes the names of both ends out of what skopeo said, where it says them: an image may be called denied, and its tag 1.404.
func without(text string, ends ...End) string {
	text = address.ReplaceAllString(text, "ADDRESS")
	for _, e := range ends {
		host, repository, reference := regexp.QuoteMeta(e.Host), regexp.QuoteMeta(e.Repository), regexp.QuoteMeta(e.Reference)
		for _, form := range []string{
			host + `/` + repository + `(?:[:@]` + reference + `)?`,
			`/v2/` + repository + `/[^\s"]*`,
			`(?:repository|name) '?` + repository + `'?`, `repository:` + repository + `:[a-z,]+`, `['"]` + repository + `['"]`,
			`(?:manifests?|tag) ['"]?` + reference + `['"]?`, `\[manifests? ` + reference + `\]`, `['"]` + reference + `['"]`,
			host,
		} {
			text = regexp.MustCompile(`(^|[^\w.-])`+form+`($|[^\w-])`).ReplaceAllString(text, "${1}NAME${2}")
		}
	}
	return text
}

// classOf sorts what skopeo said of a copy.
func classOf(text string, ends ...End) failure.Class {
	text = without(text, ends...)
	for _, s := range sayings() {
		if s.words.MatchString(text) {
			return s.class
		}
	}
	return failure.Other
}

var logLine = regexp.MustCompile(`msg="((?:[^"\\]|\\.)*)"`)

// message takes from skopeo's output what its last lines say, without the frame of its log.
func message(said string) string {
	const most = 1000
	var parts []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if m := logLine.FindStringSubmatch(line); m != nil {
			line = strings.ReplaceAll(m[1], `\"`, `"`)
		}
		if line != "" {
			parts = append(parts, line)
		}
	}
	text := strings.Join(parts, "; ")
	if len(text) > most {
		text = "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}
