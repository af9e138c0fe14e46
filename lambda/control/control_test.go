package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// plant is a stack whose parts note what is done with them. Its records are real ones.
type plant struct {
	*control.Handler
	t     *testing.T
	did   []string
	fails string // the part that does not answer
	queue *queuesqlite.Queue
	runs  *runsqlite.Runs
	rows  *ledgersqlite.Ledger
}

func (p *plant) note(part, what string) error {
	if p.fails == part {
		return errors.New(part + " does not answer")
	}
	p.did = append(p.did, what)
	return nil
}

func (p *plant) Schedule(_ context.Context, on bool) error {
	return p.note("schedule", fmt.Sprint("schedule ", on))
}

func (p *plant) Fleet(_ context.Context, c control.Capacity) error {
	return p.note("fleet", fmt.Sprintf("fleet %d-%d at %d", c.Min, c.Max, c.Desired))
}
func (p *plant) Rest(context.Context) error     { return p.note("fleet", "rest") }
func (p *plant) Wake(context.Context) error     { return p.note("wake", "wake") }
func (p *plant) Announce(context.Context) error { return p.note("announce", "announce") }

func (p *plant) Launch(_ context.Context, r finderlaunch.Request) (finderlaunch.Answer, error) {
	return finderlaunch.Answer{Instance: "i-1"}, p.note("launch", fmt.Sprintf("launch %s %s %s", r.Mode, r.Run, r.ID))
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	p := &plant{t: t}
	p.queue, err = queuesqlite.Open(t.Context(), db, "task")
	must(t, err)
	p.runs, err = runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	p.rows, err = ledgersqlite.Open(t.Context(), db, "task")
	must(t, err)
	p.Handler = &control.Handler{
		Stack: p, Runs: p.runs, Ledger: p.rows, Queue: p.queue, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Settings: func(context.Context) (control.Settings, error) {
			return control.Settings{Capacity: control.Capacity{Min: 1, Max: 20, Desired: 3}}, nil
		},
		Caller: func(context.Context) string { return "call" },
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and returns the reply with what was done.
func (p *plant) ask(event string) (control.Reply, string, error) {
	p.did = nil
	r, err := p.Handle(p.t.Context(), json.RawMessage(event))
	return r, strings.Join(p.did, ", "), err
}

func (p *plant) want(event, did string) control.Reply {
	p.t.Helper()
	r, got, err := p.ask(event)
	if err != nil || got != did {
		p.t.Errorf("%s: did %q, want %q; %v", event, got, did, err)
	}
	return r
}

func TestOperations(t *testing.T) {
	p := newPlant(t)
	if r := p.want(`{"operation":"run","request":"r-1"}`, "launch pass r-1 r-1"); r.Run != "r-1" || r.Instance != "i-1" {
		t.Errorf("%+v", r)
	}
	p.want(`{"operation":"check","request":"r-2"}`, "launch check  r-2")
	for range 2 {
		p.want(`{"operation":"pause","request":"r-3"}`, "schedule false, rest")
		if now, err := p.runs.Pause(t.Context()); err != nil || !now.Paused {
			t.Errorf("%+v, %v", now, err)
		}
	}
	p.want(`{"operation":"plan","request":"r-4"}`, "launch plan  r-4")
	// Nobody waits for the reply to a retry of all: why it is not made is on record.
	for range 2 {
		if _, _, err := p.ask(`{"operation":"retry","request":"r-all","all":true}`); err == nil {
			t.Error("a paused task retries")
		}
	}
	if r, err := p.runs.Get(t.Context(), "r-all"); err != nil || r.State != run.Skipped || !strings.Contains(r.Error, "resume it first") || r.Trigger != run.TriggerRetry {
		t.Errorf("on record is %+v, %v", r, err)
	}
	for _, refused := range []string{`{"operation":"run","request":"r-5"}`, `{"operation":"retry","request":"r-5","all":true}`} {
		var no *control.Refusal
		if _, did, err := p.ask(refused); !errors.As(err, &no) || !strings.Contains(err.Error(), "resume it first") || did != "" {
			t.Errorf("%s while paused: did %q, %v", refused, did, err)
		}
	}
	for range 2 {
		p.want(`{"operation":"resume","request":"r-6"}`, "fleet 1-20 at 3, schedule true, launch pass r-6 r-6")
		if now, err := p.runs.Pause(t.Context()); err != nil || now.Paused {
			t.Errorf("%+v, %v", now, err)
		}
	}
	if r := p.want(`{"operation":"answer","request":"r-2"}`, ""); r.Answer != nil {
		t.Errorf("%+v", r)
	}
	must(t, p.runs.PutAnswer(t.Context(), "r-2", []byte(`{"state":"DONE"}`)))
	if r := p.want(`{"operation":"answer","request":"r-2"}`, ""); string(r.Answer) != `{"state":"DONE"}` {
		t.Errorf("%+v", r)
	}
}

// What CloudFormation took is brought back without a pass, and the workers that are there stay. A paused task has nothing that could be
// brought back.
func TestRestore(t *testing.T) {
	p := newPlant(t)
	for range 2 {
		p.want(`{"operation":"restore","request":"r-1"}`, "fleet 1-20 at -1, schedule true")
	}
	p.want(`{"operation":"pause","request":"r-2"}`, "schedule false, rest")
	p.want(`{"operation":"restore","request":"r-3"}`, "")
	if now, err := p.runs.Pause(t.Context()); err != nil || !now.Paused {
		t.Errorf("%+v, %v", now, err)
	}
	if _, err := control.Parse(json.RawMessage(`{"operation":"restore","request":"r-4"}`)); err == nil {
		t.Error("stacks of all kinds are said to know it")
	}
}

func TestRetry(t *testing.T) {
	p := newPlant(t)
	for i := range 250 {
		_, err := p.rows.Put(t.Context(), ledger.Record{Key: fmt.Sprintf("k%03d", i), RunID: "before", Status: ledger.Failed, ErrorClass: "kms", Worker: "w", Seq: int64(i + 1)}, nil)
		must(t, err)
	}
	if r := p.want(`{"operation":"retry","request":"r-1","class":"other"}`, "announce"); r.Queued != 0 || r.State != run.Copying {
		t.Errorf("nothing chosen: %+v", r)
	}
	p.fails = "wake"
	if _, _, err := p.ask(`{"operation":"retry","request":"r-2","class":"kms"}`); err == nil {
		t.Error("nobody was woken, and nobody was told")
	}
	p.fails = ""
	// Asked once more, it only does what was left to do.
	if r := p.want(`{"operation":"retry","request":"r-2","class":"kms"}`, "announce, wake"); r.Queued != 250 || r.Run != "r-2" {
		t.Errorf("%+v", r)
	}
	if n := p.queue.Len(); n != 250 {
		t.Errorf("%d messages", n)
	}
	if r := p.want(`{"operation":"retry","request":"r-3","keys":["k001","k002","none"]}`, "announce, wake"); r.Queued != 2 {
		t.Errorf("%+v", r)
	}
	// A call that has no time left says that it has to be sent again.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.Handle(ctx, json.RawMessage(`{"operation":"retry","request":"r-4","all":true}`)); err == nil || !strings.Contains(err.Error(), "send the same request again") {
		t.Errorf("%v", err)
	}
	if r := p.want(`{"operation":"retry","request":"r-4","all":true}`, "announce, wake"); r.Queued != 250 {
		t.Errorf("%+v", r)
	}
}

// What does not answer is said, and the next try does everything again. A task that cannot be resumed as a whole is paused: it never
// runs while whoever resumed it is told that it does not.
func TestPartsThatFail(t *testing.T) {
	for part, refused := range map[string]bool{"schedule": false, "fleet": false, "launch": true} {
		p := newPlant(t)
		p.fails = part
		event := `{"operation":"resume","request":"r-1"}`
		_, did, err := p.ask(event)
		var no *control.Refusal
		if err == nil || !strings.Contains(err.Error(), part) || errors.As(err, &no) != refused {
			t.Errorf("%s: %v", part, err)
		}
		if now, err := p.runs.Pause(t.Context()); err != nil || !now.Paused || refused && !strings.HasSuffix(did, "schedule false, rest") {
			t.Errorf("%s: it did %q; the note is %+v, %v", part, did, now, err)
		}
		p.fails = ""
		p.want(event, "fleet 1-20 at 3, schedule true, launch pass r-1 r-1")
	}
}

func TestBadRequests(t *testing.T) {
	long := strings.Repeat(`"k",`, 1001)
	for _, c := range []struct{ event, says string }{
		{`x`, "no JSON object"},
		{`{}`, "allowed are pause, resume"},
		{`{"operation":"stop","request":"r"}`, `"stop"`},
		{`{"operation":"pause"}`, "request"},
		{`{"operation":"pause","request":"a b"}`, "letters"},
		{`{"operation":"pause","request":"r","all":true}`, "belong to retry"},
		{`{"operation":"retry","request":"r"}`, "one of keys, class and all; 0 are given"},
		{`{"operation":"retry","request":"r","all":true,"class":"kms"}`, "2 are given"},
		{`{"operation":"retry","request":"r","class":"a b"}`, "access_denied"},
		{`{"operation":"retry","request":"r","keys":[""]}`, "1 to 1024 bytes"},
		{`{"operation":"retry","request":"r","keys":[` + long + `"k"]}`, "up to 1000"},
	} {
		var no *control.Refusal
		if _, err := control.Parse(json.RawMessage(c.event)); !errors.As(err, &no) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60s: %v", c.event, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"operation":"retry","request":"r-1","keys":["a"]}`)
	f.Add(`{"operation":"pause","request":"r"}`)
	f.Fuzz(func(t *testing.T, event string) {
		r, err := control.Parse(json.RawMessage(event))
		var no *control.Refusal
		if err != nil && !errors.As(err, &no) || err == nil && (r.Operation == "" || r.Request == "") {
			t.Errorf("%q: %+v, %v", event, r, err)
		}
	})
}

func TestSettings(t *testing.T) {
	document := `{"queueUrl":"q","ledgerTable":"l","runTable":"r","parameters":{"srcType":"Amazon_S3","srcBucket":"photos","destBucket":"archive","srcRegion":"eu-west-1","minCapacity":"2","maxCapacity":"7","desiredCapacity":"3","deleteExtraneous":"Yes"}}`
	s, err := control.SettingsOf([]byte(document))
	if err != nil || s.Capacity != (control.Capacity{Min: 2, Max: 7, Desired: 3}) || !s.Deletes {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := control.SettingsOf([]byte(`{}`)); err == nil {
		t.Error("a document that says nothing is taken")
	}
}
