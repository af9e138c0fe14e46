package runaws

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// DynamoDB takes items of up to 400 KB, names included. Documents above packAbove bytes are packed, and must then fit
// into maxCheckpoint.
const (
	packAbove     = 350 << 10
	maxCheckpoint = 380 << 10
)

// Expires is the attribute with the second since 1970 from which on DynamoDB may remove an item.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
const Expires = "Expires"

// KeepAnswers is how long the answers to checks and plans are kept.
const KeepAnswers = 90 * 24 * time.Hour

func seconds(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
}

func checkpointKey(runID string) attributes { return key("RUN#"+runID, "CHECKPOINT") }

func answerKey(id string) attributes { return key("ANSWER#"+id, "ANSWER") }

// PutCheckpoint implements run.Store.
func (s *Runs) PutCheckpoint(ctx context.Context, runID string, doc []byte) error {
	if err := s.putDocument(ctx, checkpointKey(runID), doc); err != nil {
		return fmt.Errorf("writing the checkpoint of run %s: %w", runID, err)
	}
	return nil
}

// PutAnswer implements run.Store.
func (s *Runs) PutAnswer(ctx context.Context, id string, doc []byte) error {
	item := answerKey(id)
	item[Expires] = seconds(time.Now().Add(KeepAnswers))
	if err := s.putDocument(ctx, item, doc); err != nil {
		return fmt.Errorf("writing the answer to request %s: %w", id, err)
	}
	return nil
}

// putDocument writes a document, packed when it is long.
func (s *Runs) putDocument(ctx context.Context, item attributes, doc []byte) error {
	packed := len(doc) > packAbove
	if packed {
		var err error
		if doc, err = pack(doc); err != nil {
			return fmt.Errorf("packing: %w", err)
		}
	}
	if len(doc) > maxCheckpoint {
		return &run.CheckpointSizeError{Size: len(doc), Limit: maxCheckpoint}
	}
	item["Doc"] = &types.AttributeValueMemberB{Value: doc}
	item["Packed"] = &types.AttributeValueMemberBOOL{Value: packed}
	_, err := s.put(ctx, &dynamodb.PutItemInput{Item: item})
	return err
}

func pack(doc []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(doc); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(doc []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(doc))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Checkpoint implements run.Store.
func (s *Runs) Checkpoint(ctx context.Context, runID string) ([]byte, error) {
	doc, err := s.document(ctx, checkpointKey(runID))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint of run %s: %w", runID, err)
	}
	return doc, nil
}

// Answer implements run.Store.
func (s *Runs) Answer(ctx context.Context, id string) ([]byte, error) {
	doc, err := s.document(ctx, answerKey(id))
	if err != nil {
		return nil, fmt.Errorf("reading the answer to request %s: %w", id, err)
	}
	return doc, nil
}

// document reads what putDocument wrote; nil when nothing is there.
func (s *Runs) document(ctx context.Context, at attributes) ([]byte, error) {
	item, err := s.get(ctx, at)
	if err != nil || len(item) == 0 {
		return nil, err
	}
	doc, ok := item["Doc"].(*types.AttributeValueMemberB)
	if !ok {
		return nil, errors.New("the item holds none")
	}
	if packed, ok := item["Packed"].(*types.AttributeValueMemberBOOL); !ok || !packed.Value {
		return doc.Value, nil
	}
	plain, err := unpack(doc.Value)
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return plain, nil
}

// DeleteCheckpoint implements run.Store.
func (s *Runs) DeleteCheckpoint(ctx context.Context, runID string) error {
	if err := s.remove(ctx, &dynamodb.DeleteItemInput{Key: checkpointKey(runID)}); err != nil {
		return fmt.Errorf("deleting the checkpoint of run %s: %w", runID, err)
	}
	return nil
}

func (s *Runs) remove(ctx context.Context, in *dynamodb.DeleteItemInput) error {
	in.TableName = aws.String(s.table)
	_, err := wireaws.Repeat(ctx, s.retry, "DeleteItem", s.table, func() error {
		_, err := s.client.DeleteItem(ctx, in)
		return err
	})
	return err
}
