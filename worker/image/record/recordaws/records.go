// Package recordaws keeps the records of images in a DynamoDB table.
package recordaws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/retry"
)

// CopyActions returns the IAM actions of a copier on the table.
func CopyActions() []string { return []string{"dynamodb:BatchGetItem", "dynamodb:PutItem"} }

// PlanActions returns those of who plans and closes runs.
func PlanActions() []string { return []string{"dynamodb:BatchGetItem", "dynamodb:UpdateItem"} }

// ListActions returns those of who shows records, on the table and its index.
func ListActions() []string { return []string{"dynamodb:BatchGetItem", "dynamodb:Query"} }

// maxKeys is how many keys one BatchGetItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const maxKeys = 100

// Records implements record.Store.
type Records struct {
	table  string
	client *dynamodb.Client
	policy retry.Policy
}

var _ record.Store = (*Records)(nil)

// Open returns the records of a table. It makes no call.
func Open(cfg aws.Config, table string) *Records {
	return &Records{table, dynamodb.NewFromConfig(cfg), retry.Calls()}
}

// Put implements record.Store.
func (r *Records) Put(ctx context.Context, one record.Record) error {
	in := &dynamodb.PutItemInput{TableName: &r.table, Item: encode(one), ExpressionAttributeNames: map[string]string{"#finished": finishedAt}}
	in.ConditionExpression = aws.String("attribute_not_exists(#finished)")
	if !one.FinishedAt.IsZero() {
		in.ConditionExpression, in.ExpressionAttributeValues = aws.String(notLater), item{":finished": text(moment(one.FinishedAt))}
	}
	if _, err := r.client.PutItem(ctx, in); err != nil && !later(err) {
		return fmt.Errorf("recording %s %s in %s: %w", one.Image, one.Tag, r.table, err)
	}
	return nil
}

// notLater is the condition that the record which is there is not of later. Moments are sorted as text.
const notLater = "attribute_not_exists(#finished) OR #finished <= :finished"

// later reports whether a call was refused since the record that is there is of later.
func later(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// Settle writes what became of an image in a run, and leaves what else is on its record. It serves who knows the outcome and not
// the image: a copier that never came to its end. As with Put, a record of later stays.
func (r *Records) Settle(ctx context.Context, k record.Key, run string, s record.Status, bytes int64, class, message string, at time.Time) error {
	_, err := r.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.table, Key: keyOf(k), ConditionExpression: aws.String(notLater),
		UpdateExpression: aws.String("SET #status = :status, #run = :run, #size = :size, #class = :class, #message = :message, #finished = :finished"),
		ExpressionAttributeNames: map[string]string{
			"#status": status, "#run": runID, "#size": size, "#class": errorClass, "#message": errorMessage, "#finished": finishedAt,
		},
		ExpressionAttributeValues: item{
			":status": text(string(s)), ":run": text(run), ":size": number(bytes), ":class": text(class), ":message": text(record.Bounded(message)), ":finished": text(moment(at)),
		},
	})
	if err != nil && !later(err) {
		return fmt.Errorf("recording %s %s in %s: %w", k.Image, k.Tag, r.table, err)
	}
	return nil
}

// Get implements record.Store.
func (r *Records) Get(ctx context.Context, keys []record.Key) (map[record.Key]record.Record, error) {
	found := make(map[record.Key]record.Record, len(keys))
	byKey := func(a, b record.Key) int { return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Tag, b.Tag)) }
	unique := slices.Compact(slices.SortedFunc(slices.Values(keys), byKey)) // a call refuses a key that is there twice
	for chunk := range slices.Chunk(unique, maxKeys) {
		ask := make([]item, len(chunk))
		for n, k := range chunk {
			ask[n] = keyOf(k)
		}
		if err := r.read(ctx, ask, found); err != nil {
			return nil, fmt.Errorf("reading records of %s: %w", r.table, err)
		}
	}
	return found, nil
}

// read asks for up to maxKeys, and once more for those that DynamoDB leaves over, with waits between.
func (r *Records) read(ctx context.Context, keys []item, found map[record.Key]record.Record) error {
	for try := 1; len(keys) > 0; try++ {
		out, err := r.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{r.table: {Keys: keys, ConsistentRead: aws.Bool(true)}}})
		if err != nil {
			return err
		}
		for _, i := range out.Responses[r.table] {
			one := decode(i)
			found[one.Key] = one
		}
		if keys = out.UnprocessedKeys[r.table].Keys; len(keys) == 0 {
			return nil
		}
		if try >= r.policy.Attempts {
			return fmt.Errorf("%d keys were left over in %d tries; the table is throttled", len(keys), try)
		}
		if err := retry.Sleep(ctx, r.policy.Delay(try)); err != nil {
			return err
		}
	}
	return nil
}

// place is where a page ends: the key of its last record, and the status whose list it is in.
type place struct {
	Status record.Status `json:"s"`
	Image  string        `json:"i,omitempty"` // empty: before the first
	Tag    string        `json:"t,omitempty"`
}

// List implements record.Store. A page costs one query a status, whatever its position.
func (r *Records) List(ctx context.Context, s record.Status, limit int, after string) (record.Page, error) {
	order := []record.Status{s}
	if s == "" {
		order = slices.Sorted(slices.Values(record.Statuses()))
	}
	from := place{Status: order[0]}
	if after != "" {
		if json.Unmarshal([]byte(after), &from) != nil || !slices.Contains(order, from.Status) {
			return record.Page{}, fmt.Errorf("%w: %.80q", record.ErrPlace, after)
		}
	}
	var p record.Page
	for i := slices.Index(order, from.Status); i < len(order); i++ {
		if from.Status != order[i] {
			from = place{Status: order[i]}
		}
		if len(p.Records) == limit {
			return p, ends(&p, from)
		}
		next, err := r.query(ctx, from, limit-len(p.Records), &p)
		if err != nil {
			return p, err
		}
		if next != nil {
			return p, ends(&p, *next)
		}
	}
	return p, nil
}

func ends(p *record.Page, at place) error {
	text, err := json.Marshal(at)
	p.Next = string(text)
	return err
}

// query adds up to limit records of one status, and returns where the next are; nil at the end of the status.
func (r *Records) query(ctx context.Context, from place, limit int, p *record.Page) (*place, error) {
	in := &dynamodb.QueryInput{
		TableName: &r.table, IndexName: aws.String(Index), Limit: aws.Int32(int32(limit)), KeyConditionExpression: aws.String("#status = :status"),
		ExpressionAttributeNames: map[string]string{"#status": status}, ExpressionAttributeValues: item{":status": text(string(from.Status))},
	}
	if from.Image != "" {
		in.ExclusiveStartKey = keyOf(record.Key{Image: from.Image, Tag: from.Tag})
		in.ExclusiveStartKey[status] = text(string(from.Status))
	}
	out, err := r.client.Query(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("listing records of %s: %w", r.table, err)
	}
	for _, i := range out.Items {
		p.Records = append(p.Records, decode(i))
	}
	if out.LastEvaluatedKey == nil {
		return nil, nil
	}
	return &place{from.Status, textOf(out.LastEvaluatedKey, imageName), textOf(out.LastEvaluatedKey, tag)}, nil
}
