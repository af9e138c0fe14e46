package older_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/cmd/internal/older"
	"github.com/datatransferhub/dth/plugins/s3"
)

func TestFormsOfFiles(t *testing.T) {
	want := map[string]string{"srcBucket": "photos", "srcPrefix": "a=b, c/", "maxCapacity": "20", "ec2Subnets": "subnet-1,subnet-2"}
	for name, content := range map[string]string{
		"entries": `[{"ParameterKey":"srcBucket","ParameterValue":"photos"},{"ParameterKey":"srcPrefix","ParameterValue":"a=b, c/"},
			{"ParameterKey":"maxCapacity","ParameterValue":20},{"ParameterKey":"ec2Subnets","ParameterValue":"subnet-1,subnet-2","ResolvedValue":"x"}]`,
		"texts":                 `["srcBucket=photos","srcPrefix=a=b, c/","maxCapacity=20","ec2Subnets=subnet-1\\,subnet-2"]`,
		"Parameters":            `{"Parameters":{"srcBucket":"photos","srcPrefix":"a=b, c/","maxCapacity":20,"ec2Subnets":["subnet-1","subnet-2"]},"Tags":{}}`,
		"Parameters of a stack": `{"StackName":"old","Parameters":[{"ParameterKey":"srcBucket","ParameterValue":"photos"},{"ParameterKey":"srcPrefix","ParameterValue":"a=b, c/"},"maxCapacity=20","ec2Subnets=subnet-1,subnet-2"]}`,
		"object":                "\xef\xbb\xbf" + `{"srcBucket":"photos","srcPrefix":"a=b, c/","maxCapacity":20,"ec2Subnets":"subnet-1,subnet-2"}`,
		"lines":                 "# old task\r\nsrcBucket = photos\r\nsrcPrefix=\"a=b, c/\"\r\n\r\nmaxCapacity=20\r\nec2Subnets=subnet-1,subnet-2\r\n",
		"command line":          "ParameterKey=srcBucket,ParameterValue=photos \\\n ParameterKey=srcPrefix,ParameterValue='a=b, c/' \\\nParameterKey=maxCapacity,ParameterValue=20 \\\nParameterKey=ec2Subnets,ParameterValue=subnet-1\\\\,subnet-2\n",
	} {
		f, err := older.Decode([]byte(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, f.Values); diff != "" || !slices.Equal(f.Names, []string{"srcBucket", "srcPrefix", "maxCapacity", "ec2Subnets"}) {
			t.Errorf("%s: names %v (-want +got):\n%s", name, f.Names, diff)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for content, want := range map[string]string{
		"":                                "empty",
		"  \n":                            "empty",
		"# x\n":                           "no parameter",
		"srcBucket":                       "line 1",
		"a=1\nb":                          "line 2",
		"a=1\na=2":                        "a is given twice",
		"=1":                              "no name",
		"ParameterKey=a ParameterValue=b": "ParameterValue= is missing",
		`{"a":`:                           "begins like JSON",
		`{"a":"1"} x`:                     "follows",
		`{"a":{}}`:                        "a:",
		`{"a":null}`:                      "no value",
		`[1]`:                             "entry 1",
		`["a=1",null]`:                    "entry 2",
		`[{"ParameterKey":"a"}]`:          "no value",
		`[{"ParameterKey":"a","UsePreviousValue":true}]`: "describe-stacks",
		`{"Parameters":{"a":"1","a":"2"}}`:               "twice",
		"a=\xff":                                         "UTF-8",
		strings.Repeat("#", 5<<20):                       "bytes",
	} {
		if _, err := older.Decode([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", content, err, want)
		}
	}
}

// documented is the call that the older tool's guide shows.
const documented = `ParameterKey=alarmEmail,ParameterValue=your_email@example.com \
ParameterKey=destBucket,ParameterValue=dth-receive-cn-north-1 \
ParameterKey=destPrefix,ParameterValue=test-prefix \
ParameterKey=destCredentials,ParameterValue=drh-cn-secret-key \
ParameterKey=destInCurrentAccount,ParameterValue=false \
ParameterKey=destRegion,ParameterValue=cn-north-1 \
ParameterKey=destStorageClass,ParameterValue=STANDARD \
ParameterKey=destPutObjectSSEType,ParameterValue=None \
ParameterKey=destPutObjectSSEKmsKeyId,ParameterValue= \
ParameterKey=srcBucket,ParameterValue=dth-us-west-2 \
ParameterKey=srcInCurrentAccount,ParameterValue=true \
ParameterKey=srcCredentials,ParameterValue= \
ParameterKey=srcRegion,ParameterValue=us-west-2 \
ParameterKey=srcPrefix,ParameterValue=case1 \
ParameterKey=srcType,ParameterValue=Amazon_S3 \
ParameterKey=ec2VpcId,ParameterValue=vpc-040bbab85f0e4e088 \
ParameterKey=ec2Subnets,ParameterValue=subnet-0d1bf2725ab8e94ee\\,subnet-06d17b2b3286be40e \
ParameterKey=finderEc2Memory,ParameterValue=8 \
ParameterKey=ec2CronExpression,ParameterValue="0/60 * * * ? *" \
ParameterKey=includeMetadata,ParameterValue=false \
ParameterKey=srcEvent,ParameterValue=No \
ParameterKey=maxCapacity,ParameterValue=20 \
ParameterKey=minCapacity,ParameterValue=1 \
ParameterKey=desiredCapacity,ParameterValue=1
`

func convert(t *testing.T, content string, override map[string]string) (*older.Result, error) {
	t.Helper()
	f, err := older.Decode([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return older.Convert(f, override)
}

func TestDocumentedCall(t *testing.T) {
	r, err := convert(t, documented, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Dropped) != 1 || r.Dropped[0].Name != "finderEc2Memory" || len(r.Unknown) != 0 || len(r.Renamed) != 0 || len(r.Kept) != 23 {
		t.Errorf("%+v", r)
	}
	if r.Parameters["ec2CronExpression"] != "0 * * * ? *" || r.Parameters["ec2Subnets"] != "subnet-0d1bf2725ab8e94ee,subnet-06d17b2b3286be40e" || r.Parameters["includeMetadata"] != "false" {
		t.Errorf("parameters %v", r.Parameters)
	}
	want := []older.Sample{
		{"case1photo.jpg", "test-prefix/case1photo.jpg", "test-prefix/case1photo.jpg"},
		{"case12024/12/a b.txt", "test-prefix/case12024/12/a b.txt", "test-prefix/case12024/12/a b.txt"},
		{"case1/odd//key", "test-prefix/case1/odd//key", "test-prefix/case1/odd//key"},
	}
	if diff := cmp.Diff(want, r.Samples); diff != "" || !r.KeysAgree() {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	// What is printed is taken as it is: by this tool, and by the plugin.
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := older.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Parameters, again.Values); diff != "" {
		t.Errorf("(-printed +read):\n%s", diff)
	}
	if _, err := s3.Job(again.Values); err != nil {
		t.Error(err)
	}
}

const least = `{"srcBucket":"a-bucket","destBucket":"b-bucket","ec2VpcId":"vpc-040bbab85f0e4e088","ec2Subnets":"subnet-0d1bf2725ab8e94ee","alarmEmail":"me@example.com"%s}`

func with(more string) string { return strings.Replace(least, "%s", more, 1) }

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		name, more string
		parameters map[string]string // "" is absent
		report     string
	}{
		{"knobs of the finder", `,"finderDepth":"2","finderNumber":"8","workerNumber":4,"chunkSize":"5"`, map[string]string{"finderDepth": "", "workerNumber": ""}, "dropped: finderDepth: the finder finds ranges"},
		{"names before", `,"srcBucketPrefix":"in/","ecsCronExpression":"","enableS3Event":"CreateAndDelete"`, map[string]string{"srcPrefix": "in/", "srcEvent": "CreateAndDelete", "srcBucketPrefix": ""}, "renamed: enableS3Event is srcEvent now"},
		{"parameter store", `,"srcCredentialsParameterStore":"keys"`, map[string]string{"srcCredentials": "keys"}, "put the same JSON into a secret"},
		{"unknown", `,"jobType":"GET"`, map[string]string{"jobType": ""}, "unknown, left out: jobType"},
		{"address of another store", `,"srcType":"Amazon_S3","srcEndpoint":"https://minio.example.com:9000"`, map[string]string{"srcType": "S3_Compatible"}, "none of Amazon's"},
		{"address of Amazon", `,"srcEndpoint":"https://s3.cn-north-1.amazonaws.com.cn"`, map[string]string{"srcType": ""}, "kept"},
		{"address of a known store", `,"srcType":"Aliyun_OSS","srcEndpoint":"https://oss.example.com"`, map[string]string{"srcType": "Aliyun_OSS"}, "kept"},
		{"secret that was not used", `,"srcInCurrentAccount":"true","srcCredentials":"old"`, map[string]string{"srcCredentials": ""}, "dropped: srcCredentials"},
		{"key that was not used", `,"destPutObjectSSEType":"None","destPutObjectSSEKmsKeyId":"abc"`, map[string]string{"destPutObjectSSEKmsKeyId": ""}, "with AWS_KMS only"},
		{"key that was", `,"destPutObjectSSEType":"AWS_KMS","destPutObjectSSEKmsKeyId":"abc"`, map[string]string{"destPutObjectSSEKmsKeyId": "abc"}, "kept"},
		{"once", `,"ec2CronExpression":""`, nil, "minCapacity is not in the file"},
		{"read unsigned", ``, nil, "read it unsigned"},
		{"written unsigned", `,"destInCurrentAccount":"false"`, nil, "dth policy prints"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := convert(t, with(tt.more), nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.parameters {
				if r.Parameters[name] != want {
					t.Errorf("%s is %q, want %q", name, r.Parameters[name], want)
				}
			}
			if report := r.Report(); !strings.Contains(report, tt.report) {
				t.Errorf("the report says\n%s", report)
			}
		})
	}
}

// Both rules of keys side by side, and the cases in which they part.
func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		srcPrefix, destPrefix string
		agree                 bool
		first                 older.Sample
	}{
		{"", "", true, older.Sample{Source: "photo.jpg", Older: "photo.jpg", New: "photo.jpg"}},
		{"", "/", true, older.Sample{Source: "photo.jpg", Older: "photo.jpg", New: "photo.jpg"}},
		{"in/", "out", true, older.Sample{Source: "in/photo.jpg", Older: "out/in/photo.jpg", New: "out/in/photo.jpg"}},
		{"in", "out/", true, older.Sample{Source: "inphoto.jpg", Older: "out/inphoto.jpg", New: "out/inphoto.jpg"}},
		{"", "/out", true, older.Sample{Source: "photo.jpg", Older: "/out/photo.jpg", New: "/out/photo.jpg"}},
		{"", "out//", false, older.Sample{Source: "photo.jpg", Older: "out//photo.jpg", New: "out/photo.jpg"}},
		{"", "//", false, older.Sample{Source: "photo.jpg", Older: "//photo.jpg", New: "photo.jpg"}},
	} {
		r, err := convert(t, with(`,"srcPrefix":"`+tt.srcPrefix+`","destPrefix":"`+tt.destPrefix+`"`), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.KeysAgree() != tt.agree || r.Samples[0] != tt.first || len(r.Samples) != 3 {
			t.Errorf("%q, %q: %+v", tt.srcPrefix, tt.destPrefix, r.Samples)
		}
		if strings.Contains(r.Report(), "copied again, under other keys") == tt.agree {
			t.Errorf("the report says\n%s", r.Report())
		}
	}
}

func TestWhatThePluginRefuses(t *testing.T) {
	bad := with(`,"maxCapacity":"many","destStorageClass":"REDUCED"`)
	if r, err := convert(t, bad, nil); err == nil || !strings.Contains(err.Error(), "maxCapacity") || !strings.Contains(err.Error(), "destStorageClass") || r.Report() == "" {
		t.Errorf("the error is %v", err)
	}
	if _, err := convert(t, bad, map[string]string{"maxCapacity": "5", "destStorageClass": "STANDARD"}); err != nil {
		t.Errorf("with other values: %v", err)
	}
	if _, err := convert(t, with(`,"srcPrefix":"a","srcBucketPrefix":"b"`), nil); err == nil || !strings.Contains(err.Error(), "older name") {
		t.Errorf("one parameter under two names: %v", err)
	}
}

// Whatever the file holds: no panic, and what was read is what a JSON file of it gives again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(with("")))
	f.Add([]byte(`[{"ParameterKey":"a","ParameterValue":"b"},"c=d"]`))
	f.Add([]byte(`{"Parameters":{"a":1,"b":[],"c":["x","y"]}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := older.Decode(content)
		if err != nil {
			return
		}
		if len(file.Names) != len(file.Values) {
			t.Fatalf("%d names, %d values", len(file.Names), len(file.Values))
		}
		if r, err := older.Convert(file, nil); err == nil && len(r.Kept)+len(r.Renamed)+len(r.Unknown)+len(r.Dropped) < len(file.Names) {
			t.Fatalf("of %v only these are told of: %+v", file.Names, r)
		}
		for name := range maps.Keys(file.Values) {
			if !utf8.ValidString(name) || name == "Parameters" {
				return
			}
		}
		var entries []older.Entry
		for _, name := range file.Names {
			entries = append(entries, older.Entry{ParameterKey: name, ParameterValue: file.Values[name]})
		}
		text, err := json.Marshal(entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := older.Decode(text)
		if len(entries) == 0 {
			return
		}
		if err != nil || !maps.Equal(again.Values, file.Values) {
			t.Fatalf("%s: %v", bytes.TrimSpace(text), err)
		}
	})
}
