// Package multipartaws keeps the records of unfinished uploads in the stack's run table in DynamoDB.
//
//	PK UPLOADS      SK UPLOAD#hash    an upload; hash of its source key and ETag
//	PK UPLOAD#hash  SK PART#00001     up to 64 parts from that number on; hash of the source key, ETag and UploadId
//	PK INTENTS      SK INTENT#hash    an intent; hash of its destination key and its own id
//
// Uploads and intents share a partition each, so that they are listed by a query. Keys are hashed, because a sort key
// has at most 1,024 bytes, which an object's key alone may have.
package multipartaws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// Actions returns the IAM actions that Records need on their table.
func Actions() []string {
	return []string{"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:Query"}
}

// Records keeps the uploads of one stack.
type Records struct {
	client *dynamodb.Client
	table  string
	retry  retry.Policy
}

var _ multipart.Records = (*Records)(nil)

// Open returns the records in a table; runaws.TableInput describes it. A policy of zero is retry.Calls(). It makes no
// call.
func Open(cfg aws.Config, table string, policy retry.Policy) *Records {
	if policy == (retry.Policy{}) {
		policy = retry.Calls()
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	return &Records{client: client, table: table, retry: policy}
}

func (s *Records) do(ctx context.Context, op string, call func() error) error {
	_, err := wireaws.Repeat(ctx, s.retry, op, s.table, call)
	return err
}

// putNew writes an item unless one of its key is there, which it returns then.
func (s *Records) putNew(ctx context.Context, item attributes) (there attributes, err error) {
	err = s.do(ctx, "PutItem", func() error {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String(s.table), Item: item, ConditionExpression: aws.String("attribute_not_exists(PK)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		return err
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return refused.Item, nil
	}
	return nil, err
}

// each calls f with every item of a partition, in the order of the sort keys.
func (s *Records) each(ctx context.Context, partition string, f func(attributes) error) error {
	in := &dynamodb.QueryInput{
		TableName: aws.String(s.table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("PK = :p"),
		ExpressionAttributeValues: attributes{":p": text(partition)},
	}
	for {
		var page *dynamodb.QueryOutput
		err := s.do(ctx, "Query", func() (err error) {
			page, err = s.client.Query(ctx, in)
			return err
		})
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := f(item); err != nil {
				return err
			}
		}
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return nil
		}
	}
}

// PutIntent implements multipart.Records.
func (s *Records) PutIntent(ctx context.Context, i multipart.Intent) error {
	item, err := encodeIntent(i)
	if err == nil {
		err = s.do(ctx, "PutItem", func() error {
			_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.table), Item: item})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("recording the intent to write %s: %w", i.DestinationKey, err)
	}
	return nil
}

// DeleteIntent implements multipart.Records.
func (s *Records) DeleteIntent(ctx context.Context, i multipart.Intent) error {
	err := s.do(ctx, "DeleteItem", func() error {
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(s.table), Key: intentKey(i)})
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting the intent to write %s: %w", i.DestinationKey, err)
	}
	return nil
}

// Intents implements multipart.Records.
func (s *Records) Intents(ctx context.Context) ([]multipart.Intent, error) {
	var out []multipart.Intent
	err := s.each(ctx, intentsPartition, func(item attributes) error {
		i, err := decodeIntent(item)
		out = append(out, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing intents: %w", err)
	}
	return out, nil
}

// PutUpload implements multipart.Records.
func (s *Records) PutUpload(ctx context.Context, u multipart.Upload) (multipart.Upload, error) {
	item, err := encodeUpload(u)
	var there attributes
	if err == nil {
		there, err = s.putNew(ctx, item)
	}
	if err == nil && there == nil {
		return u, nil
	}
	var recorded multipart.Upload
	if err == nil {
		recorded, err = decodeUpload(there)
	}
	switch {
	case err != nil:
		return u, fmt.Errorf("recording the upload of %s: %w", u.SourceKey, err)
	case recorded.ID == u.ID:
		return recorded, nil
	}
	return recorded, multipart.ErrExists
}

// GetUpload implements multipart.Records.
func (s *Records) GetUpload(ctx context.Context, sourceKey, sourceETag string) (multipart.Upload, bool, error) {
	var out *dynamodb.GetItemOutput
	err := s.do(ctx, "GetItem", func() (err error) {
		out, err = s.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: aws.String(s.table), Key: uploadKey(sourceKey, sourceETag), ConsistentRead: aws.Bool(true),
		})
		return err
	})
	var u multipart.Upload
	if err == nil && len(out.Item) > 0 {
		u, err = decodeUpload(out.Item)
	}
	if err != nil {
		return u, false, fmt.Errorf("reading the upload of %s: %w", sourceKey, err)
	}
	return u, len(out.Item) > 0, nil
}

// Uploads implements multipart.Records.
func (s *Records) Uploads(ctx context.Context) ([]multipart.Upload, error) {
	var out []multipart.Upload
	err := s.each(ctx, uploadsPartition, func(item attributes) error {
		u, err := decodeUpload(item)
		out = append(out, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing uploads: %w", err)
	}
	return out, nil
}

// DeleteUpload implements multipart.Records. The parts go first: after a crash in between, the upload is still listed.
func (s *Records) DeleteUpload(ctx context.Context, u multipart.Upload) error {
	if err := s.deleteParts(ctx, u); err != nil {
		return fmt.Errorf("forgetting the parts of %s: %w", u.SourceKey, err)
	}
	err := s.do(ctx, "DeleteItem", func() error {
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: aws.String(s.table), Key: uploadKey(u.SourceKey, u.SourceETag),
			ConditionExpression: aws.String("UploadId = :u"), ExpressionAttributeValues: attributes{":u": text(u.ID)},
		})
		return err
	})
	var another *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &another) {
		return fmt.Errorf("forgetting the upload of %s: %w", u.SourceKey, err)
	}
	return nil
}

// maxWrites is the most that one BatchWriteItem takes.
const maxWrites = 25

func (s *Records) deleteParts(ctx context.Context, u multipart.Upload) error {
	var deletes []types.WriteRequest
	for n := 1; n <= u.Parts; n += groupSize {
		deletes = append(deletes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: groupKey(u, n)}})
	}
	var err error
	for from := 0; from < len(deletes) && err == nil; from += maxWrites {
		err = s.write(ctx, deletes[from:min(from+maxWrites, len(deletes))])
	}
	return err
}

// write does one batch, and repeats what the table left out. Waiting grows while nothing is done.
func (s *Records) write(ctx context.Context, requests []types.WriteRequest) error {
	for attempt := 1; ; attempt++ {
		var out *dynamodb.BatchWriteItemOutput
		err := s.do(ctx, "BatchWriteItem", func() (err error) {
			out, err = s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{s.table: requests},
			})
			return err
		})
		if err != nil {
			return err
		}
		var rest []types.WriteRequest
		for _, left := range out.UnprocessedItems {
			rest = append(rest, left...)
		}
		if len(rest) == 0 {
			return nil
		}
		if len(rest) < len(requests) {
			attempt = 1
		}
		if attempt >= s.retry.Attempts {
			return &failure.Error{
				Class: failure.Throttled, Op: "BatchWriteItem", Target: s.table, Detail: fmt.Sprintf("%d items stay unprocessed", len(rest)),
			}
		}
		if err := retry.Sleep(ctx, s.retry.Delay(attempt)); err != nil {
			return err
		}
		requests = rest
	}
}

// FailUpload implements multipart.Records.
func (s *Records) FailUpload(ctx context.Context, u multipart.Upload, f multipart.Failure) error {
	f.At = f.At.UTC()
	value, err := attributevalue.Marshal(f)
	if err == nil {
		err = s.change(ctx, u, "Failure", value, "attribute_type(Failure, :null)", attributes{":null": text("NULL")})
	}
	if err != nil {
		return fmt.Errorf("noting why the upload of %s failed: %w", u.SourceKey, err)
	}
	return nil
}

// AskUpload implements multipart.Records.
func (s *Records) AskUpload(ctx context.Context, u multipart.Upload, at time.Time) error {
	value, err := attributevalue.Marshal(at.UTC())
	if err == nil {
		err = s.change(ctx, u, "Asked", value, "", nil)
	}
	if err != nil {
		return fmt.Errorf("noting that the end of the upload of %s was asked for: %w", u.SourceKey, err)
	}
	return nil
}

// change sets an attribute of an upload's record, if it is still there and the condition holds.
func (s *Records) change(ctx context.Context, u multipart.Upload, name string, value types.AttributeValue, condition string, values attributes) error {
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String(s.table), Key: uploadKey(u.SourceKey, u.SourceETag),
		UpdateExpression:          aws.String("SET " + name + " = :v"),
		ConditionExpression:       aws.String("UploadId = :u"),
		ExpressionAttributeValues: attributes{":u": text(u.ID), ":v": value},
	}
	if condition != "" {
		in.ConditionExpression = aws.String("UploadId = :u AND " + condition)
	}
	for k, v := range values {
		in.ExpressionAttributeValues[k] = v
	}
	err := s.do(ctx, "UpdateItem", func() error {
		_, err := s.client.UpdateItem(ctx, in)
		return err
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// PutPart implements multipart.Records.
func (s *Records) PutPart(ctx context.Context, u multipart.Upload, p multipart.Part) (multipart.Recorded, error) {
	out := multipart.Recorded{Part: p}
	there, err := s.addPart(ctx, u, p)
	if err != nil {
		return out, fmt.Errorf("recording part %d of %s: %w", p.Number, u.SourceKey, err)
	}
	for _, q := range there {
		if q.Number == p.Number {
			out.Part = q
		}
	}
	first := (p.Number-1)/groupSize*groupSize + 1
	if len(there) < min(groupSize, u.Parts-first+1) {
		return out, nil
	}
	out.All = len(there) == u.Parts
	if out.All || u.Parts <= groupSize {
		return out, nil
	}
	// This group is complete; whether the others are is worth a look now and then: once a group and part that is redone.
	all, err := s.Parts(ctx, u)
	out.All = len(all) == u.Parts
	return out, err
}

// addPart writes a part into its group, unless it is there, and returns what the group holds then.
func (s *Records) addPart(ctx context.Context, u multipart.Upload, p multipart.Part) ([]multipart.Part, error) {
	value, err := encodePart(p)
	if err != nil {
		return nil, err
	}
	expires := strconv.FormatInt(time.Now().Add(groupExpires).Unix(), 10)
	var got *dynamodb.UpdateItemOutput
	err = s.do(ctx, "UpdateItem", func() (err error) {
		got, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String(s.table), Key: groupKey(u, p.Number),
			UpdateExpression:          aws.String("SET #p = if_not_exists(#p, :p), Expires = :e"),
			ExpressionAttributeNames:  map[string]string{"#p": partName(p.Number)},
			ExpressionAttributeValues: attributes{":p": value, ":e": &types.AttributeValueMemberN{Value: expires}},
			ReturnValues:              types.ReturnValueAllNew,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return decodeGroup(got.Attributes)
}

// Parts implements multipart.Records.
func (s *Records) Parts(ctx context.Context, u multipart.Upload) ([]multipart.Part, error) {
	var out []multipart.Part
	err := s.each(ctx, partsPartition(u), func(item attributes) error {
		group, err := decodeGroup(item)
		out = append(out, group...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the parts of %s: %w", u.SourceKey, err)
	}
	return out, nil
}
