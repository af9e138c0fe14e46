package skopeo

import (
	"regexp"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// saying is what skopeo says of a kind of failure. The first that fits counts.
type saying struct {
	class failure.Class
	words *regexp.Regexp
}

// sayings are those of skopeo 1.9 to 1.18 and of the registries behind it, which it repeats.
func sayings() []saying {
	of := func(class failure.Class, words string) saying {
		return saying{class, regexp.MustCompile(`(?i)` + words)}
	}
	return []saying{
		of(image.DigestChanged, `instructed to preserve digests|cannot modify it|would change the digest|digest.*preserve`),
		of(failure.Throttled, `toomanyrequests|too many requests|rate limit|\b429\b|slowdown`),
		of(image.Immutable, `imagetagalreadyexists|tag is immutable|immutable`),
		of(failure.BadCredentials, `unauthorized|authentication required|invalid username/password|\b401\b|no basic auth credentials|token has expired`),
		of(failure.AccessDenied, `denied|forbidden|\b403\b|not authorized`),
		of(failure.NotFound, `manifest unknown|name unknown|repository name not known|blob unknown|not found|\b404\b`),
		of(failure.Checksum, `digest did not match|does not match|unexpected eof.*digest`),
		of(failure.Server, `\b50[0234]\b|internal server error|bad gateway|service unavailable|gateway timeout`),
		of(failure.Network, `connection refused|connection reset|no such host|i/o timeout|tls handshake|unexpected eof|\beof\b|broken pipe|network is unreachable|deadline exceeded|x509`),
		of(failure.DestinationRefuses, `manifest invalid|unsupported|\b400\b`),
	}
}

// Class sorts what skopeo said.
func Class(text string) failure.Class {
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
