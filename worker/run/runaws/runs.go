// Package runaws keeps run records in the stack's run table in DynamoDB.
//
// None of the items needs a scan to be found:
//
//	PK RUN#id   SK RUN            the run
//	PK RUN#id   SK WORKER#name    the counters of one worker in it
//	PK RUN#id   SK CHECKPOINT     how far its finder is
//	PK RUNS     SK started#id     its place in the list of runs, by time; Skipped says that nothing was made
//	PK OPEN     SK started#id     the same, as long as the run is open
//	PK LEASE    SK name           a lease
//	PK TASK     SK PAUSE          whether the task is paused, and since when
//	PK WORKERS  SK name           when a worker was last at work
//
// The places are written before the run. A place whose run is not there, or started at another time, is left over from
// a Create that did not get through, and is passed over. An open run that is over was not taken off the list in time: whoever
// reads the list does that.
package runaws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// Actions returns the IAM actions that a Runs needs on its table.
func Actions() []string {
	return []string{"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
}

// ReaderActions returns the IAM actions of who only reads.
func ReaderActions() []string {
	return []string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
}

// Runs keeps the runs of one stack.
type Runs struct {
	client *dynamodb.Client
	table  string
	retry  retry.Policy
}

var _ run.Store = (*Runs)(nil)

// Open returns the runs in a table. A policy of zero is retry.Calls(). It makes no call.
func Open(cfg aws.Config, table string, policy retry.Policy) *Runs {
	if policy == (retry.Policy{}) {
		policy = retry.Calls()
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	return &Runs{client: client, table: table, retry: policy}
}

// The lists of runs, and what tells in the first that a run was skipped.
const (
	allRuns  = "RUNS"
	openRuns = "OPEN"
	skipped  = "Skipped"
)

// Create implements run.Store.
func (s *Runs) Create(ctx context.Context, r run.Run) error {
	item, err := encodeRun(r)
	if err != nil {
		return fmt.Errorf("creating run %s: %w", r.ID, err)
	}
	place := key(allRuns, placeOf(r))
	if r.State == run.Skipped {
		place[skipped] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if _, err := s.put(ctx, &dynamodb.PutItemInput{Item: place}); err != nil {
		return fmt.Errorf("creating run %s: %w", r.ID, err)
	}
	if r.State.Open() {
		if _, err := s.put(ctx, &dynamodb.PutItemInput{Item: key(openRuns, placeOf(r))}); err != nil {
			return fmt.Errorf("creating run %s: %w", r.ID, err)
		}
	}
	uncertain, err := s.put(ctx, &dynamodb.PutItemInput{
		Item: item, ConditionExpression: aws.String("attribute_not_exists(PK)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused) && uncertain && same(refused.Item, item):
		return nil // an attempt whose answer was lost has written it
	case errors.As(err, &refused):
		return run.ErrExists
	case err != nil:
		return fmt.Errorf("creating run %s: %w", r.ID, err)
	}
	return nil
}

// same reports whether a stored run is the one that was to be written.
func same(stored, written map[string]types.AttributeValue) bool {
	a, errA := decodeRun(stored)
	b, errB := decodeRun(written)
	return errA == nil && errB == nil && placeOf(a) == placeOf(b) && a.Trigger == b.Trigger && a.Version == b.Version
}

// Update implements run.Store.
func (s *Runs) Update(ctx context.Context, r run.Run) error {
	item, err := encodeRun(r)
	if err != nil {
		return fmt.Errorf("updating run %s: %w", r.ID, err)
	}
	_, err = s.put(ctx, &dynamodb.PutItemInput{
		Item: item, ConditionExpression: aws.String("Place = :p"),
		ExpressionAttributeValues:           map[string]types.AttributeValue{":p": text(placeOf(r))},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused) && len(refused.Item) > 0:
		return fmt.Errorf("updating run %s: it did not start at %v", r.ID, r.Started)
	case errors.As(err, &refused):
		return run.ErrNotFound
	case err != nil:
		return fmt.Errorf("updating run %s: %w", r.ID, err)
	}
	place := key(openRuns, placeOf(r))
	if !r.State.Open() {
		_ = s.remove(ctx, &dynamodb.DeleteItemInput{Key: place}) // else Open does it
		return nil
	}
	if _, err := s.put(ctx, &dynamodb.PutItemInput{Item: place}); err != nil {
		return fmt.Errorf("updating run %s: %w", r.ID, err)
	}
	return nil
}

func (s *Runs) put(ctx context.Context, in *dynamodb.PutItemInput) (uncertain bool, err error) {
	in.TableName = aws.String(s.table)
	return wireaws.Repeat(ctx, s.retry, "PutItem", s.table, func() error {
		_, err := s.client.PutItem(ctx, in)
		return err
	})
}

// Get implements run.Store.
func (s *Runs) Get(ctx context.Context, id string) (run.Run, error) {
	item, err := s.get(ctx, key("RUN#"+id, "RUN"))
	if err != nil {
		return run.Run{}, fmt.Errorf("reading run %s: %w", id, err)
	}
	if len(item) == 0 {
		return run.Run{}, run.ErrNotFound
	}
	return decodeRun(item)
}

func (s *Runs) get(ctx context.Context, key map[string]types.AttributeValue) (map[string]types.AttributeValue, error) {
	var out *dynamodb.GetItemOutput
	_, err := wireaws.Repeat(ctx, s.retry, "GetItem", s.table, func() (err error) {
		out, err = s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: key, ConsistentRead: aws.Bool(true)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// maxBatch is the most items that one BatchGetItem gives.
const maxBatch = 100

// Latest implements run.Store.
func (s *Runs) Latest(ctx context.Context, limit int) ([]run.Run, error) {
	return s.list(ctx, limit, "PK = :p", map[string]types.AttributeValue{":p": text(allRuns)})
}

// Made implements run.Store. A page without a limit holds some 10,000 places, of which the service leaves out the skipped.
func (s *Runs) Made(ctx context.Context, limit int) ([]run.Run, error) {
	var out []run.Run
	in := &dynamodb.QueryInput{
		KeyConditionExpression: aws.String("PK = :p"), FilterExpression: aws.String("attribute_not_exists(" + skipped + ")"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": text(allRuns)}, ScanIndexForward: aws.Bool(false),
	}
	for len(out) < limit {
		page, err := s.query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing the runs that were made: %w", err)
		}
		for places := range slices.Chunk(page.Items, maxBatch) {
			runs, err := s.at(ctx, places)
			if err != nil {
				return nil, fmt.Errorf("listing the runs that were made: %w", err)
			}
			out = append(out, slices.DeleteFunc(runs, func(r run.Run) bool { return r.State == run.Skipped })...)
			if len(out) >= limit {
				break
			}
		}
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			break
		}
	}
	return out[:min(limit, len(out))], nil
}

// Open implements run.Store.
func (s *Runs) Open(ctx context.Context) ([]run.Run, error) {
	var out []run.Run
	in := &dynamodb.QueryInput{KeyConditionExpression: aws.String("PK = :p"), ExpressionAttributeValues: map[string]types.AttributeValue{":p": text(openRuns)}, Limit: aws.Int32(maxBatch)}
	for {
		page, err := s.query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing the open runs: %w", err)
		}
		runs, err := s.at(ctx, page.Items)
		if err != nil {
			return nil, fmt.Errorf("listing the open runs: %w", err)
		}
		for i := range runs {
			if runs[i].State.Open() {
				out = append(out, runs[i])
				continue
			}
			if err := s.remove(ctx, &dynamodb.DeleteItemInput{Key: key(openRuns, placeOf(runs[i]))}); err != nil {
				return nil, fmt.Errorf("taking run %s off the list of open runs: %w", runs[i].ID, err)
			}
		}
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return out, nil
		}
	}
}

// Before implements run.Store.
func (s *Runs) Before(ctx context.Context, started time.Time, id string, limit int) ([]run.Run, error) {
	place := placeOf(run.Run{Started: started, ID: id})
	return s.list(ctx, limit, "PK = :p AND SK < :s", map[string]types.AttributeValue{":p": text(allRuns), ":s": text(place)})
}

// list returns up to limit runs, the newest first.
func (s *Runs) list(ctx context.Context, limit int, where string, values map[string]types.AttributeValue) ([]run.Run, error) {
	var out []run.Run
	var start map[string]types.AttributeValue
	for len(out) < limit {
		page, err := s.query(ctx, &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String(where),
			ExpressionAttributeValues: values,
			ScanIndexForward:          aws.Bool(false),
			Limit:                     aws.Int32(int32(min(limit-len(out), maxBatch))),
			ExclusiveStartKey:         start,
		})
		if err != nil {
			return nil, fmt.Errorf("listing runs: %w", err)
		}
		runs, err := s.at(ctx, page.Items)
		if err != nil {
			return nil, fmt.Errorf("listing runs: %w", err)
		}
		out = append(out, runs...)
		if start = page.LastEvaluatedKey; len(start) == 0 {
			break
		}
	}
	return out, nil
}

// at returns the runs at places of the list, in their order.
func (s *Runs) at(ctx context.Context, places []map[string]types.AttributeValue) ([]run.Run, error) {
	if len(places) == 0 {
		return nil, nil
	}
	keys := make([]map[string]types.AttributeValue, 0, len(places))
	asked := map[string]bool{}
	for _, p := range places {
		if id := idAt(textOf(p["SK"])); !asked[id] {
			asked[id] = true
			keys = append(keys, key("RUN#"+id, "RUN"))
		}
	}
	found := map[string]run.Run{}
	for attempt := 1; len(keys) > 0; attempt++ {
		if attempt > s.retry.Attempts {
			return nil, &failure.Error{Class: failure.Throttled, Op: "BatchGetItem", Target: s.table, Detail: strconv.Itoa(len(keys)) + " keys stay unprocessed"}
		}
		if attempt > 1 {
			if err := retry.Sleep(ctx, s.retry.Delay(attempt-1)); err != nil {
				return nil, err
			}
		}
		var err error
		if keys, err = s.getBatch(ctx, keys, found); err != nil {
			return nil, err
		}
	}
	var out []run.Run
	for _, p := range places {
		if r, ok := found[textOf(p["SK"])]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// getBatch puts runs into found, by their places, and returns the keys that the table left out.
func (s *Runs) getBatch(ctx context.Context, keys []map[string]types.AttributeValue, found map[string]run.Run) ([]map[string]types.AttributeValue, error) {
	var out *dynamodb.BatchGetItemOutput
	_, err := wireaws.Repeat(ctx, s.retry, "BatchGetItem", s.table, func() (err error) {
		out, err = s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, items := range out.Responses {
		for _, item := range items {
			r, err := decodeRun(item)
			if err != nil {
				return nil, err
			}
			found[placeOf(r)] = r
		}
	}
	var rest []map[string]types.AttributeValue
	for _, left := range out.UnprocessedKeys {
		rest = append(rest, left.Keys...)
	}
	return rest, nil
}

func (s *Runs) query(ctx context.Context, in *dynamodb.QueryInput) (out *dynamodb.QueryOutput, err error) {
	in.TableName, in.ConsistentRead = aws.String(s.table), aws.Bool(true)
	_, err = wireaws.Repeat(ctx, s.retry, "Query", s.table, func() (err error) {
		out, err = s.client.Query(ctx, in)
		return err
	})
	return out, err
}

// PutCounters implements run.Store.
func (s *Runs) PutCounters(ctx context.Context, runID string, c run.Counters) error {
	item, err := encodeCounters(runID, c)
	if err != nil {
		return fmt.Errorf("writing counters of run %s: %w", runID, err)
	}
	_, err = s.put(ctx, &dynamodb.PutItemInput{
		Item: item, ConditionExpression: aws.String("attribute_not_exists(PK) OR Seq <= :s"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberN{Value: strconv.FormatInt(c.Seq, 10)}},
	})
	var newer *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &newer) {
		return fmt.Errorf("writing counters of run %s: %w", runID, err)
	}
	return nil
}

// Counters implements run.Store.
func (s *Runs) Counters(ctx context.Context, runID string) ([]run.Counters, error) {
	var out []run.Counters
	var start map[string]types.AttributeValue
	for {
		page, err := s.query(ctx, &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String("PK = :p AND begins_with(SK, :w)"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":p": text("RUN#" + runID), ":w": text(workerPrefix)},
			ExclusiveStartKey:         start,
		})
		if err != nil {
			return nil, fmt.Errorf("reading counters of run %s: %w", runID, err)
		}
		for _, item := range page.Items {
			c, err := decodeCounters(item)
			if err != nil {
				return nil, fmt.Errorf("reading counters of run %s: %w", runID, err)
			}
			out = append(out, c)
		}
		if start = page.LastEvaluatedKey; len(start) == 0 {
			return out, nil
		}
	}
}
