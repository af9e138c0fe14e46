package older

import (
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
)

// Sample is one key at the source, and where both tools put its copy.
type Sample struct {
	Source, Older, New string
}

// Agrees reports whether both put the copy under the same key.
func (s Sample) Agrees() bool { return s.Older == s.New }

// samples maps three keys of the transfer's first prefix: a plain one, a nested one with a blank, and one that begins with a
// slash where prefixes are folders.
func samples(v contract.Values) []Sample {
	j := s3.FromValues(v)
	prefix := j.Source.Prefix
	if len(j.Selection.Prefixes) > 0 {
		prefix = j.Selection.Prefixes[0]
	}
	var out []Sample
	for _, rest := range []string{"photo.jpg", "2024/12/a b.txt", "/odd//key"} {
		key := prefix + rest
		copied, _ := j.KeyMap().Destination(key) // "" where the key is not mapped: it agrees with nothing
		out = append(out, Sample{Source: key, Older: olderKey(j.Destination.Prefix, key), New: copied})
	}
	return out
}

// olderKey is the older tool's rule: the prefix in front, with a slash between unless the prefix ends with one; one slash
// alone is no prefix. https://github.com/aws-solutions/data-transfer-hub-cli, dth/common.go, appendPrefix.
func olderKey(prefix, key string) string {
	switch {
	case prefix == "" || prefix == "/":
		return key
	case strings.HasSuffix(prefix, "/"):
		return prefix + key
	}
	return prefix + "/" + key
}

// KeysAgree reports whether all samples agree.
func (r *Result) KeysAgree() bool {
	for _, s := range r.Samples {
		if !s.Agrees() {
			return false
		}
	}
	return len(r.Samples) > 0
}
