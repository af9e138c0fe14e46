package runaws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

type attributes = map[string]types.AttributeValue

// nanos is a time as a number that conditions can compare: Unix nanoseconds, of which DynamoDB keeps every digit.
func nanos(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.UnixNano(), 10)}
}

func timeAt(v types.AttributeValue) time.Time {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	at, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

func decodeLease(item attributes) run.Lease {
	return run.Lease{Holder: textOf(item["HeldBy"]), Since: timeAt(item["HeldSince"]), Until: timeAt(item["HeldUntil"])}
}

// Lease implements run.Store. A renewal is one conditional write; taking a lease is one more, because only the
// write of a new holder may set the time from which it is held.
func (s *Runs) Lease(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (run.Lease, bool, error) {
	l, held, err := s.renew(ctx, name, holder, now.Add(ttl))
	if err == nil && !held {
		l, held, err = s.take(ctx, name, run.Lease{Holder: holder, Since: now.UTC(), Until: now.Add(ttl).UTC()})
	}
	if err != nil {
		return run.Lease{}, false, fmt.Errorf("taking lease %s: %w", name, err)
	}
	return l, held, nil
}

func (s *Runs) renew(ctx context.Context, name, holder string, until time.Time) (run.Lease, bool, error) {
	var out *dynamodb.UpdateItemOutput
	_, err := wireaws.Repeat(ctx, s.retry, "UpdateItem", s.table, func() (err error) {
		out, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String(s.table), Key: key("LEASE", name),
			UpdateExpression: aws.String("SET HeldUntil = :u"), ConditionExpression: aws.String("HeldBy = :h"),
			ExpressionAttributeValues: attributes{":h": text(holder), ":u": nanos(until)}, ReturnValues: types.ReturnValueAllNew,
		})
		return err
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return run.Lease{}, false, nil
	}
	if err != nil {
		return run.Lease{}, false, err
	}
	return decodeLease(out.Attributes), true, nil
}

func (s *Runs) take(ctx context.Context, name string, l run.Lease) (run.Lease, bool, error) {
	item := key("LEASE", name)
	item["HeldBy"], item["HeldSince"], item["HeldUntil"] = text(l.Holder), nanos(l.Since), nanos(l.Until)
	_, err := s.put(ctx, &dynamodb.PutItemInput{
		// The holder's own is one that an attempt without an answer has written.
		Item: item, ConditionExpression: aws.String("attribute_not_exists(PK) OR HeldUntil <= :n OR HeldBy = :h"),
		ExpressionAttributeValues:           attributes{":n": nanos(l.Since), ":h": text(l.Holder)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return decodeLease(refused.Item), false, nil
	}
	return l, err == nil, err
}

// Unlease implements run.Store.
func (s *Runs) Unlease(ctx context.Context, name, holder string) error {
	err := s.remove(ctx, &dynamodb.DeleteItemInput{
		Key: key("LEASE", name), ConditionExpression: aws.String("HeldBy = :h"), ExpressionAttributeValues: attributes{":h": text(holder)},
	})
	var refused *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("giving lease %s back: %w", name, err)
	}
	return nil
}

// Present implements run.Store.
func (s *Runs) Present(ctx context.Context, worker string, now time.Time, ttl time.Duration) (int, error) {
	item := key("WORKERS", worker)
	item["At"] = nanos(now)
	if _, err := s.put(ctx, &dynamodb.PutItemInput{Item: item}); err != nil {
		return 0, fmt.Errorf("noting that worker %s is at work: %w", worker, err)
	}
	present := 0
	in := &dynamodb.QueryInput{KeyConditionExpression: aws.String("PK = :p"), ExpressionAttributeValues: attributes{":p": text("WORKERS")}}
	for {
		page, err := s.query(ctx, in)
		if err != nil {
			return 0, fmt.Errorf("counting the workers: %w", err)
		}
		for _, item := range page.Items {
			silent := now.Sub(timeAt(item["At"]))
			if silent < ttl {
				present++
			}
			if silent > run.Forget*ttl {
				if err := s.forget(ctx, item); err != nil {
					return 0, err
				}
			}
		}
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return present, nil
		}
	}
}

// forget removes a worker that has been silent, unless it has spoken meanwhile.
func (s *Runs) forget(ctx context.Context, item attributes) error {
	err := s.remove(ctx, &dynamodb.DeleteItemInput{
		Key: key(textOf(item["PK"]), textOf(item["SK"])), ConditionExpression: aws.String("#at = :a"),
		ExpressionAttributeNames: map[string]string{"#at": "At"}, ExpressionAttributeValues: attributes{":a": item["At"]},
	})
	var refused *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("forgetting worker %s: %w", textOf(item["SK"]), err)
	}
	return nil
}
