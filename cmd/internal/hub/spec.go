package hub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/datatransferhub/dth/plugins/contract"
)

// Spec is a task as people write it down.
type Spec struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description,omitempty"`
	Type        string            `yaml:"type"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Parameters  map[string]string `yaml:"parameters"`
}

// ParseSpecs reads YAML or JSON: one task, or several with --- between them. Unknown names are errors.
func ParseSpecs(document []byte) ([]Spec, error) {
	d := yaml.NewDecoder(bytes.NewReader(document), yaml.Strict())
	var all []Spec
	for {
		var s Spec
		err := d.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("task %d: %w", len(all)+1, err)
		}
		if s.Type == "" {
			s.Type = "S3"
		}
		if s.Name == "" {
			return nil, fmt.Errorf("task %d: name: %q: required are 1 to 128 characters", len(all)+1, s.Name)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no task; it needs name, type and parameters")
	}
	return all, nil
}

// Text writes a spec as YAML.
func (s *Spec) Text() ([]byte, error) {
	return yaml.MarshalWithOptions(s, yaml.UseLiteralStyleIfMultiline(true))
}

// Diff returns what differs between two specs: a line for each field, with what it was and what it would be.
func Diff(before, after *Spec) (lines []string) {
	add := func(field, b, a string, hadB, hasA bool) {
		switch {
		case hadB && !hasA:
			lines = append(lines, fmt.Sprintf("- %s: %q", field, b))
		case !hadB && hasA:
			lines = append(lines, fmt.Sprintf("+ %s: %q", field, a))
		case b != a:
			lines = append(lines, fmt.Sprintf("~ %s: %q -> %q", field, b, a))
		}
	}
	add("name", before.Name, after.Name, true, true)
	add("description", before.Description, after.Description, true, true)
	add("type", before.Type, after.Type, true, true)
	for _, m := range []struct {
		prefix string
		b, a   map[string]string
	}{{"labels.", before.Labels, after.Labels}, {"parameters.", before.Parameters, after.Parameters}} {
		names := map[string]bool{}
		for k := range m.b {
			names[k] = true
		}
		for k := range m.a {
			names[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(names)) {
			b, hadB := m.b[k]
			a, hasA := m.a[k]
			add(m.prefix+k, b, a, hadB, hasA)
		}
	}
	return lines
}

// Schema returns the JSON Schema of specs of a plugin, for editors that complete and check them.
func Schema(kind string, c *contract.Contract) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for i := range c.Parameters {
		p := &c.Parameters[i]
		properties[p.Name] = schemaOf(p)
		if p.Required && len(p.When) == 0 {
			required = append(required, p.Name)
		}
	}
	text := map[string]any{"type": "string"}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A task of Data Transfer Hub, plugin " + kind,
		"type": "object", "additionalProperties": false, "required": []string{"name", "parameters"},
		"properties": map[string]any{
			"name":        map[string]any{"type": "string", "minLength": 1, "maxLength": 128},
			"description": map[string]any{"type": "string", "maxLength": 2000},
			"type":        map[string]any{"const": kind},
			"labels":      map[string]any{"type": "object", "additionalProperties": text, "maxProperties": 50},
			"parameters":  map[string]any{"type": "object", "additionalProperties": false, "required": required, "properties": properties},
		},
	}
}

// schemaOf describes one parameter. YAML gives numbers and truth values where people write no quotes, so those are allowed, too.
func schemaOf(p *contract.Parameter) map[string]any {
	s := map[string]any{"title": p.Label, "description": p.Help}
	if p.Default != "" {
		s["default"] = p.Default
	}
	switch p.Type {
	case contract.Bool:
		s["enum"] = []any{true, false, "true", "false"}
	case contract.Choice:
		s["enum"] = p.Allowed
	case contract.Integer, contract.Percent:
		s["type"] = []string{"integer", "string"}
	case contract.Size, contract.Rate, contract.Time, contract.List, contract.Lines, contract.Cron, contract.String:
		s["type"] = []string{"string", "integer"}
		if p.Pattern != "" {
			s["pattern"] = "^(?:" + p.Pattern + ")$"
		}
	}
	return s
}
