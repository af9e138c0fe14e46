package kittest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Account is a stand-in for AWS, spoken to in its own protocols: packages of templates may not know the SDK.
type Account struct {
	T   *testing.T
	url string
}

// NewAccount starts moto.
func NewAccount(t *testing.T) Account {
	t.Helper()
	server := os.Getenv("DTH_MOTO_SERVER")
	if server == "" {
		t.Skip("skipped: DTH_MOTO_SERVER is not set; it is the output of .ci/need moto")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // its port is moto's now
	_, port, _ := net.SplitHostPort(address)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, server, "-H", "127.0.0.1", "-p", port)
	cmd.Env = append(os.Environ(), "VALIDATE_LAMBDA_S3=false")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
	})
	a := Account{t, "http://" + address}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(a.url + "/moto-api/data.json")
		if err == nil {
			_ = resp.Body.Close()
			return a
		}
		if time.Now().After(end) {
			t.Fatalf("moto does not answer: %v", err)
		}
	}
}

// send makes a call; the stand-in looks at the service that a signature would name, not at the signature.
func (a Account) send(service, target, kind string, body []byte) string {
	a.T.Helper()
	r, err := http.NewRequest(http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		a.T.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.T.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.T.Fatalf("%s: %s %v\n%s", service, resp.Status, err, answer)
	}
	return string(answer)
}

// Query makes a call in the query protocol, whose answers are XML.
func (a Account) Query(service, version string, form url.Values) string {
	a.T.Helper()
	form.Set("Version", version)
	return a.send(service, "", "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// JSON makes a call in a JSON protocol.
func (a Account) JSON(service, target string, in object) object {
	a.T.Helper()
	body, _ := json.Marshal(in)
	kind := "application/x-amz-json-1.0"
	if service == "events" {
		kind = "application/x-amz-json-1.1"
	}
	var out object
	if err := json.Unmarshal([]byte(a.send(service, target, kind, body)), &out); err != nil {
		a.T.Fatal(err)
	}
	return out
}

// Pruned is a template with the types of resources that the stand-in understands. References to the others are put as texts;
// answered are attributes of those by Id.Attribute that are known.
func (t *Template) Pruned(tb testing.TB, understood []string, answered map[string]string) []byte {
	tb.Helper()
	var copied object
	if err := json.Unmarshal(t.Text, &copied); err != nil {
		tb.Fatal(err)
	}
	resources := copied["Resources"].(object)
	gone := map[string]bool{}
	for id, r := range resources {
		if !slices.Contains(understood, r.(object)["Type"].(string)) {
			gone[id] = true
			delete(resources, id)
		}
	}
	for _, r := range resources {
		r := r.(object)
		delete(r, "DependsOn")
		properties := without(r["Properties"], gone, answered).(object)
		if definition, ok := properties["Definition"]; ok {
			// The stand-in knows definitions as texts only.
			properties["DefinitionString"] = object{"Fn::Sub": []any{Compact(definition), properties["DefinitionSubstitutions"]}}
		}
		r["Properties"] = properties
	}
	delete(copied, "Rules")
	delete(copied, "Outputs")
	text, err := json.Marshal(copied)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// GoneARN is put in front of the name of a resource that the stand-in was not given.
const GoneARN = "arn:aws:sns:us-east-1:123456789012:"

// without replaces references to resources that are gone.
func without(value any, gone map[string]bool, answered map[string]string) any {
	switch v := value.(type) {
	case object:
		if ref, ok := v["Ref"].(string); ok && gone[ref] {
			return GoneARN + ref
		}
		if list, ok := v["Fn::GetAtt"].([]any); ok && answered[list[0].(string)+"."+list[1].(string)] != "" {
			return answered[list[0].(string)+"."+list[1].(string)]
		}
		if list, ok := v["Fn::GetAtt"].([]any); ok && gone[list[0].(string)] {
			return GoneARN + list[0].(string)
		}
		for key := range v {
			v[key] = without(v[key], gone, answered)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i], gone, answered)
		}
	case string:
		return InText.ReplaceAllStringFunc(v, func(name string) string {
			id, _, _ := strings.Cut(strings.Trim(name, "${}"), ".")
			if gone[id] {
				return GoneARN + id
			}
			return name
		})
	}
	return value
}

// InTag returns the texts within a tag of an XML answer.
func InTag(answer, tag string) []string {
	var out []string
	for _, found := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(answer, -1) {
		out = append(out, found[1])
	}
	return out
}

// Create makes a stack of a pruned template and returns the physical ids of its resources.
func (a Account) Create(template []byte, parameters map[string]string) map[string]string {
	a.T.Helper()
	form := url.Values{"Action": {"CreateStack"}, "StackName": {"task"}, "TemplateBody": {string(template)}, "Capabilities.member.1": {"CAPABILITY_IAM"}}
	for i, name := range slices.Sorted(maps.Keys(parameters)) {
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1), name)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1), parameters[name])
	}
	a.Query("cloudformation", "2010-05-15", form)
	answer := a.Query("cloudformation", "2010-05-15", url.Values{"Action": {"DescribeStackResources"}, "StackName": {"task"}})
	ids := map[string]string{}
	logical, physical := InTag(answer, "LogicalResourceId"), InTag(answer, "PhysicalResourceId")
	for i := range logical {
		ids[logical[i]] = physical[i]
	}
	return ids
}
