package kit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// write synthesizes a stack that fill fills, and returns its template.
func write(t *testing.T, fill func(*Stack)) map[string]any {
	t.Helper()
	out, dist := t.TempDir(), t.TempDir()
	bootstrap := filepath.Join(dist, "echo", "bootstrap")
	if err := os.MkdirAll(filepath.Dir(bootstrap), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bootstrap, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	fill(NewStack(app, "S", "a stack", Assets{Lambdas: dist, Published: &Published{BucketPrefix: "b", Version: "v1"}}))
	app.Synth(nil)
	text, err := os.ReadFile(filepath.Join(out, "S.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template map[string]any
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	return template
}

func at(t *testing.T, tree any, path ...string) string {
	t.Helper()
	for _, name := range path {
		tree = tree.(map[string]any)[name]
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSubTakesTheShortestForm(t *testing.T) {
	template := write(t, func(s *Stack) {
		s.Output("Plain", "", Sub("text"))
		s.Output("Name", "", Sub("${AWS::Region}"))
		s.Output("Attribute", "", Sub("${Queue.Arn}"))
		s.Output("Text", "", Sub("in-${AWS::Region}"))
		s.Output("Given", "", SubWith("${X}", map[string]*string{"X": new("value")}))
		s.Output("Both", "", SubWith("${X}-${AWS::Region}", map[string]*string{"X": new("value")}))
		s.Output("Before", "", Before(":", Ref("AWS::StackId")))
	})
	for id, want := range map[string]string{
		"Plain": `"text"`, "Name": `{"Ref":"AWS::Region"}`, "Attribute": `{"Fn::GetAtt":["Queue","Arn"]}`, "Text": `{"Fn::Sub":"in-${AWS::Region}"}`,
		"Given": `"value"`, "Both": `{"Fn::Sub":["${X}-${AWS::Region}",{"X":"value"}]}`,
		"Before": `{"Fn::Select":[0,{"Fn::Split":[":",{"Ref":"AWS::StackId"}]}]}`,
	} {
		if got := at(t, template, "Outputs", id, "Value"); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestFunction(t *testing.T) {
	template := write(t, func(s *Stack) {
		awscdk.NewCfnParameter(s.Scope, new("boundary"), &awscdk.CfnParameterProps{Type: new("String"), Default: ""})
		often := s.Condition("Often", Given("boundary"))
		f := s.Function("Echo", Function{
			Name: "echo", Description: "echoes", Memory: 128, Timeout: time.Minute, LogGroup: new("/echo"), LogDays: new(7.0),
			Environment: map[string]*string{"KEY": new("value")},
			Rights:      []Statement{{Sid: "Maybe", Actions: []string{"b:Two", "a:One", "a:One"}, Resources: []*string{new("arn")}, When: &often}},
		})
		s.CustomResource("Own", "Thing", f, 5*time.Minute, map[string]any{"Key": "value"})
		s.BoundRoles("boundary")
	})
	resources := template["Resources"]
	for _, tt := range []struct {
		path []string
		want string
	}{
		{[]string{"Echo", "Properties", "Architectures"}, `["arm64"]`},
		{[]string{"Echo", "Properties", "LoggingConfig"}, `{"LogFormat":"JSON","LogGroup":{"Ref":"EchoLogs"}}`},
		{[]string{"Echo", "Properties", "Role"}, `{"Fn::GetAtt":["EchoRole","Arn"]}`},
		{[]string{"Echo", "Properties", "Environment"}, `{"Variables":{"KEY":"value"}}`},
		{[]string{"EchoLogs", "DeletionPolicy"}, `"Delete"`},
		{[]string{"EchoRole", "Properties", "PermissionsBoundary"}, `{"Fn::If":["HasBoundary",{"Ref":"boundary"},{"Ref":"AWS::NoValue"}]}`},
		{
			[]string{"EchoRole", "Properties", "Policies"},
			`[{"PolicyDocument":{"Statement":[` +
				`{"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Effect":"Allow","Resource":[{"Fn::GetAtt":["EchoLogs","Arn"]}],"Sid":"Logs"},` +
				`{"Fn::If":["Often",{"Action":["a:One","b:Two"],"Effect":"Allow","Resource":["arn"],"Sid":"Maybe"},{"Ref":"AWS::NoValue"}]}` +
				`],"Version":"2012-10-17"},"PolicyName":"Rights"}]`,
		},
		{[]string{"Own"}, `{"Properties":{"Key":"value","ServiceTimeout":300,"ServiceToken":{"Fn::GetAtt":["Echo","Arn"]}},"Type":"Custom::Thing"}`},
	} {
		if got := at(t, resources, tt.path...); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.path, got, tt.want)
		}
	}
}
