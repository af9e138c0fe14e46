package runaws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/run"
)

func pauseKey() attributes { return key("TASK", "PAUSE") }

// SetPaused implements run.Store. A condition keeps the time of what is so already.
func (s *Runs) SetPaused(ctx context.Context, paused bool, now time.Time) error {
	item := pauseKey()
	item["Paused"], item["PausedSince"] = &types.AttributeValueMemberBOOL{Value: paused}, nanos(now)
	condition := "Paused = :b"
	if paused {
		condition = "attribute_not_exists(PK) OR Paused = :b"
	}
	_, err := s.put(ctx, &dynamodb.PutItemInput{
		Item: item, ConditionExpression: aws.String(condition),
		ExpressionAttributeValues: attributes{":b": &types.AttributeValueMemberBOOL{Value: !paused}},
	})
	var refused *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("noting that the task is paused or resumed: %w", err)
	}
	return nil
}

// Pause implements run.Store.
func (s *Runs) Pause(ctx context.Context) (run.Pause, error) {
	item, err := s.get(ctx, pauseKey())
	if err != nil {
		return run.Pause{}, fmt.Errorf("looking whether the task is paused: %w", err)
	}
	if len(item) == 0 {
		return run.Pause{}, nil
	}
	paused, ok := item["Paused"].(*types.AttributeValueMemberBOOL)
	if !ok {
		return run.Pause{}, errors.New("looking whether the task is paused: the item does not say")
	}
	return run.Pause{Paused: paused.Value, Since: timeAt(item["PausedSince"])}, nil
}
