package runaws

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/run"
)

const (
	workerPrefix = "WORKER#"
	// placeTime has one width, so that places sort by time.
	placeTime = "2006-01-02T15:04:05.000000000Z"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func key(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"PK": text(pk), "SK": text(sk)}
}

// placeOf is where a run stands in the list of runs.
func placeOf(r run.Run) string { return r.Started.UTC().Format(placeTime) + "#" + r.ID }

func idAt(place string) string {
	_, id, _ := strings.Cut(place, "#")
	return id
}

// runItem is a run as the table holds it.
type runItem struct {
	PK, SK, Place     string
	ID                string `dynamodbav:"Id"`
	Trigger, State    string
	Started, Finished string
	Found             string
	Version, Error    string
	Finder            run.FinderTotals
	Continued         bool

	DeadLetters, Unreadable int64
	Proved                  bool
	Remaining               map[string]int64
	Named, Newer            int64
	Unaccounted             int64
	Report                  string
}

func encodeRun(r run.Run) (map[string]types.AttributeValue, error) {
	return attributevalue.MarshalMap(runItem{
		PK: "RUN#" + r.ID, SK: "RUN", Place: placeOf(r), ID: r.ID, Trigger: r.Trigger, State: string(r.State),
		Started: stamp(r.Started), Found: stamp(r.Found), Finished: stamp(r.Finished), Version: r.Version, Error: r.Error, Finder: r.Finder, Continued: r.Continued,
		DeadLetters: r.DeadLetters, Unreadable: r.Unreadable,
		Proved: r.Proved, Remaining: r.Remaining, Named: r.Named, Newer: r.Newer, Unaccounted: r.Unaccounted, Report: r.Report,
	})
}

func decodeRun(item map[string]types.AttributeValue) (run.Run, error) {
	var i runItem
	if err := attributevalue.UnmarshalMap(item, &i); err != nil {
		return run.Run{}, fmt.Errorf("run item %s cannot be read: %w", textOf(item["PK"]), err)
	}
	r := run.Run{
		ID: i.ID, Trigger: i.Trigger, State: run.State(i.State), Finder: i.Finder, Continued: i.Continued, Version: i.Version, Error: i.Error,
		DeadLetters: i.DeadLetters, Unreadable: i.Unreadable,
		Proved: i.Proved, Remaining: i.Remaining, Named: i.Named, Newer: i.Newer, Unaccounted: i.Unaccounted, Report: i.Report,
	}
	var err error
	if r.Started, err = timeOf(i.Started); err == nil {
		r.Finished, err = timeOf(i.Finished)
	}
	if err == nil {
		r.Found, err = timeOf(i.Found)
	}
	if err != nil {
		return run.Run{}, fmt.Errorf("run item %s cannot be read: %w", i.PK, err)
	}
	return r, nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func timeOf(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

// counterItem is one worker's counters as the table holds them.
type counterItem struct {
	PK, SK             string
	Worker             string
	Seq                int64
	Outcomes           map[string]run.Tally
	Errors             map[string]int64
	Retries, Throttles int64
	Superseded         int64
	Updated            string
	Pending            []run.Correction `dynamodbav:",omitempty"`
	Dropped            []string         `dynamodbav:",omitempty"`
}

func encodeCounters(runID string, c run.Counters) (map[string]types.AttributeValue, error) {
	return attributevalue.MarshalMap(counterItem{
		PK: "RUN#" + runID, SK: workerPrefix + c.Worker, Worker: c.Worker, Seq: c.Seq,
		Outcomes: c.Outcomes, Errors: c.Errors, Retries: c.Retries, Throttles: c.Throttles, Superseded: c.Superseded, Updated: stamp(c.Updated), Pending: c.Pending, Dropped: c.Dropped,
	})
}

func decodeCounters(item map[string]types.AttributeValue) (run.Counters, error) {
	var i counterItem
	if err := attributevalue.UnmarshalMap(item, &i); err != nil {
		return run.Counters{}, fmt.Errorf("counters %s cannot be read: %w", textOf(item["SK"]), err)
	}
	updated, err := timeOf(i.Updated)
	if err != nil {
		return run.Counters{}, fmt.Errorf("counters %s cannot be read: %w", textOf(item["SK"]), err)
	}
	return run.Counters{
		Worker: i.Worker, Seq: i.Seq, Outcomes: i.Outcomes, Errors: i.Errors, Retries: i.Retries, Throttles: i.Throttles,
		Pending: i.Pending, Dropped: i.Dropped, Superseded: i.Superseded, Updated: updated,
	}, nil
}
