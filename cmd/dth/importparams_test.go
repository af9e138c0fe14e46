package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImportParams(t *testing.T) {
	const most = `"srcBucket":"a-bucket","destBucket":"b-bucket","ec2VpcId":"vpc-040bbab85f0e4e088","ec2Subnets":"subnet-0d1bf2725ab8e94ee","finderDepth":"1"`
	for _, tt := range []struct {
		name, content  string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"converted", `{` + most + `,"alarmEmail":"me@example.com"}`, nil, 0, `"ParameterKey": "srcBucket"`, "dropped: finderDepth"},
		{"completed", `{` + most + `}`, []string{"--param", "alarmEmail=me@example.com"}, 0, `"ParameterValue": "me@example.com"`, "same"},
		{"not complete", `{` + most + `}`, nil, 2, "", "alarmEmail"},
		{"other keys", `{` + most + `,"alarmEmail":"me@example.com","destPrefix":"out//"}`, nil, 1, `"ParameterValue": "out//"`, "DIFFERENT"},
		{"no parameter file", `{`, nil, 2, "", "begins like JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "old.json")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			fromFile := dth(append([]string{"import-params", file}, tt.args...)...)
			piped := dth(append([]string{"import-params", "-"}, tt.args...)...)
			piped.Stdin = strings.NewReader(tt.content)
			a, b := finish(t, fromFile), finish(t, piped)
			if a.code != tt.code || !strings.Contains(a.stdout, tt.stdout) || tt.stdout == "" && a.stdout != "" || !strings.Contains(a.stderr, tt.stderr) {
				t.Errorf("exit code %d\n%s%s", a.code, a.stdout, a.stderr)
			}
			if a.stdout != b.stdout || a.code != b.code {
				t.Errorf("by standard input: exit code %d\n%s%s", b.code, b.stdout, b.stderr)
			}
		})
	}
}
