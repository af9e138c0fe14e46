package taskconfigaws_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/taskconfig"
	"github.com/datatransferhub/dth/lambda/taskconfig/taskconfigaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

const name = "/datatransferhub/stack/configuration"

// resource is the custom resource on a cloud that refuses what it has no rights for.
func resource(t *testing.T, cfg aws.Config) taskconfig.Resource {
	t.Helper()
	parameter, object, list := taskconfigaws.Actions()
	documents := taskconfigaws.Open(standinaws.Only(t, cfg, slices.Concat(parameter, object, list)))
	return taskconfig.Resource{Documents: documents, Lists: documents}
}

// noLists is where there are no objects with lists.
func noLists(string, string) (string, error) { return "", errors.New("there is none") }

// nasty is a prefix that a shell, a template or JSON pasted by hand would each break at.
const nasty = "a $(reboot) `id` \"quoted\" 'single' back\\slash ${AWS::StackName} {{resolve:ssm:x}}\nsecond line/ü"

func properties(t *testing.T, change map[string]any) json.RawMessage {
	t.Helper()
	parameters := map[string]any{
		"srcType": "Amazon_S3", "srcBucket": "source-bucket", "srcPrefix": nasty, "destBucket": "destination-bucket", "alarmEmail": "a@example.com",
		"ec2VpcId": "vpc-0123456789abcdef0", "ec2Subnets": []string{"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"},
	}
	for name, value := range change {
		parameters[name] = value
	}
	raw, err := json.Marshal(map[string]any{"ServiceToken": "x", "Name": name, "Bucket": "files-" + strings.ToLower(t.Name()), "Document": map[string]any{
		"stackName": "stack", "region": "us-east-1", "queueUrl": "https://q", "deadLetterQueueUrl": "https://d", "ledgerTable": "l", "runTable": "r", "controllerArn": "arn", "parameters": parameters,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What was written arrives literally in what the programs read.
func TestParametersArriveLiterally(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	r := resource(t, cfg)
	created, err := r.Create(t.Context(), customresource.Event{ResourceProperties: properties(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	read := func() *s3.Config {
		t.Helper()
		document, err := configaws.Load(t.Context(), cfg, "ssm:"+created.ID)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s3.ParseConfig(document)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := read(); got.Job.Source.Prefix != nasty || got.Values["ec2Subnets"] != "subnet-0123456789abcdef0,subnet-0123456789abcdef1" {
		t.Errorf("read %q, %q", got.Job.Source.Prefix, got.Values["ec2Subnets"])
	}
	updated, err := r.Update(t.Context(), customresource.Event{PhysicalResourceId: created.ID, ResourceProperties: properties(t, map[string]any{"srcPrefix": "plain", "exclude": strings.Repeat("pattern/**\n", 330)})})
	if err != nil || updated.ID != created.ID || updated.Data["Digest"] == created.Data["Digest"] {
		t.Fatalf("updated to %+v, %v", updated, err)
	}
	if got := read(); got.Job.Source.Prefix != "plain" {
		t.Errorf("after the update %q", got.Job.Source.Prefix)
	}
	for range 2 { // the second time it is gone already
		if _, err := r.Delete(t.Context(), customresource.Event{PhysicalResourceId: created.ID}); err != nil {
			t.Error(err)
		}
	}
}

// An update is held against what is on record: what a task keeps is refused, and the roll-back of that is not.
func TestUpdates(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	r := resource(t, cfg)
	store := r.Documents
	created, err := r.Create(t.Context(), customresource.Event{ResourceProperties: properties(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	update := func(change map[string]any) (customresource.Result, error) {
		return r.Update(t.Context(), customresource.Event{PhysicalResourceId: created.ID, ResourceProperties: properties(t, change)})
	}
	before, err := store.Get(t.Context(), created.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = update(map[string]any{"destBucket": "another-bucket", "ec2VpcId": "vpc-0123456789abcdef1", "srcPrefix": "x"})
	if err == nil || !strings.Contains(err.Error(), `destBucket: "another-bucket": this task has "destination-bucket", and it cannot be changed: create another task`) || !strings.Contains(err.Error(), "ec2VpcId") {
		t.Errorf("the destination was changed: %v", err)
	}
	if after, err := store.Get(t.Context(), created.ID); err != nil || after != before {
		t.Errorf("a refused update left %s, %v", after, err)
	}
	for name, c := range map[string]struct {
		change map[string]any
		same   bool // workers go on
	}{
		"the roll-back":       {nil, true},
		"an e-mail address":   {map[string]any{"alarmEmail": "b@example.com"}, true},
		"a larger fleet":      {map[string]any{"maxCapacity": "40"}, true},
		"another schedule":    {map[string]any{"ec2CronExpression": "0 3 * * ? *"}, true},
		"another prefix":      {map[string]any{"srcPrefix": "y"}, false},
		"another worker size": {map[string]any{"workerConcurrency": "7"}, false},
	} {
		updated, err := update(c.change)
		if err != nil || updated.ID != created.ID || (updated.Data["Digest"] == created.Data["Digest"]) != c.same {
			t.Errorf("%s: %+v, %v", name, updated, err)
		}
	}
	// A parameter that somebody deleted, or made of something else, is written anew.
	if err := store.Put(t.Context(), created.ID, "", "not JSON"); err != nil {
		t.Fatal(err)
	}
	if _, err := update(map[string]any{"destBucket": "another-bucket"}); err != nil {
		t.Error(err)
	}
	if err := store.Delete(t.Context(), created.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := update(nil); err != nil {
		t.Error(err)
	}
}

// What CloudFormation cannot compute of the parameters, it is told.
func TestAttributes(t *testing.T) {
	for _, tt := range []struct {
		given map[string]any
		name  string
		want  string
	}{
		{nil, wiring.AttrDestinationKeys, "*"},
		{map[string]any{"destPrefix": "/"}, wiring.AttrDestinationKeys, "*"},
		{map[string]any{"destPrefix": "in"}, wiring.AttrDestinationKeys, "in/*"},
		{map[string]any{"destPrefix": "in/"}, wiring.AttrDestinationKeys, "in/*"},
		{map[string]any{"destPrefix": "a//b"}, wiring.AttrDestinationKeys, "a//b/*"},
		{map[string]any{"destPrefix": "${aws:username}*?"}, wiring.AttrDestinationKeys, "${$}{aws:username}${*}${?}/*"},
		{map[string]any{"destPrefix": "a/ü"}, wiring.AttrDestinationKeys, "a/*"},
		{map[string]any{"srcPrefix": "", "srcPrefixsListFile": "lists/*.txt"}, wiring.AttrPrefixListKey, "lists/${*}.txt"},
		{nil, wiring.AttrReportKeys, "*"},
		{map[string]any{"reportBucket": "reports", "reportPrefix": "r$/"}, wiring.AttrReportKeys, "r${$}/*"},
		{nil, wiring.AttrOnDemandPercent, "100"},
		{map[string]any{"spotPercent": "30"}, wiring.AttrOnDemandPercent, "70"},
		{map[string]any{"spotPercent": "100%"}, wiring.AttrOnDemandPercent, "0"},
	} {
		d, err := taskconfig.Parse(properties(t, tt.given), noLists)
		if err != nil || d.Attributes[tt.name] != tt.want {
			t.Errorf("%v: %s is %q, want %q; %v", tt.given, tt.name, d.Attributes[tt.name], tt.want, err)
		}
	}
}

// The attributes of the longest and worst parameters fit into the answer of a custom resource.
func TestAttributesFit(t *testing.T) {
	worst := strings.Repeat("\"", 1000)
	d, err := taskconfig.Parse(properties(t, map[string]any{"destPrefix": worst, "reportBucket": "reports", "reportPrefix": worst[:512], "srcPrefix": "", "srcPrefixsListFile": worst}), noLists)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := json.Marshal(d.Attributes); err != nil || len(raw) > 3300 {
		t.Errorf("%d bytes, %v", len(raw), err) // the rest names stack, request and resource
	}
}

// bucket makes a bucket with objects.
func bucket(t *testing.T, cfg aws.Config, name string, objects map[string]string) *awss3.Client {
	t.Helper()
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	for key, text := range objects {
		if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &name, Key: &key, Body: strings.NewReader(text)}); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

// keys are the keys of a bucket.
func keys(t *testing.T, client *awss3.Client, name string) (all []string) {
	t.Helper()
	out, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		all = append(all, *o.Key)
	}
	return all
}

// A document that is too long for a parameter is an object, and programs that are given the parameter's name find it. It goes
// when the document is short again, and with the stack.
func TestLongDocuments(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	r := resource(t, cfg)
	const files = "files-testlongdocuments"
	client := bucket(t, cfg, files, nil)
	long := map[string]any{"include": strings.Repeat("a/long/pattern/**\n", 220), "exclude": strings.Repeat("b/long/pattern/**\n", 220)}
	event := func(change map[string]any) customresource.Event {
		return customresource.Event{PhysicalResourceId: name, ResourceProperties: properties(t, change)}
	}
	load := func() *s3.Config {
		t.Helper()
		document, err := configaws.Load(t.Context(), cfg, "ssm:"+name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s3.ParseConfig(document)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := r.Create(t.Context(), event(long)); err != nil {
		t.Fatal(err)
	}
	if c := load(); len(c.Job.Selection.Include) != 220 || c.Job.Source.Prefix != nasty || len(keys(t, client, files)) != 1 {
		t.Errorf("%d patterns, prefix %q, objects %q", len(c.Job.Selection.Include), c.Job.Source.Prefix, keys(t, client, files))
	}
	long["destBucket"] = "another-bucket"
	if _, err := r.Update(t.Context(), event(long)); err == nil || !strings.Contains(err.Error(), "destBucket") {
		t.Errorf("an update is not held against a long record: %v", err)
	}
	if _, err := r.Update(t.Context(), event(nil)); err != nil || len(load().Job.Selection.Include) != 0 || len(keys(t, client, files)) != 0 {
		t.Errorf("short again: %v, objects %q", err, keys(t, client, files))
	}
	delete(long, "destBucket")
	if _, err := r.Update(t.Context(), event(long)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is gone already
		if _, err := r.Delete(t.Context(), event(long)); err != nil || len(keys(t, client, files)) != 0 {
			t.Errorf("%v, objects %q", err, keys(t, client, files))
		}
	}
	if _, err := client.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: aws.String(files)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Delete(t.Context(), event(long)); err != nil {
		t.Errorf("the bucket is gone: %v", err)
	}
}

// Lists that are too long for CloudFormation are read from objects, and programs are given what is in them.
func TestListsInObjects(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	r := resource(t, cfg)
	bucket(t, cfg, "files-testlistsinobjects", nil)
	bucket(t, cfg, "lists", map[string]string{
		"in.txt": "\uFEFF" + strings.Repeat("some/pattern/**\r\n", 10_000), "prefixes": "a/\nb $(reboot)/\n", "empty": " \n", "latin": "\xfc", "huge": strings.Repeat("x", s3.MaxList+1),
		"nested": "s3://lists/prefixes",
	})
	given := map[string]any{"srcPrefix": "", "srcPrefixList": "s3://lists/prefixes", "include": "s3://lists/in.txt"}
	create := func(change map[string]any) error {
		_, err := r.Create(t.Context(), customresource.Event{ResourceProperties: properties(t, change)})
		return err
	}
	if err := create(given); err != nil {
		t.Fatal(err)
	}
	document, err := configaws.Load(t.Context(), cfg, "ssm:"+name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.ParseConfig(document)
	if err != nil || len(c.Job.Selection.Include) != 10_000 || c.Job.Selection.Include[0] != "some/pattern/**" || !slices.Equal(c.Job.Selection.Prefixes, []string{"a/", "b $(reboot)/"}) {
		t.Errorf("%d patterns, prefixes %q, %v", len(c.Job.Selection.Include), c.Job.Selection.Prefixes, err)
	}
	for key, says := range map[string]string{"none": "NoSuchKey", "empty": "is empty", "latin": "UTF-8", "huge": "larger than 262144 bytes", "nested": "give the list itself"} {
		if err := create(map[string]any{"exclude": "s3://lists/" + key}); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "exclude") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestBadProperties(t *testing.T) {
	for name, c := range map[string]struct {
		properties json.RawMessage
		want       string
	}{
		"a list":            {json.RawMessage(`[]`), "cannot be read"},
		"nothing":           {json.RawMessage(`{}`), "Name and Document"},
		"no parameters":     {json.RawMessage(`{"Name":"n","Document":{}}`), "parameters"},
		"a wrong value":     {properties(t, map[string]any{"srcType": "Amazon_S4"}), "srcType"},
		"several":           {properties(t, map[string]any{"srcType": "Amazon_S4", "giantThreshold": "1"}), "giantThreshold"},
		"an unknown name":   {properties(t, map[string]any{"srcBuket": "x"}), "srcBuket"},
		"a number":          {properties(t, map[string]any{"maxCapacity": 3}), "maxCapacity"},
		"a list of numbers": {properties(t, map[string]any{"ec2Subnets": []int{1}}), "ec2Subnets"},
		"too long":          {properties(t, map[string]any{"include": strings.Repeat("a/very/long/pattern/**\n", 20_000)}), "262144"},
		"no object":         {properties(t, map[string]any{"include": "s3://bucket"}), "s3://BUCKET/KEY"},
		"object and more":   {properties(t, map[string]any{"exclude": "s3://bucket/key\nmore"}), "s3://BUCKET/KEY"},
		"no such object":    {properties(t, map[string]any{"exclude": "s3://bucket/key"}), "exclude: the list s3://bucket/key cannot be read: there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := taskconfig.Parse(c.properties, noLists)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not name %s", err, c.want)
			}
		})
	}
}
