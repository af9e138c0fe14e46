package runaws_test

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/run/runtest"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) {
	os.Exit(standin.Run(m, func(s *standin.Server) { moto = s }))
}

// table makes the table anew.
func table(t *testing.T, cfg aws.Config) {
	t.Helper()
	if err := moto.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), runaws.TableInput("runs")); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, cfg aws.Config) *runaws.Runs {
	t.Helper()
	return runaws.Open(standinaws.Only(t, cfg, runaws.Actions()), "runs", retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 10 * time.Millisecond})
}

func TestContract(t *testing.T) {
	runtest.Run(t, func(t *testing.T) run.Store {
		cfg := standinaws.Config(t, moto.URL)
		table(t, cfg)
		return open(t, cfg)
	})
}

// failing lets the n-th call of an operation fail: before it reaches the service, or after.
func failing(cfg aws.Config, operation string, n int, after bool) aws.Config {
	calls := 0
	return standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if r.Operation != operation {
			return next()
		}
		calls++
		if calls != n {
			return next()
		}
		if !after {
			return standinaws.Answer(r, http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}`), nil
		}
		resp, err := next()
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	})
}

func TestCreateWhoseAnswerWasLostSucceeds(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	table(t, cfg)
	s := open(t, failing(cfg, "PutItem", 2, true))
	if err := s.Create(t.Context(), run.Run{ID: "r", Trigger: "once", Started: time.Now()}); err != nil {
		t.Error(err)
	}
}

func TestRunThatWasNeverCreatedIsNotListed(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	table(t, cfg)
	s := open(t, failing(cfg, "PutItem", 4, false))
	for i, id := range []string{"a", "b", "c"} {
		err := s.Create(t.Context(), run.Run{ID: id, Started: time.Now().Add(time.Duration(i) * time.Second)})
		if denied := failure.Is(err, failure.AccessDenied); denied != (id == "b") {
			t.Fatalf("creating %s: %v", id, err)
		}
	}
	got, err := s.Latest(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].ID != "c" || got[1].ID != "a" {
		t.Errorf("listed are %v, %v", got, err)
	}
}

// Answers end: DynamoDB removes them by the table's own clock.
func TestAnswersExpire(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	table(t, cfg)
	s := open(t, cfg)
	before := time.Now().Add(runaws.KeepAnswers).Unix()
	if err := s.PutAnswer(t.Context(), "r-1", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.PutCheckpoint(t.Context(), "run-1", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	all, err := dynamodb.NewFromConfig(cfg).Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("runs")})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range all.Items {
		end, expires := item[runaws.Expires].(*types.AttributeValueMemberN)
		answer := item["SK"].(*types.AttributeValueMemberS).Value == "ANSWER"
		if expires != answer || answer && (end.Value < strconv.FormatInt(before, 10) || end.Value > strconv.FormatInt(before+60, 10)) {
			t.Errorf("item %v", item)
		}
	}
	if got, err := s.Answer(t.Context(), "r-1"); err != nil || string(got) != `{}` {
		t.Errorf("the answer is %s, %v", got, err)
	}
}

// A run that could not be taken off the list of open ones when it ended is not taken for open, and is taken off by whoever looks.
func TestARunThatStayedOnTheListOfOpenOnes(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	table(t, cfg)
	s := open(t, failing(cfg, "DeleteItem", 1, false))
	r := run.Run{ID: "r", State: run.Copying, Started: time.Now()}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.State = run.Done
	if err := s.Update(t.Context(), r); err != nil {
		t.Errorf("the run is at its end, and that is an error: %v", err)
	}
	places := func() int32 {
		t.Helper()
		got, err := dynamodb.NewFromConfig(cfg).Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String("runs"), KeyConditionExpression: aws.String("PK = :p"), ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "OPEN"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return got.Count
	}
	if n := places(); n != 1 {
		t.Errorf("%d places are left over; the test shows nothing", n)
	}
	if got, err := s.Open(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("open are %v, %v", got, err)
	}
	if n := places(); n != 0 {
		t.Errorf("%d places are left over", n)
	}
}
