package ledgeraws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/ledger/ledgertest"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) {
	os.Exit(standin.Run(m, func(s *standin.Server) { moto = s }))
}

func policy() retry.Policy {
	return retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 10 * time.Millisecond}
}

// table makes a table and returns its name.
func table(t *testing.T, cfg aws.Config) string {
	t.Helper()
	if err := moto.Reset(); err != nil {
		t.Fatal(err)
	}
	in := ledgeraws.TableInput("ledger")
	if _, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return *in.TableName
}

func open(t *testing.T, cfg aws.Config, table string) *ledgeraws.Ledger {
	t.Helper()
	l, err := ledgeraws.Open(t.Context(), standinaws.Only(t, cfg, ledgeraws.Actions()), table, policy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger {
		cfg := standinaws.Config(t, moto.URL)
		return open(t, cfg, table(t, cfg))
	})
}

func record(key string, seq int64) ledger.Record {
	return ledger.Record{Key: key, Status: ledger.Done, Size: 3, Worker: "w", Seq: seq}
}

// losing lets a call of one kind through that succeeds and loses its answer, the first time; then it does what is given.
func losing(cfg aws.Config, operation string, then ...func()) aws.Config {
	lost := false
	return standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err == nil && r.Operation == operation && !lost && resp.StatusCode == http.StatusOK {
			lost = true
			_ = resp.Body.Close()
			for _, f := range then {
				f()
			}
			return nil, io.ErrUnexpectedEOF
		}
		return resp, err
	})
}

func TestWriteWhoseAnswerWasLost(t *testing.T) {
	first, second := record("k", 1), record("k", 2)
	first.RunID, second.RunID = "run", "run"
	revision := first.Revision()
	other := first
	other.RunID = "another"
	for _, c := range []struct {
		name   string
		before *ledger.Record
		expect *ledger.Revision
		want   *ledger.Record
	}{
		{"of a new record", nil, nil, nil},
		{"of a new record, with a condition", nil, &ledger.Revision{}, nil},
		{"over a record of the same run", &first, nil, &first},
		{"over a record of another run", &other, nil, nil},
		{"over a record, with a condition", &first, &revision, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := standinaws.Config(t, moto.URL)
			name := table(t, cfg)
			if c.before != nil {
				if _, err := open(t, cfg, name).Put(t.Context(), *c.before, nil); err != nil {
					t.Fatal(err)
				}
			}
			l := open(t, losing(cfg, "PutItem"), name)
			old, err := l.Put(t.Context(), second, c.expect)
			if diff := cmp.Diff(c.want, old); err != nil || diff != "" {
				t.Errorf("replaced: %s, %v", diff, err)
			}
			got, err := l.Get(t.Context(), []string{"k"})
			if err != nil {
				t.Fatal(err)
			}
			stored := second
			stored.Replace(c.want)
			if diff := cmp.Diff(map[string]ledger.Record{"k": stored}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The answer to a write is lost, and before it is made again somebody replaces the record, knowing it. Written once more, it would
// be counted once and taken off twice.
func TestWriteWhoseAnswerWasLostIsNotMadeAgainWhenItWasReplaced(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	name := table(t, cfg)
	first, second, later := record("k", 1), record("k", 2), record("k", 1)
	first.RunID, second.RunID, later.RunID, later.Worker = "run", "run", "run", "another"
	if _, err := open(t, cfg, name).Put(t.Context(), first, nil); err != nil {
		t.Fatal(err)
	}
	overtaken := losing(cfg, "PutItem", func() {
		if _, err := open(t, cfg, name).Put(t.Context(), later, nil); err != nil {
			t.Error(err)
		}
	})
	old, err := open(t, overtaken, name).Put(t.Context(), second, nil)
	if diff := cmp.Diff(&first, old); err != nil || diff != "" {
		t.Errorf("replaced: %s, %v", diff, err)
	}
	got, err := open(t, cfg, name).Get(t.Context(), []string{"k"})
	if err != nil || got["k"].Worker != "another" {
		t.Errorf("stored is %+v, %v", got, err)
	}
}

// sparing processes at most n keys of every BatchGetItem.
func sparing(n int, calls *int) standinaws.Step {
	return func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		*calls++
		var in struct {
			RequestItems map[string]struct{ Keys []json.RawMessage }
		}
		if err := json.Unmarshal(r.Body, &in); err != nil {
			return nil, err
		}
		keys := in.RequestItems["ledger"].Keys
		out := map[string]any{"Responses": map[string]any{"ledger": keys[:min(n, len(keys))]}, "UnprocessedKeys": map[string]any{}}
		if len(keys) > n {
			out["UnprocessedKeys"] = map[string]any{"ledger": map[string]any{"Keys": keys[n:]}}
		}
		answer, err := json.Marshal(out)
		return standinaws.Answer(r, http.StatusOK, string(answer)), err
	}
}

func TestUnprocessedKeysAreReadAgain(t *testing.T) {
	var keys []string
	for i := range 90 {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	calls := 0
	l := open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), sparing(7, &calls)), "ledger")
	got, err := l.Get(t.Context(), keys)
	if err != nil || len(got) != len(keys) {
		t.Errorf("%d records of %d, %v", len(got), len(keys), err)
	}
	if calls != 13 {
		t.Errorf("%d calls, want 13", calls)
	}
}

func TestKeysThatStayUnprocessedAreAnError(t *testing.T) {
	calls := 0
	l := open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), sparing(0, &calls)), "ledger")
	if got, err := l.Get(t.Context(), []string{"a", "b"}); !failure.Is(err, failure.Throttled) {
		t.Errorf("got %v, %v", got, err)
	}
	if calls != policy().Attempts {
		t.Errorf("%d calls", calls)
	}
}

func TestThrottledCallsAreRepeated(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	name := table(t, cfg)
	calls := map[string]int{}
	l := open(t, standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		calls[r.Operation]++
		if calls[r.Operation] <= 2 {
			return standinaws.Answer(r, http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}`), nil
		}
		return next()
	}), name)
	if _, err := l.Put(t.Context(), record("k", 1), nil); err != nil {
		t.Error(err)
	}
	if got, err := l.Get(t.Context(), []string{"k"}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMissingTableIsSaidAtOnce(t *testing.T) {
	l := open(t, standinaws.Config(t, moto.URL), "nowhere")
	_, err := l.Put(t.Context(), record("k", 1), nil)
	if !failure.Is(err, failure.NotFound) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the error is %v", err)
	}
	if _, err := l.Get(t.Context(), []string{"k"}); !failure.Is(err, failure.NotFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestCorruptAnswersAreNotBelieved(t *testing.T) {
	calls := 0
	l := open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		calls++
		resp := standinaws.Answer(r, http.StatusOK, `{"Responses":{"ledger":[]}}`)
		resp.Header["X-Amz-Crc32"] = []string{"12345"}
		return resp, nil
	}), "ledger")
	if _, err := l.Get(t.Context(), []string{"k"}); !failure.Is(err, failure.Network) || calls != policy().Attempts {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestConflictIsNotRepeated(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	name := table(t, cfg)
	calls := 0
	l := open(t, standinaws.Between(cfg, func(_ standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		calls++
		return next()
	}), name)
	if _, err := l.Put(t.Context(), record("k", 1), &ledger.Revision{Worker: "x", Seq: 9}); !errors.Is(err, ledger.ErrConflict) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

// A record that is kept for a time says when it ends; one that is not finished, or kept for ever, has no end.
func TestRecordsExpire(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	name := table(t, cfg)
	finished := time.Unix(1_800_000_000, 0).UTC()
	for key, keep := range map[string]time.Duration{"kept": 0, "ends": 15 * 24 * time.Hour, "open": 15 * 24 * time.Hour} {
		l := open(t, cfg, name)
		l.Keep(keep)
		r := record(key, 1)
		if key != "open" {
			r.FinishedAt = finished
		}
		if _, err := l.Put(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	all, err := dynamodb.NewFromConfig(cfg).Scan(t.Context(), &dynamodb.ScanInput{TableName: &name})
	if err != nil || len(all.Items) != 3 {
		t.Fatalf("%d records, %v", len(all.Items), err)
	}
	for _, item := range all.Items {
		key := item["ObjectKey"].(*types.AttributeValueMemberS).Value
		end, expires := item[ledgeraws.Expires].(*types.AttributeValueMemberN)
		if expires != (key == "ends") || expires && end.Value != fmt.Sprint(finished.Add(15*24*time.Hour).Unix()) {
			t.Errorf("record of %s: %v", key, item)
		}
	}
	if got, err := open(t, cfg, name).Get(t.Context(), []string{"ends"}); err != nil || !got["ends"].FinishedAt.Equal(finished) {
		t.Errorf("the record is read as %v, %v", got, err)
	}
}
