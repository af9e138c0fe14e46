// Package taskconfig is the custom resource that checks the parameters of a task and writes the configuration document of its
// programs. It takes the place of text that CloudFormation would paste together, and a quote would break.
package taskconfig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/pattern"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Documents keeps configuration documents by name.
type Documents interface {
	// Get returns a document; "" when there is none.
	Get(ctx context.Context, name string) (document string, err error)
	// Put writes a document. What is too long to be kept under a name goes into the bucket.
	Put(ctx context.Context, name, bucket, document string) error
	// Delete forgets a document, wherever it is. One that is gone is no error.
	Delete(ctx context.Context, name, bucket string) error
}

// Lists are the objects that hold long lists.
type Lists interface {
	// Read returns an object's text, of at most s3.MaxList bytes.
	Read(ctx context.Context, bucket, key string) (string, error)
}

// Resource implements customresource.Resource. Its physical id is the name of the parameter.
type Resource struct {
	Documents Documents
	Lists     Lists
}

// Create checks the properties and writes the document.
func (r Resource) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	d, err := r.parse(ctx, e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	return r.put(ctx, d)
}

// Update replaces the document, unless a parameter changed that a running task keeps. It is held against what is on record and
// not against the old properties: when CloudFormation rolls back an update that was refused here, those are the refused ones.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	d, err := r.parse(ctx, e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	recorded, err := r.Documents.Get(ctx, d.Name)
	if err != nil {
		return customresource.Result{}, err
	}
	var before struct{ Parameters map[string]string }
	if recorded != "" && json.Unmarshal([]byte(recorded), &before) == nil {
		if err := s3.Contract().CheckUpdate(before.Parameters, d.parameters); err != nil {
			return customresource.Result{}, err
		}
	}
	return r.put(ctx, d)
}

func (r Resource) put(ctx context.Context, d Document) (customresource.Result, error) {
	if err := r.Documents.Put(ctx, d.Name, d.Bucket, d.Text); err != nil {
		return customresource.Result{}, err
	}
	return customresource.Result{ID: d.Name, Data: d.Attributes}, nil
}

// Delete removes the document.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	var p struct{ Bucket string }
	_ = json.Unmarshal(e.ResourceProperties, &p) // whatever they are, the resource goes
	return customresource.Result{ID: e.PhysicalResourceId}, r.Documents.Delete(ctx, e.PhysicalResourceId, p.Bucket)
}

func (r Resource) parse(ctx context.Context, properties json.RawMessage) (Document, error) {
	return Parse(properties, func(bucket, key string) (string, error) { return r.Lists.Read(ctx, bucket, key) })
}

// Document is a configuration document.
type Document struct {
	Name   string // of the parameter that holds it
	Bucket string // that holds it when it is too long
	Text   string // JSON
	// Attributes are those of the custom resource, by their names in package wiring. Digest is the SHA-256 of what workers
	// know of the document, in hex: another one means other workers.
	Attributes map[string]string

	parameters map[string]string
}

// Parse returns the configuration document that properties ask for, with the lists that they name, which read returns. It is
// checked as the programs will: the error names every parameter that is wrong.
func Parse(properties json.RawMessage, read func(bucket, key string) (string, error)) (Document, error) {
	var p struct {
		Name, Bucket string
		Document     map[string]any
	}
	if err := json.Unmarshal(properties, &p); err != nil {
		return Document{}, fmt.Errorf("the properties cannot be read: %w", err)
	}
	if p.Name == "" || p.Document == nil {
		return Document{}, fmt.Errorf("%s and %s are required", wiring.PropName, wiring.PropDocument)
	}
	given, ok := p.Document["parameters"].(map[string]any)
	if !ok {
		return Document{}, errors.New("parameters: an object of names and texts is required")
	}
	texts, err := texts(given)
	if err == nil {
		err = readLists(texts, read)
	}
	if err != nil {
		return Document{}, err
	}
	text, err := with(p.Document, texts)
	if err != nil {
		return Document{}, err
	}
	config, err := s3.ParseConfig(text)
	if err != nil {
		return Document{}, err
	}
	if len(text) > s3.MaxDocument {
		return Document{}, fmt.Errorf("the parameters take %d bytes, %d are allowed; give shorter lists (%s)", len(text), s3.MaxDocument, strings.Join(longest(texts), ", "))
	}
	seen, err := with(p.Document, ofWorkers(texts))
	if err != nil {
		return Document{}, err
	}
	sum := sha256.Sum256(seen)
	attributes := computed(config)
	attributes[wiring.AttrDigest] = hex.EncodeToString(sum[:])
	return Document{p.Name, p.Bucket, string(text), attributes, texts}, nil
}

// computed is what roles and the group of workers need of the parameters, and CloudFormation has no functions for.
func computed(c *s3.Config) map[string]string {
	return map[string]string{
		wiring.AttrDestinationKeys: pattern.Prefix(c.Job.KeyMap().Add),
		wiring.AttrPrefixListKey:   pattern.Key(c.Job.Selection.PrefixFileKey),
		wiring.AttrReportKeys:      pattern.Prefix(c.Job.ReportPrefix),
		wiring.AttrOnDemandPercent: strconv.FormatInt(100-c.Values.Integer("spotPercent"), 10),
	}
}

// readLists puts the lists into the place of the names of their objects.
func readLists(texts map[string]string, read func(bucket, key string) (string, error)) error {
	var errs []error
	for _, name := range s3.Lists() {
		bucket, key, _ := s3.ListObject(texts[name])
		if bucket == "" {
			continue // names that are wrong are refused with everything else
		}
		list, err := read(bucket, key)
		list = strings.TrimPrefix(list, "\uFEFF")
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: the list %s cannot be read: %w", name, texts[name], err))
		case !utf8.ValidString(list):
			errs = append(errs, fmt.Errorf("%s: the list %s is no text in UTF-8", name, texts[name]))
		case strings.TrimSpace(list) == "": // no list would mean everything
			errs = append(errs, fmt.Errorf("%s: the list %s is empty", name, texts[name]))
		}
		texts[name] = list
	}
	return errors.Join(errs...)
}

// with encodes a document with these parameters. Two braces in a row open what Parameter Store takes for a reference, and
// refuses; in JSON they occur within texts alone.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func with(document map[string]any, parameters map[string]string) ([]byte, error) {
	document = maps.Clone(document)
	document["parameters"] = parameters
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(document)
	return bytes.ReplaceAll(bytes.TrimSpace(b.Bytes()), []byte("{{"), []byte(`{\u007b`)), err
}

// ofWorkers leaves out the parameters that only the stack knows and that change nothing on the instances: nobody interrupts
// workers for another e-mail address.
func ofWorkers(all map[string]string) map[string]string {
	seen := maps.Clone(all)
	for _, p := range s3.Contract().Parameters {
		stackOnly := slices.Contains([]string{s3.GroupFleet, s3.GroupNotification, s3.GroupHousekeeping}, p.Group)
		if stackOnly && p.OnUpdate == contract.Nothing {
			delete(seen, p.Name)
		}
	}
	return seen
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
