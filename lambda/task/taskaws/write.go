package taskaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/wiring"
	"github.com/datatransferhub/dth/worker/retry"
)

// errCondition says that an item is not as the condition of a write wants it.
var errCondition = errors.New("the condition of the write does not hold")

// write makes one change of the table of tasks, together with the entry of the audit that tells of it; nil: there is none.
// The entry's place is its time and the revision that the change leads to.
func (s *Store) write(ctx context.Context, change types.TransactWriteItem, e *task.Entry, after int64) error {
	if e == nil {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: change.Put.TableName, Item: change.Put.Item, ConditionExpression: change.Put.ConditionExpression, ExpressionAttributeValues: change.Put.ExpressionAttributeValues,
		})
		var refused *types.ConditionalCheckFailedException
		if errors.As(err, &refused) {
			return errCondition
		}
		return err
	}
	doc, err := json.Marshal(e)
	if err != nil {
		return err
	}
	entry := types.TransactWriteItem{Put: &types.Put{TableName: &s.audit, Item: attributes{
		wiring.AuditTask: text(e.Task), wiring.AuditAt: text(place(e.At, after)), document: text(string(doc)),
	}}}
	policy := retry.Calls()
	for try := 1; ; try++ {
		_, err := s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{change, entry}})
		again, err := canceled(err)
		if !again || try >= policy.Attempts {
			return err
		}
		if retry.Sleep(ctx, policy.Delay(try)) != nil {
			return err
		}
	}
}

// canceled returns what a transaction's error means, and whether the transaction is to be made again: others wrote one of its
// items in the same moment, or it was throttled.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
func canceled(err error) (again bool, meaning error) {
	var refused *types.TransactionCanceledException
	if !errors.As(err, &refused) {
		return false, err
	}
	for _, r := range refused.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "ConditionalCheckFailed":
			return false, errCondition
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			again = true
		}
	}
	return again, err
}

// placeTime has one width, so that places sort by time.
const placeTime = "2006-01-02T15:04:05.000000000Z"

func place(at time.Time, revision int64) string {
	return fmt.Sprintf("%s#%019d", at.UTC().Format(placeTime), revision)
}

// Preferences implements task.Store.
func (s *Store) Preferences(ctx context.Context) (p task.Preferences, err error) {
	item, err := s.item(ctx, task.PreferencesID)
	if err == nil && len(item) > 0 {
		err = json.Unmarshal([]byte(textOf(item[document])), &p)
	}
	if err != nil {
		return p, fmt.Errorf("reading the preferences: %w", err)
	}
	return p, nil
}

// SetPreferences implements task.Store.
func (s *Store) SetPreferences(ctx context.Context, p task.Preferences, e task.Entry) (task.Preferences, error) {
	before := p.Revision
	p.Revision++
	doc, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	put := &types.Put{
		TableName: &s.tasks, Item: attributes{wiring.TaskID: text(task.PreferencesID), revision: number(p.Revision), document: text(string(doc))},
		ConditionExpression: aws.String("attribute_not_exists(" + wiring.TaskID + ")"),
	}
	if before != 0 {
		put.ConditionExpression, put.ExpressionAttributeValues = aws.String(revision+" = :before"), attributes{":before": number(before)}
	}
	if err = s.write(ctx, types.TransactWriteItem{Put: put}, &e, p.Revision); errors.Is(err, errCondition) {
		err = task.ErrConflict
	}
	if err != nil {
		return p, fmt.Errorf("writing the preferences: %w", err)
	}
	return p, nil
}
