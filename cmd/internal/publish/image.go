package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Image is the copier's container image in the ECR of each region.
type Image struct {
	Account    string // that owns the repositories
	Repository string
	Digest     string // of its index
}

// imageAt is the mapping of a template that alone says which image a release runs.
func imageAt(key string) []string { return []string{"Mappings", "CopierImage", "Release", key} }

// SetImage writes the image into the templates that run it. It is an error when there is none of them.
func (r *Release) SetImage(i Image) error {
	found := false
	for n := range r.Files {
		if !strings.HasSuffix(r.Files[n].Name, templateSuffix) {
			continue
		}
		content, err := i.into(r.Files[n].Content)
		if errors.Is(err, errNoMapping) {
			continue
		}
		if err != nil {
			return fmt.Errorf("template %s: %w", r.Files[n].Name, err)
		}
		one := &Release{}
		one.add(r.Files[n].Name, content)
		r.Files[n], found = one.Files[0], true
	}
	if !found {
		return errors.New("no template runs a container image; make release writes DataTransferECRStack")
	}
	r.Files = slices.DeleteFunc(r.Files, func(f File) bool { return f.Name == SumsName })
	r.add(SumsName, r.sums())
	return nil
}

// into returns a template with the image in its mapping. The rest stays byte for byte.
func (i Image) into(template []byte) ([]byte, error) {
	for _, v := range []struct{ key, value string }{{"Account", i.Account}, {"Repository", i.Repository}, {"Digest", i.Digest}} {
		at, err := textAt(template, imageAt(v.key))
		if err != nil {
			return nil, err
		}
		quoted, err := json.Marshal(v.value)
		if err != nil {
			return nil, err
		}
		template = slices.Concat(template[:at.from], quoted, template[at.to:])
	}
	return template, nil
}
