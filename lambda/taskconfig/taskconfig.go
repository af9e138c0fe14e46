// Package taskconfig is the custom resource that checks the parameters of a task and writes the configuration document of its
// programs. It takes the place of text that CloudFormation would paste together, and a quote would break.
package taskconfig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// MaxDocument is how long a document may be: an advanced parameter of Parameter Store has 8 KB.
const MaxDocument = 8 << 10

// Parameters keeps documents by name.
type Parameters interface {
	Put(ctx context.Context, name, document string) error
	// Delete forgets a document. One that is gone is no error.
	Delete(ctx context.Context, name string) error
}

// Resource implements customresource.Resource. Its physical id is the name of the parameter.
type Resource struct{ Parameters Parameters }

// Create checks the properties and writes the document.
func (r Resource) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	name, document, err := Document(e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	if err := r.Parameters.Put(ctx, name, document); err != nil {
		return customresource.Result{}, err
	}
	sum := sha256.Sum256([]byte(document))
	return customresource.Result{ID: name, Data: map[string]string{wiring.AttrDigest: hex.EncodeToString(sum[:])}}, nil
}

// Update is Create: the digest tells the instances' launch template whether anything changed, so that workers are replaced.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.Create(ctx, e)
}

// Delete removes the document.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, r.Parameters.Delete(ctx, e.PhysicalResourceId)
}

// Document returns the parameter's name and the configuration document that properties ask for. The document is checked as the
// programs will: the error names every parameter that is wrong.
func Document(properties json.RawMessage) (name, document string, err error) {
	var p struct {
		Name     string
		Document map[string]any
	}
	if err := json.Unmarshal(properties, &p); err != nil {
		return "", "", fmt.Errorf("the properties cannot be read: %w", err)
	}
	if p.Name == "" || p.Document == nil {
		return "", "", fmt.Errorf("%s and %s are required", wiring.PropName, wiring.PropDocument)
	}
	given, ok := p.Document["parameters"].(map[string]any)
	if !ok {
		return "", "", errors.New("parameters: an object of names and texts is required")
	}
	texts, err := texts(given)
	if err != nil {
		return "", "", err
	}
	p.Document["parameters"] = texts
	text, err := json.Marshal(p.Document)
	if err != nil {
		return "", "", err
	}
	if _, err := s3.ParseConfig(text); err != nil {
		return "", "", err
	}
	if len(text) > MaxDocument {
		return "", "", fmt.Errorf("the parameters take %d bytes, %d are allowed; put a long list into an S3 object and name it (%s)", len(text), MaxDocument, strings.Join(longest(texts), ", "))
	}
	return p.Name, string(text), nil
}

// texts are the parameters as the programs read them. CloudFormation gives lists of ids as lists.
func texts(given map[string]any) (map[string]string, error) {
	out := make(map[string]string, len(given))
	for name, value := range given {
		switch v := value.(type) {
		case string:
			out[name] = v
		case []any:
			parts := make([]string, len(v))
			for i := range v {
				text, ok := v[i].(string)
				if !ok {
					return nil, fmt.Errorf("parameters: %s: %v: texts are allowed in a list", name, v[i])
				}
				parts[i] = text
			}
			out[name] = strings.Join(parts, ",")
		default:
			return nil, fmt.Errorf("parameters: %s: %v: a text or a list of texts is required", name, value)
		}
	}
	return out, nil
}

// longest names the parameters that take the most room.
func longest(texts map[string]string) []string {
	names := slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return len(texts[b]) - len(texts[a]) })
	return names[:min(len(names), 2)]
}
