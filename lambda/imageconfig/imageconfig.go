// Package imageconfig is the custom resource that checks the parameters of an ECR task and writes the configuration document of
// its programs. It takes the place of text that CloudFormation would paste together, and a quote would break.
package imageconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/taskconfig"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

// Resource implements customresource.Resource. Its physical id is the name of the parameter that holds the document.
type Resource struct {
	Documents taskconfig.Documents
	Lists     taskconfig.Lists
}

// Document is a configuration document, and where it goes.
type Document struct {
	Name   string // of the parameter
	Bucket string // that holds it when it is too long for a parameter
	Text   string // JSON

	parameters map[string]string
}

// Create checks the properties and writes the document.
func (r Resource) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	d, err := r.parse(ctx, e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	return r.put(ctx, d)
}

// Update replaces the document, unless a parameter changed that a task keeps. It is held against what is on record and not
// against the old properties: when CloudFormation rolls back an update that was refused here, those are the refused ones.
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
		if err := ecr.Contract().CheckUpdate(before.Parameters, d.parameters); err != nil {
			return customresource.Result{}, err
		}
	}
	return r.put(ctx, d)
}

// Delete removes the document.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	var p struct{ Bucket string }
	_ = json.Unmarshal(e.ResourceProperties, &p) // whatever they are, the resource goes
	return customresource.Result{ID: e.PhysicalResourceId}, r.Documents.Delete(ctx, e.PhysicalResourceId, p.Bucket)
}

func (r Resource) put(ctx context.Context, d Document) (customresource.Result, error) {
	return customresource.Result{ID: d.Name}, r.Documents.Put(ctx, d.Name, d.Bucket, d.Text)
}

// parse returns the document that properties ask for, with the list that they name. It is checked as the programs will: the error
// names every parameter that is wrong.
func (r Resource) parse(ctx context.Context, properties json.RawMessage) (Document, error) {
	var p struct {
		Name, Bucket, Image string
		Document            struct {
			ecr.Config
			Parameters map[string]string `json:"parameters"`
		}
	}
	if err := json.Unmarshal(properties, &p); err != nil {
		return Document{}, fmt.Errorf("the properties cannot be read: %w", err)
	}
	if p.Name == "" || p.Document.Parameters == nil {
		return Document{}, fmt.Errorf("%s and %s with parameters are required", wiring.PropName, wiring.PropDocument)
	}
	if p.Image == "" {
		return Document{}, errors.New("copierImage: this release was published without an image; give one, which dth publish --image-repository makes")
	}
	parameters := p.Document.Parameters
	if err := r.readList(ctx, parameters); err != nil {
		return Document{}, err
	}
	c := p.Document.Config
	c.Parameters = parameters
	text, err := encode(c)
	if err != nil {
		return Document{}, err
	}
	if _, err := ecr.ParseConfig([]byte(text)); err != nil {
		return Document{}, err
	}
	if len(text) > ecr.MaxDocument {
		return Document{}, fmt.Errorf("the parameters take %d bytes, %d are allowed; give a shorter list of images", len(text), ecr.MaxDocument)
	}
	return Document{p.Name, p.Bucket, text, parameters}, nil
}

// readList puts the list of images into the place of the name of its object.
func (r Resource) readList(ctx context.Context, parameters map[string]string) error {
	const name = "srcImageList"
	address, elsewhere := strings.CutPrefix(strings.TrimSpace(parameters[name]), "s3://")
	if !elsewhere {
		return nil
	}
	bucket, key, found := strings.Cut(address, "/")
	if !found || bucket == "" || key == "" {
		return fmt.Errorf("%s: %q: write s3://BUCKET/KEY", name, parameters[name])
	}
	list, err := r.Lists.Read(ctx, bucket, key)
	if err != nil {
		return fmt.Errorf("%s: the list %s cannot be read: %w", name, parameters[name], err)
	}
	list = strings.TrimPrefix(list, "\uFEFF")
	if strings.TrimSpace(list) == "" { // no list would mean everything
		return fmt.Errorf("%s: the list %s is empty", name, parameters[name])
	}
	parameters[name] = list
	return nil
}

// encode writes a document. Two braces in a row open what Parameter Store takes for a reference, and refuses; in JSON they occur
// within texts alone.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func encode(c ecr.Config) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(c)
	return strings.ReplaceAll(strings.TrimSpace(b.String()), "{{", `{\u007b`), err
}
