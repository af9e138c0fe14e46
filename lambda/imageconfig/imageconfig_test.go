package imageconfig_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imageconfig"
	"github.com/datatransferhub/dth/plugins/ecr"
)

// shelf keeps documents and lists in memory.
type shelf map[string]string

func (s shelf) Get(_ context.Context, name string) (string, error) { return s[name], nil }
func (s shelf) Put(_ context.Context, name, _, document string) error {
	s[name] = document
	return nil
}

func (s shelf) Delete(_ context.Context, name, _ string) error {
	delete(s, name)
	return nil
}

func (s shelf) Read(_ context.Context, bucket, key string) (string, error) {
	text, there := s[bucket+"/"+key]
	if !there {
		return "", errors.New("there is none")
	}
	return text, nil
}

const name = "/datatransferhub/task/configuration"

func event(t *testing.T, image string, change map[string]string) customresource.Event {
	t.Helper()
	parameters := map[string]string{}
	for _, p := range ecr.Contract().Parameters {
		parameters[p.Name] = p.Default
	}
	maps.Copy(parameters, map[string]string{
		"destRegion": "eu-west-1", "ecsClusterName": "plugins", "ecsVpcId": "vpc-0123456789abcdef0", "alarmEmail": "a@example.com",
		"ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1",
	})
	maps.Copy(parameters, change)
	properties, err := json.Marshal(map[string]any{"ServiceToken": "arn", "Name": name, "Bucket": "work", "Image": image, "Document": map[string]any{
		"stackName": "task", "region": "us-east-1", "account": "123456789012", "recordTable": "records", "runTable": "runs", "bucket": "work", "parameters": parameters,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return customresource.Event{PhysicalResourceId: name, ResourceProperties: properties}
}

// The document that is written is one that the programs read, whatever is in its texts.
func TestDocumentIsWritten(t *testing.T) {
	s := shelf{}
	r := imageconfig.Resource{Documents: s, Lists: s}
	list := map[string]string{"srcList": "SELECTED", "srcImageList": "team/app:1.0\nteam/app:/^{{\"x\"}}$/\n"}
	if _, err := r.Create(t.Context(), event(t, "image", list)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s[name], "{{") {
		t.Errorf("Parameter Store takes this for a reference: %s", s[name])
	}
	c, err := ecr.ParseConfig([]byte(s[name]))
	if err != nil || c.Values["srcImageList"] != list["srcImageList"] || c.RecordTable != "records" || c.Values["includeReferrers"] != "true" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := r.Delete(t.Context(), event(t, "", nil)); err != nil || len(s) != 0 {
		t.Errorf("%v, left %v", err, s)
	}
}

func TestRefusals(t *testing.T) {
	s := shelf{"lists/empty": " \n", "lists/images": "team/app:1.0\n"}
	r := imageconfig.Resource{Documents: s, Lists: s}
	selected := func(list string) map[string]string {
		return map[string]string{"srcList": "SELECTED", "srcImageList": list}
	}
	for want, e := range map[string]customresource.Event{
		"copierImage":       event(t, "", nil),
		"sourceType":        event(t, "image", map[string]string{"sourceType": "Docker"}),
		"is empty":          event(t, "image", selected("s3://lists/empty")),
		"there is none":     event(t, "image", selected("s3://lists/other")),
		"s3://BUCKET/KEY":   event(t, "image", selected("s3://lists")),
		"Name and Document": {ResourceProperties: json.RawMessage(`{}`)},
		"cannot be read":    {ResourceProperties: json.RawMessage(`[]`)},
		"srcImageList":      event(t, "image", map[string]string{"srcList": "SELECTED"}),
		"pushEvents":        event(t, "image", map[string]string{"pushEvents": "Yes", "srcRegion": "eu-west-2"}),
		"onto themselves":   event(t, "image", map[string]string{"destRegion": "us-east-1"}),
		"destRegion":        event(t, "image", map[string]string{"destRegion": "Ireland"}),
		"give another":      event(t, "image", map[string]string{"ecsSubnetB": "subnet-0123456789abcdef0"}),
	} {
		if _, err := r.Create(t.Context(), e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := r.Create(t.Context(), event(t, "image", selected("s3://lists/images"))); err != nil {
		t.Fatal(err)
	}
	if c, err := ecr.ParseConfig([]byte(s[name])); err != nil || c.Values["srcImageList"] != "team/app:1.0\n" {
		t.Errorf("%v", err)
	}
	if _, err := r.Update(t.Context(), event(t, "image", map[string]string{"destRegion": "eu-west-2"})); err == nil || !strings.Contains(err.Error(), "destRegion") {
		t.Errorf("an update moves the destination: %v", err)
	}
	if _, err := r.Update(t.Context(), event(t, "image", map[string]string{"includeReferrers": "false"})); err != nil {
		t.Errorf("%v", err)
	}
}
