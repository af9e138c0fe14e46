// Package taskaws keeps the hub's tasks in two DynamoDB tables, of the form that lambda/task/wiring gives. A task is one item
// with its document and the attributes by which it is found and listed; an entry of the audit is another, written in the same
// transaction.
package taskaws

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// ReadActions returns the IAM actions of who only reads, on both tables and the indexes of that of tasks.
func ReadActions() []string { return []string{"dynamodb:GetItem", "dynamodb:Query"} }

// WriteActions returns the IAM actions of who changes tasks, on both tables. Transactions need no action of their own.
func WriteActions() []string {
	return []string{"dynamodb:PutItem", "dynamodb:DeleteItem"}
}

// Store implements task.Store.
type Store struct {
	client       *dynamodb.Client
	tasks, audit string
}

var _ task.Store = (*Store)(nil)

// attempts of a call that is throttled or not answered.
const attempts = 8

// Open returns the tasks in two tables. It makes no call.
func Open(cfg aws.Config, tasks, audit string) *Store {
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.Retryer = awsretry.NewStandard(func(s *awsretry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = attempts, 5*time.Second })
	})
	return &Store{client, tasks, audit}
}

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// Attributes that are in no key.
const (
	revision = "Revision"
	document = "Doc"   // JSON
	stamp    = "Write" // differs for every write
)

// sorted is the sort key of a task in an order: tasks alike are ordered by their ids.
func sorted(key, id string) string { return key + "\x00" + id }

func encode(t *task.Task) (attributes, error) {
	doc, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	item := attributes{
		wiring.TaskID: text(t.ID), wiring.List: text(wiring.OfTasks), wiring.State: text(string(t.State)), wiring.StackName: text(t.Stack.Name),
		wiring.Created: text(sorted(t.SortKey(task.ByCreated), t.ID)), wiring.Updated: text(sorted(t.SortKey(task.ByUpdated), t.ID)),
		wiring.Name: text(sorted(t.SortKey(task.ByName), t.ID)), revision: number(t.Revision), document: text(string(doc)),
		stamp: text(rand.Text()),
	}
	if t.Stack.ID != "" {
		item[wiring.StackID] = text(t.Stack.ID)
	}
	return item, nil
}

func decode(item attributes) (t task.Task, err error) {
	if err = json.Unmarshal([]byte(textOf(item[document])), &t); err != nil {
		return t, fmt.Errorf("the item of task %s cannot be read: %w", textOf(item[wiring.TaskID]), err)
	}
	return t, nil
}

// Create implements task.Store.
func (s *Store) Create(ctx context.Context, t task.Task, e task.Entry) error {
	t.Revision = 1
	item, err := encode(&t)
	if err != nil {
		return err
	}
	put := &types.Put{TableName: &s.tasks, Item: item, ConditionExpression: aws.String("attribute_not_exists(" + wiring.TaskID + ")")}
	if err = s.write(ctx, types.TransactWriteItem{Put: put}, &e, t.Revision); errors.Is(err, errCondition) {
		err = task.ErrExists
	}
	return wrap("creating", t.ID, err)
}

// Update implements task.Store.
func (s *Store) Update(ctx context.Context, t task.Task, e *task.Entry) (task.Task, error) {
	before := t.Revision
	t = t.Clone()
	t.Revision++
	item, err := encode(&t)
	if err != nil {
		return task.Task{}, err
	}
	put := &types.Put{
		TableName: &s.tasks, Item: item, ConditionExpression: aws.String(revision + " = :before"), ExpressionAttributeValues: attributes{":before": number(before)},
	}
	if err = s.write(ctx, types.TransactWriteItem{Put: put}, e, t.Revision); errors.Is(err, errCondition) {
		err = s.refused(ctx, t.ID, textOf(item[stamp]))
	}
	if err != nil {
		return task.Task{}, wrap("updating", t.ID, err)
	}
	return t, nil
}

// Delete implements task.Store.
func (s *Store) Delete(ctx context.Context, id string, seen int64, e task.Entry) error {
	remove := &types.Delete{
		TableName: &s.tasks, Key: attributes{wiring.TaskID: text(id)}, ConditionExpression: aws.String(revision + " = :before"),
		ExpressionAttributeValues: attributes{":before": number(seen)},
	}
	err := s.write(ctx, types.TransactWriteItem{Delete: remove}, &e, seen+1)
	if errors.Is(err, errCondition) {
		err = s.refused(ctx, id, "")
	}
	return wrap("deleting", id, err)
}

// refused tells why a write was: the task is gone, or changed by somebody else, unless that is what this very write has left
// behind, in an attempt that nobody answered.
func (s *Store) refused(ctx context.Context, id, written string) error {
	item, err := s.item(ctx, id)
	switch {
	case err != nil:
		return err
	case len(item) == 0:
		return task.ErrNotFound
	case written != "" && textOf(item[stamp]) == written:
		return nil
	}
	return task.ErrConflict
}

// Get implements task.Store.
func (s *Store) Get(ctx context.Context, id string) (task.Task, error) {
	item, err := s.item(ctx, id)
	if err != nil {
		return task.Task{}, wrap("reading", id, err)
	}
	if len(item) == 0 || id == task.PreferencesID {
		return task.Task{}, task.ErrNotFound
	}
	return decode(item)
}

func (s *Store) item(ctx context.Context, id string) (attributes, error) {
	if id == "" {
		return nil, nil // DynamoDB takes no empty key
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tasks, Key: attributes{wiring.TaskID: text(id)}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

func wrap(doing, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s task %s: %w", doing, id, err)
}
