package imageplanaws

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/plugins/ecr/schema"
	"github.com/datatransferhub/dth/worker/retry"
)

// RecordActions returns the IAM actions on the table of records.
func RecordActions() []string { return []string{"dynamodb:BatchGetItem", "dynamodb:UpdateItem"} }

// The attributes of a record that a plan reads and writes, beside its key. The copier writes more, which stay.
const (
	status, runID, size      = "Status", "RunId", "Bytes"
	errorClass, errorMessage = "ErrorClass", "ErrorMessage"
	finished                 = "FinishedAt"
	maxKeys                  = 100 // of one BatchGetItem
	millisecond              = "2006-01-02T15:04:05.000Z07:00"
)

// Records implements imageplan.Records on DynamoDB.
type Records struct {
	table  string
	client *dynamodb.Client
	policy retry.Policy
}

var _ imageplan.Records = (*Records)(nil)

// OpenRecords returns the records of a table. It makes no call.
func OpenRecords(cfg aws.Config, table string) *Records {
	return &Records{table, dynamodb.NewFromConfig(cfg), retry.Calls()}
}

func key(i imageplan.Image) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{schema.Image: &types.AttributeValueMemberS{Value: i.Name}, schema.Tag: &types.AttributeValueMemberS{Value: i.Tag}}
}

// Outcomes implements imageplan.Records. Keys that DynamoDB leaves over are asked for again, with waits between.
func (r *Records) Outcomes(ctx context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Outcome, error) {
	found := make(map[imageplan.Image]imageplan.Outcome, len(images))
	asked := map[imageplan.Image]bool{} // a key may be asked for once in a call
	images = slices.DeleteFunc(slices.Clone(images), func(i imageplan.Image) bool {
		again := asked[i]
		asked[i] = true
		return again
	})
	for chunk := range slices.Chunk(images, maxKeys) {
		keys := make([]map[string]types.AttributeValue, len(chunk))
		for n, i := range chunk {
			keys[n] = key(i)
		}
		if err := r.read(ctx, keys, found); err != nil {
			return nil, fmt.Errorf("reading records of %s: %w", r.table, err)
		}
	}
	return found, nil
}

func (r *Records) read(ctx context.Context, keys []map[string]types.AttributeValue, found map[imageplan.Image]imageplan.Outcome) error {
	for try := 1; len(keys) > 0; try++ {
		out, err := r.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{r.table: {Keys: keys, ConsistentRead: aws.Bool(true)}}})
		if err != nil {
			return err
		}
		for _, item := range out.Responses[r.table] {
			found[imageplan.Image{Name: text(item, schema.Image), Tag: text(item, schema.Tag)}] = imageplan.Outcome{
				Run: text(item, runID), Status: text(item, status), Bytes: number(item, size), ErrorClass: text(item, errorClass), ErrorMessage: text(item, errorMessage),
			}
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

func text(item map[string]types.AttributeValue, name string) string {
	s, _ := item[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func number(item map[string]types.AttributeValue, name string) int64 {
	s, _ := item[name].(*types.AttributeValueMemberN)
	if s == nil {
		return 0
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	if err != nil {
		return 0 // nobody writes a fraction
	}
	return n
}

// PutOutcome implements imageplan.Records. What else is on record of the image stays.
func (r *Records) PutOutcome(ctx context.Context, i imageplan.Image, o imageplan.Outcome, at time.Time) error {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	_, err := r.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.table, Key: key(i),
		UpdateExpression: aws.String("SET #status = :status, #run = :run, #size = :size, #class = :class, #message = :message, #finished = :finished"),
		ExpressionAttributeNames: map[string]string{
			"#status": status, "#run": runID, "#size": size, "#class": errorClass, "#message": errorMessage, "#finished": finished,
		},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":status": s(o.Status), ":run": s(o.Run), ":size": &types.AttributeValueMemberN{Value: strconv.FormatInt(o.Bytes, 10)},
			":class": s(o.ErrorClass), ":message": s(o.ErrorMessage), ":finished": s(at.UTC().Format(millisecond)),
		},
	})
	if err != nil {
		return fmt.Errorf("recording %s %s in %s: %w", i.Name, i.Tag, r.table, err)
	}
	return nil
}
