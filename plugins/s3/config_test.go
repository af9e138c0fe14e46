package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
)

const smallConfig = `{"queueUrl":"https://q","ledgerTable":"l","runTable":"r","parameters":{"srcBucket":"from-here","destBucket":"to-there"}}`

func TestParseConfigReadsTheWholeDocument(t *testing.T) {
	c, err := ParseConfig([]byte(`{
		"stackName":"s","region":"eu-west-1","queueUrl":"https://q","deadLetterQueueUrl":"https://d","ledgerTable":"l","runTable":"r","controllerArn":"arn:aws:states:x",
		"parameters":{"srcBucket":"from-here","destBucket":"to-there","destPrefix":"in/","alarmEmail":"a@example.com","maxCapacity":"7","includeTags":"true"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.StackName != "s" || c.Region != "eu-west-1" || c.QueueURL != "https://q" || c.DeadLetterQueueURL != "https://d" ||
		c.LedgerTable != "l" || c.RunTable != "r" || c.ControllerARN != "arn:aws:states:x" {
		t.Errorf("fields: %+v", c)
	}
	if c.Job.Source.Bucket != "from-here" || c.Job.Destination.Prefix != "in/" || !c.Job.IncludeTags || c.Job.Compare != job.CompareSizeETag {
		t.Errorf("job: %+v", c.Job)
	}
	if c.Values["maxCapacity"] != "7" || c.Values["destStorageClass"] != "INTELLIGENT_TIERING" {
		t.Errorf("values: %v", c.Values)
	}
}

func TestParseConfigNeedsNoParametersOfTheStack(t *testing.T) {
	if _, err := ParseConfig([]byte(smallConfig)); err != nil {
		t.Error(err)
	}
}

func TestParseConfigSaysEverythingThatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           []string
	}{
		{"no JSON", `{"queueUrl"`, []string{"no JSON object"}},
		{"more behind the end", smallConfig + `}`, []string{"no JSON object"}},
		{"a list", `[]`, []string{"no JSON object"}},
		{"nothing", `null`, []string{"queueUrl is required", "ledgerTable is required", "runTable is required", "srcBucket: this parameter is required", "destBucket: this parameter is required"}},
		{
			"unknown keys", `{"queue":"x","QueueUrl":"x","queueUrl":"x","ledgerTable":"l","runTable":"r","parameters":{"srcBucket":"from-here","destBucket":"to-there"}}`,
			[]string{`"queue" is unknown`, `"QueueUrl" is unknown`},
		},
		{
			"empty and wrong", `{"queueUrl":"","ledgerTable":3,"runTable":null,"parameters":{"srcBuckets":"from-here","destBucket":7}}`,
			[]string{"queueUrl is required", "ledgerTable: 3: the value must be text", "runTable: null", "destBucket: 7", `did you mean srcBucket`, "srcBucket: this parameter is required"},
		},
		{"parameters as text", `{"queueUrl":"x","ledgerTable":"l","runTable":"r","parameters":"srcBucket=x"}`, []string{"parameters: \"srcBucket=x\": the value must be an object"}},
		{
			"fleet values are checked when given", strings.Replace(smallConfig, `"parameters":{`, `"parameters":{"alarmEmail":"nobody","maxCapacity":"-1",`, 1),
			[]string{"alarmEmail", "maxCapacity"},
		},
		{"rules", strings.Replace(smallConfig, `"parameters":{`, `"parameters":{"deleteExtraneous":"Yes","include":"*.jpg",`, 1), []string{"deleteExtraneous"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(c.document))
			if err == nil || got != nil {
				t.Fatalf("accepted: %+v", got)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error:\n%v", want, err)
				}
			}
		})
	}
}

func TestParseConfigKeepsFieldErrors(t *testing.T) {
	_, err := ParseConfig([]byte(`{}`))
	var errs contract.Errors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Errorf("field errors: %v", errs)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(smallConfig)
	f.Add(`{"parameters":{"srcPrefix":"\ud800","include":"[","minSize":"1e9","modifiedAfter":"9999-99-99T00:00:00Z"}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, document string) {
		c, err := ParseConfig([]byte(document))
		if (c == nil) == (err == nil) {
			t.Fatalf("either a configuration or an error: %v, %v", c, err)
		}
		if c != nil && (c.Job.Source.Bucket == "" || c.Job.Destination.Bucket == "" || c.QueueURL == "") {
			t.Fatalf("incomplete: %+v", c)
		}
	})
}
