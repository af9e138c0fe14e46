package multipartaws_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/multipart/multiparttest"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
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

func open(t *testing.T, cfg aws.Config) *multipartaws.Records {
	t.Helper()
	return multipartaws.Open(standinaws.Only(t, cfg, multipartaws.Actions()), "runs", retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 10 * time.Millisecond})
}

func TestContract(t *testing.T) {
	multiparttest.Run(t, func(t *testing.T) multipart.Records {
		cfg := standinaws.Config(t, moto.URL)
		table(t, cfg)
		return open(t, cfg)
	})
}

func upload(id string) multipart.Upload {
	return multipart.Upload{SourceKey: "k", SourceETag: "e", ID: id, Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// losing lets calls of one kind through and loses the answer of the first.
func losing(cfg aws.Config, operation string) aws.Config {
	lost := false
	return standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err == nil && r.Operation == operation && !lost {
			lost = true
			_ = resp.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		return resp, err
	})
}

func TestRecordsWhoseAnswerWasLost(t *testing.T) {
	for operation, write := range map[string]func(s *multipartaws.Records) error{
		"PutItem": func(s *multipartaws.Records) error { _, err := s.PutUpload(t.Context(), upload("1")); return err },
		"UpdateItem": func(s *multipartaws.Records) error {
			_, err := s.PutPart(t.Context(), upload("1"), multipart.Part{Number: 1, ETag: "x"})
			return err
		},
	} {
		t.Run(operation, func(t *testing.T) {
			cfg := standinaws.Config(t, moto.URL)
			table(t, cfg)
			if err := write(open(t, losing(cfg, operation))); err != nil {
				t.Error(err)
			}
		})
	}
}

// sparing processes at most n items of every BatchWriteItem, and hands on what it took.
func sparing(n int, deleted *int) standinaws.Step {
	return func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if r.Operation != "BatchWriteItem" {
			return next()
		}
		var in struct{ RequestItems map[string][]json.RawMessage }
		if err := json.Unmarshal(r.Body, &in); err != nil {
			return nil, err
		}
		requests := in.RequestItems["runs"]
		*deleted += min(n, len(requests))
		left := map[string]any{}
		if len(requests) > n {
			left["runs"] = requests[n:]
		}
		answer, err := json.Marshal(map[string]any{"UnprocessedItems": left})
		return standinaws.Answer(r, http.StatusOK, string(answer)), err
	}
}

func TestUnprocessedDeletesAreRepeated(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	table(t, cfg)
	s, u := open(t, cfg), upload("1")
	const parts = 30 // groups of parts
	u.Parts = parts * 64
	for n := range parts {
		if _, err := s.PutPart(t.Context(), u, multipart.Part{Number: n*64 + 1, ETag: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	deleted := 0
	if err := open(t, standinaws.Between(cfg, sparing(4, &deleted))).DeleteUpload(t.Context(), u); err != nil || deleted != parts {
		t.Errorf("%d of %d parts were deleted, %v", deleted, parts, err)
	}
	if err := open(t, standinaws.Between(cfg, sparing(0, &deleted))).DeleteUpload(t.Context(), u); !failure.Is(err, failure.Throttled) {
		t.Errorf("when nothing is ever processed: %v", err)
	}
}
