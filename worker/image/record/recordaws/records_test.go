package recordaws_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/image/record/recordtest"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// open makes a table, and returns its records as somebody sees them who may do what is declared.
func open(t *testing.T) *recordaws.Records {
	t.Helper()
	cfg := standinaws.Config(t, moto.URL)
	name := fmt.Sprintf("records-%d", time.Now().UnixNano())
	if _, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), recordaws.TableInput(name)); err != nil {
		t.Fatal(err)
	}
	return recordaws.Open(standinaws.Only(t, cfg, slices.Concat(recordaws.CopyActions(), recordaws.PlanActions(), recordaws.ListActions())), name)
}

func TestSuite(t *testing.T) {
	recordtest.Run(t, func(t *testing.T) record.Store { return open(t) })
}

// What the copier wrote stays when somebody else settles the image.
func TestSettle(t *testing.T) {
	s := open(t)
	key := record.Key{Image: "team/app", Tag: "1"}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	before := record.Record{Key: key, Status: record.Done, SourceDigest: "sha256:a", RunID: "r1", Attempts: 2, Bytes: 7, StartedAt: at}
	if err := s.Put(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), key, "r2", record.Failed, 0, "task", "no task came to its end", at); err != nil {
		t.Fatal(err)
	}
	want := before
	want.Status, want.RunID, want.Bytes, want.ErrorClass, want.ErrorMessage, want.FinishedAt = record.Failed, "r2", 0, "task", "no task came to its end", at
	got, err := s.Get(t.Context(), []record.Key{key})
	if d := cmp.Diff(want, got[key]); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
	if err := s.Settle(t.Context(), key, "r1", record.Unchanged, 0, "", "", at.Add(-time.Second)); err != nil {
		t.Errorf("a settlement that comes too late: %v", err)
	}
	if got, err = s.Get(t.Context(), []record.Key{key}); err != nil || got[key].RunID != "r2" {
		t.Errorf("%+v %v", got[key], err)
	}
	page, err := s.List(t.Context(), record.Failed, 1, "")
	if err != nil || len(page.Records) != 1 {
		t.Errorf("%+v %v", page, err)
	}
}

// A table that is not there is an error that says what was being done.
func TestErrors(t *testing.T) {
	s := recordaws.Open(standinaws.Config(t, moto.URL), "nowhere")
	key := record.Key{Image: "a", Tag: "1"}
	_, get := s.Get(t.Context(), []record.Key{key})
	_, list := s.List(t.Context(), "", 1, "")
	for name, err := range map[string]error{
		"get": get, "list": list, "put": s.Put(t.Context(), record.Record{Key: key}), "settle": s.Settle(t.Context(), key, "", record.Done, 0, "", "", time.Now()),
	} {
		if err == nil || !strings.Contains(err.Error(), "nowhere: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
