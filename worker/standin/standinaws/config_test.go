package standinaws_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// witness takes the complaints that would fail a test.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Helper() {}

func (w *witness) Errorf(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// agreeable is a configuration whose service answers everything with {}, and counts.
func agreeable(t *testing.T, calls *int) aws.Config {
	return standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		*calls++
		return standinaws.Answer(r, http.StatusOK, `{}`), nil
	})
}

func TestUndeclaredOperationsFailTheTest(t *testing.T) {
	for _, c := range []struct {
		name    string
		actions []string
		want    string // in the complaint; "" is none
	}{
		{"declared", []string{"sqs:SendMessage"}, ""},
		{"of another name", []string{"sqs:DeleteMessage"}, "sqs:SendMessage"},
		{"of another service", []string{"dynamodb:SendMessage"}, "sqs:SendMessage"},
	} {
		t.Run("by the SDK, "+c.name, func(t *testing.T) {
			var w witness
			calls := 0
			client := sqs.NewFromConfig(standinaws.Only(&w, agreeable(t, &calls), c.actions))
			_, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
				QueueUrl: aws.String("q"), Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: aws.String("m")}},
			})
			if err != nil || calls != 1 {
				t.Fatalf("%d calls, %v", calls, err)
			}
			check(t, &w, c.want)
		})
		t.Run("by hand, "+c.name, func(t *testing.T) {
			var w witness
			calls := 0
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1", strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Amz-Target", "AmazonSQS.SendMessageBatch")
			resp, err := standinaws.Only(&w, agreeable(t, &calls), c.actions).HTTPClient.Do(req)
			if err != nil || calls != 1 {
				t.Fatalf("%d calls, %v", calls, err)
			}
			resp.Body.Close()
			check(t, &w, c.want)
		})
	}
}

func check(t *testing.T, w *witness, want string) {
	t.Helper()
	if want == "" && len(w.said) > 0 {
		t.Errorf("complaints: %v", w.said)
	}
	if want != "" && (len(w.said) == 0 || !strings.Contains(w.said[0], want)) {
		t.Errorf("complaints: %v, want one about %s", w.said, want)
	}
}

func TestStepSeesOperationAndBody(t *testing.T) {
	var seen standinaws.Request
	cfg := standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		seen = r
		return standinaws.Answer(r, http.StatusOK, `{}`), nil
	})
	if _, err := dynamodb.NewFromConfig(cfg).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("table")}); err != nil {
		t.Fatal(err)
	}
	if seen.Service != "DynamoDB" || seen.Operation != "DescribeTable" || !strings.Contains(string(seen.Body), `"table"`) {
		t.Errorf("the step saw %s %s with %s", seen.Service, seen.Operation, seen.Body)
	}
}

func TestAction(t *testing.T) {
	for _, c := range [][3]string{
		{"SQS", "DeleteMessageBatch", "sqs:DeleteMessage"},
		{"DynamoDB", "BatchGetItem", "dynamodb:BatchGetItem"},
		{"Secrets Manager", "GetSecretValue", "secretsmanager:GetSecretValue"},
	} {
		if got := standinaws.Action(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s needs %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
