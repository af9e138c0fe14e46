package metrics_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/metrics"
)

const good = `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D"]],"Metrics":[{"Name":"A","Unit":"Count","StorageResolution":60},{"Name":"B"}]}]},"D":"d","A":[1,-2.5e3],"B":0,"else":{"x":[null]}}`

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 1025)
	metric := func(n int) string {
		var names, values []string
		for i := range n {
			names = append(names, fmt.Sprintf(`{"Name":"m%d"}`, i))
			values = append(values, fmt.Sprintf(`"m%d":1`, i))
		}
		return strings.Replace(strings.Replace(good, `{"Name":"B"}`, strings.Join(names, ","), 1), `"B":0`, strings.Join(values, ","), 1)
	}
	tests := []struct {
		name     string
		old, new string // replaced in the good line
		want     string // in the error; empty: it is right
	}{
		{"as it is", "", "", ""},
		{"a newline at the end", `[null]}}`, "[null]}}\n", ""},
		{"no unit", `,"Unit":"Count"`, "", ""},
		{"rate", `"Unit":"Count"`, `"Unit":"Terabits/Second"`, ""},
		{"no object", good, `[]`, "a JSON object is expected"},
		{"null", good, `null`, "a JSON object is expected"},
		{"nothing", good, ``, "a JSON object is expected"},
		{"cut off", `[null]}}`, ``, "a JSON object is expected"},
		{"something behind", `[null]}}`, `[null]}} x`, "something after"},
		{"two lines", `,"D"`, ",\n\"D\"", "line break"},
		{"no UTF-8", `"d"`, "\"\xff\"", "UTF-8"},
		{"too long", `null`, `"` + strings.Repeat("x", 256<<10) + `"`, "bytes: allowed are 262144"},
		{"no metadata", `"_aws"`, `"_AWS"`, "_aws: the line has no such member"},
		{"metadata no object", `{"Timestamp":1,`, `[{"Timestamp":1,`, "expected"},
		{"no time", `"Timestamp":1,`, ``, "_aws.Timestamp: it is missing"},
		{"time in capitals", `"Timestamp"`, `"TIMESTAMP"`, "_aws.Timestamp: it is missing"},
		{"time as text", `"Timestamp":1`, `"Timestamp":"1"`, "_aws.Timestamp: \"1\""},
		{"time in parts", `"Timestamp":1`, `"Timestamp":1.5`, "_aws.Timestamp: 1.5"},
		{"time below 0", `"Timestamp":1`, `"Timestamp":-1`, "_aws.Timestamp: -1"},
		{"more metadata", `"Timestamp":1`, `"Timestamp":1,"LogGroupName":"g"`, "_aws.LogGroupName"},
		{"no directives", `"CloudWatchMetrics"`, `"X"`, "_aws.CloudWatchMetrics: it is missing"},
		{"directives null", good, `{"_aws":{"Timestamp":1,"CloudWatchMetrics":null}}`, "_aws.CloudWatchMetrics: null: an array"},
		{"directives empty", good, `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]}}`, "_aws.CloudWatchMetrics: it is empty"},
		{"no namespace", `"Namespace":"N",`, ``, "_aws.CloudWatchMetrics[0].Namespace: it is missing"},
		{"namespace empty", `"Namespace":"N"`, `"Namespace":""`, "[0].Namespace: \"\": 0 characters"},
		{"namespace null", `"Namespace":"N"`, `"Namespace":null`, "[0].Namespace: null"},
		{"namespace long", `"Namespace":"N"`, `"Namespace":"` + long + `"`, "1025 characters"},
		{"more in a directive", `"Namespace":"N"`, `"Namespace":"N","x":1`, "[0].x: the format has no such member"},
		{"no sets", `[["D"]]`, `[]`, "[0].Dimensions: it is empty"},
		{"sets no array", `[["D"]]`, `{}`, "[0].Dimensions: {}"},
		{"set no array", `[["D"]]`, `["D"]`, "[0].Dimensions[0]: \"D\": an array"},
		{"set empty", `[["D"]]`, `[[]]`, "[0].Dimensions[0]: 0 dimensions"},
		{"set of many", `[["D"]]`, `[["D"` + strings.Repeat(`,"D"`, 30) + `]]`, "31 dimensions: allowed are 1 to 30"},
		{"dimension no text", `[["D"]]`, `[[1]]`, "[0].Dimensions[0][0]: 1: text"},
		{"dimension that is not there", `[["D"]]`, `[["D"],["D","E"]]`, "[0].Dimensions[1][1]: E: the line has no such member"},
		{"dimension with a number", `"D":"d"`, `"D":7`, "[0].Dimensions[0][0]: D: 7: text"},
		{"dimension without value", `"D":"d"`, `"D":""`, "D: \"\": 0 characters"},
		{"dimension long", `"D":"d"`, `"D":"` + long + `"`, "D: \""},
		{"metrics no array", `"Metrics":[{"Name":"A","Unit":"Count","StorageResolution":60},{"Name":"B"}]`, `"Metrics":1`, "[0].Metrics: 1"},
		{"a hundred metrics", good, strings.Replace(metric(99), "", "", 1), ""},
		{"more than a hundred metrics", good, metric(100), "101 metrics: allowed are 100"},
		{"a metric twice", `{"Name":"B"}`, `{"Name":"A"}`, "[0].Metrics[1].Name: \"A\": it is there twice"},
		{"metric no object", `{"Name":"B"}`, `"B"`, "[0].Metrics[1]: \"B\""},
		{"metric without name", `{"Name":"B"}`, `{}`, "[0].Metrics[1].Name: it is missing"},
		{"more in a metric", `{"Name":"B"}`, `{"Name":"B","name":"B"}`, "[0].Metrics[1].name: the format"},
		{"unknown unit", `"Unit":"Count"`, `"Unit":"count"`, "[0].Metrics[0].Unit: \"count\": allowed are Seconds"},
		{"unit null", `"Unit":"Count"`, `"Unit":null`, "[0].Metrics[0].Unit: null"},
		{"resolution", `"StorageResolution":60`, `"StorageResolution":30`, "[0].Metrics[0].StorageResolution: 30: allowed are 1 and 60"},
		{"metric that is not there", `"B":0`, `"b":0`, "[0].Metrics[1].Name: B: the line has no such member"},
		{"value as text", `"B":0`, `"B":"0"`, "[0].Metrics[1].Name: B: \"0\": the value must be a number"},
		{"value null", `"B":0`, `"B":null`, "B: null"},
		{"value true", `"B":0`, `"B":true`, "B: true"},
		{"no values", `"B":0`, `"B":[]`, "B: 0 values"},
		{"a hundred values", `"B":0`, `"B":[0` + strings.Repeat(",0", 99) + `]`, ""},
		{"more than a hundred values", `"B":0`, `"B":[0` + strings.Repeat(",0", 100) + `]`, "B: 101 values: allowed are 1 to 100"},
		{"one of the values null", `"B":0`, `"B":[0,null]`, "B[1]: null"},
		{"value too great for a number", `"B":0`, `"B":1e999`, "B: 1e999"},
		{"value too great for CloudWatch", `"B":0`, `"B":-1e109`, "2^360"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line := strings.Replace(good, tt.old, tt.new, 1)
			if tt.old != "" && line == good {
				t.Fatalf("%q is not in the line", tt.old)
			}
			err := metrics.Check([]byte(line))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%s\n%v", line, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v\nwant one with %q", err, tt.want)
			}
		})
	}
}

// What passes is JSON whose promises hold by a second, simpler reading.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D","D"]],"Metrics":[]}]},"D":"\ud800"}`))
	f.Add([]byte(`{"_aws":{"Timestamp":1e3,"CloudWatchMetrics":{}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if metrics.Check(line) != nil {
			return
		}
		var root map[string]any
		if err := json.Unmarshal(line, &root); err != nil {
			t.Fatalf("it passes and is no JSON: %v", err)
		}
		for _, d := range root["_aws"].(map[string]any)["CloudWatchMetrics"].([]any) {
			directive := d.(map[string]any)
			for _, set := range directive["Dimensions"].([]any) {
				for _, name := range set.([]any) {
					if s, ok := root[name.(string)].(string); !ok || s == "" {
						t.Errorf("dimension %q is %v", name, root[name.(string)])
					}
				}
			}
			for _, m := range directive["Metrics"].([]any) {
				switch v := root[m.(map[string]any)["Name"].(string)].(type) {
				case float64:
				case []any:
					if len(v) == 0 || len(v) > 100 {
						t.Errorf("%d values", len(v))
					}
				default:
					t.Errorf("metric %v is %v", m, v)
				}
			}
		}
	})
}
