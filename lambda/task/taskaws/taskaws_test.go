package taskaws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/task/tasktest"
	"github.com/datatransferhub/dth/lambda/task/wiring"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

var tables atomic.Int64

// open returns an empty store. Step sees its calls; nil: nobody does.
func open(t *testing.T, step standinaws.Step) *taskaws.Store {
	t.Helper()
	cfg := standinaws.Config(t, moto.URL)
	n := tables.Add(1)
	tasks, audit := fmt.Sprintf("tasks-%d", n), fmt.Sprintf("audit-%d", n)
	client := dynamodb.NewFromConfig(cfg)
	for name, form := range map[string]wiring.Table{tasks: wiring.Tasks(), audit: wiring.Audit()} {
		if _, err := client.CreateTable(t.Context(), taskaws.TableInput(name, form)); err != nil {
			t.Fatal(err)
		}
	}
	// A transaction needs the rights of what is in it.
	cfg = standinaws.Only(t, cfg, slices.Concat(taskaws.ReadActions(), taskaws.WriteActions(), []string{"dynamodb:TransactWriteItems"}))
	if step != nil {
		cfg = standinaws.Between(cfg, step)
	}
	return taskaws.Open(cfg, tasks, audit)
}

func TestStore(t *testing.T) {
	tasktest.Run(t, func(t *testing.T) task.Store { return open(t, nil) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func a(id string) task.Task {
	return task.Task{ID: id, State: task.InProgress, Settings: task.Settings{Name: id}, Stack: task.Stack{Name: "DTH-" + id}, Created: time.Unix(1e9, 0).UTC()}
}

// A write whose answer was lost is sent again, and found to have been made.
func TestLostAnswers(t *testing.T) {
	lose := ""
	s := open(t, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if r.Operation == lose && err == nil {
			lose = ""
			_ = resp.Body.Close()
			return nil, errors.New("connection reset by peer")
		}
		return resp, err
	})
	must(t, s.Create(t.Context(), a("t-1"), task.Entry{Task: "t-1"}))
	one, err := s.Get(t.Context(), "t-1")
	must(t, err)
	lose = "PutItem"
	one.Health = task.Healthy
	one, err = s.Update(t.Context(), one, nil)
	if err != nil || one.Revision != 2 || lose != "" {
		t.Fatalf("revision %d, %v", one.Revision, err)
	}
}

// A transaction that others got in the way of is made again.
func TestTransactionsThatCollide(t *testing.T) {
	collisions := 2
	s := open(t, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if r.Operation == "TransactWriteItems" && collisions > 0 {
			collisions--
			return standinaws.Answer(r, http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]}`), nil
		}
		return next()
	})
	must(t, s.Create(t.Context(), a("t-1"), task.Entry{Task: "t-1"}))
	if _, err := s.Get(t.Context(), "t-1"); err != nil || collisions != 0 {
		t.Errorf("%d collisions are left, %v", collisions, err)
	}
}

// A page costs a bounded number of reads, wherever it lies and however few of a million tasks its filter lets through.
func TestWhatAPageCosts(t *testing.T) {
	doc, err := json.Marshal(a("t-1"))
	must(t, err)
	items := make([]any, 100)
	for i := range items {
		items[i] = map[string]any{"Id": map[string]any{"S": "t-1"}, "Doc": map[string]any{"S": string(doc)}}
	}
	endless, err := json.Marshal(map[string]any{"Items": items, "Count": len(items), "LastEvaluatedKey": map[string]any{"Id": map[string]any{"S": "t-1"}}})
	must(t, err)
	reads, condition := 0, ""
	s := open(t, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		var in struct{ KeyConditionExpression string }
		if err := json.Unmarshal(r.Body, &in); err != nil || r.Operation != "Query" {
			t.Errorf("%s, %v", r.Operation, err)
		}
		reads, condition = reads+1, in.KeyConditionExpression
		return standinaws.Answer(r, http.StatusOK, string(endless)), nil
	})
	for _, c := range []struct {
		q            task.Query
		tasks, reads int
	}{
		{task.Query{Sort: task.ByCreated, First: 50}, 50, 1},
		{task.Query{Sort: task.ByName, First: 100}, 100, 2},
		{task.Query{Sort: task.ByUpdated, First: 50, Type: "ECR", Descending: true}, 0, 6},
	} {
		for range 2 { // the page behind the first
			reads = 0
			page, err := s.List(t.Context(), c.q)
			if err != nil || len(page.Tasks) != c.tasks || reads != c.reads || page.Next == "" {
				t.Errorf("%+v: %d tasks for %d reads, %v", c.q, len(page.Tasks), reads, err)
			}
			if begins := c.q.After == ""; begins != (condition == "#l = :l") {
				t.Errorf("the condition is %q", condition)
			}
			c.q.After = page.Next
		}
	}
}

// A table that is not there is an error that says what was being done.
func TestErrors(t *testing.T) {
	s := taskaws.Open(standinaws.Config(t, moto.URL), "nowhere", "nowhere")
	ctx := t.Context()
	_, get := s.Get(ctx, "t-1")
	_, update := s.Update(ctx, a("t-1"), nil)
	_, list := s.List(ctx, task.Query{Sort: task.ByName, First: 1})
	_, stack := s.ByStack(ctx, "DTH-1")
	_, count := s.Count(ctx)
	_, audit := s.Audit(ctx, "t-1", 1, "")
	_, read := s.Preferences(ctx)
	_, write := s.SetPreferences(ctx, task.Preferences{}, task.Entry{Task: "hub"})
	for doing, err := range map[string]error{
		"reading task t-1": get, "updating task t-1": update, "listing tasks": list, "looking for the task of stack DTH-1": stack, "counting tasks": count,
		"reading the audit of t-1": audit, "reading the preferences": read, "writing the preferences": write,
		"creating task t-1": s.Create(ctx, a("t-1"), task.Entry{Task: "t-1"}), "deleting task t-1": s.Delete(ctx, "t-1", 1, task.Entry{Task: "t-1"}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), doing+": ") {
			t.Errorf("%s: %v", doing, err)
		}
	}
}
