package taskaws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// ByStack implements task.Store.
func (s *Store) ByStack(ctx context.Context, stack string) (task.Task, error) {
	if stack == "" {
		return task.Task{}, task.ErrNotFound
	}
	index, attribute := wiring.ByStackName, wiring.StackName
	if strings.HasPrefix(stack, "arn:") {
		index, attribute = wiring.ByStackID, wiring.StackID
	}
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.tasks, IndexName: &index, KeyConditionExpression: aws.String("#s = :s"), Limit: aws.Int32(1),
		ExpressionAttributeNames: map[string]string{"#s": attribute}, ExpressionAttributeValues: attributes{":s": text(stack)},
	})
	if err != nil {
		return task.Task{}, fmt.Errorf("looking for the task of stack %s: %w", stack, err)
	}
	if len(out.Items) == 0 {
		return task.Task{}, task.ErrNotFound
	}
	return s.Get(ctx, textOf(out.Items[0][wiring.TaskID]))
}

// Bounds of what one page of a list reads.
const (
	scanned = 500 // tasks, however few of them its filter lets through
	perRead = 100
)

// order is an index, and the attribute that sorts it.
func order(by task.Sort) (index, attribute string) {
	switch by {
	case task.ByUpdated:
		return wiring.ByUpdated, wiring.Updated
	case task.ByName:
		return wiring.ByName, wiring.Name
	case task.ByCreated:
	}
	return wiring.ByCreated, wiring.Created
}

// List implements task.Store.
func (s *Store) List(ctx context.Context, q task.Query) (task.Page, error) {
	in, err := s.listing(&q)
	if err != nil {
		return task.Page{}, err
	}
	var page task.Page
	var last task.Task // looked at
	for n := 0; ; {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return task.Page{}, fmt.Errorf("listing tasks: %w", err)
		}
		for _, item := range out.Items {
			if n == scanned || len(page.Tasks) == q.First {
				page.Next = q.Cursor(&last)
				return page, nil
			}
			if last, err = decode(item); err != nil {
				return task.Page{}, fmt.Errorf("listing tasks: %w", err)
			}
			n++
			if q.Matches(&last) {
				page.Tasks = append(page.Tasks, last)
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return page, nil
		}
	}
}

// listing is the query of a list, from where its cursor says.
func (s *Store) listing(q *task.Query) (*dynamodb.QueryInput, error) {
	from, err := q.Place()
	if err != nil {
		return nil, err
	}
	index, attribute := order(q.Sort)
	in := &dynamodb.QueryInput{
		TableName: &s.tasks, IndexName: &index, ScanIndexForward: aws.Bool(!q.Descending), KeyConditionExpression: aws.String("#l = :l"),
		ExpressionAttributeNames: map[string]string{"#l": wiring.List}, ExpressionAttributeValues: attributes{":l": text(wiring.OfTasks)}, Limit: aws.Int32(perRead),
	}
	if from == nil {
		return in, nil
	}
	than := ">"
	if q.Descending {
		than = "<"
	}
	in.KeyConditionExpression = aws.String("#l = :l AND #k " + than + " :k")
	in.ExpressionAttributeNames["#k"], in.ExpressionAttributeValues[":k"] = attribute, text(sorted(from.Key, from.ID))
	return in, nil
}

// Count implements task.Store.
func (s *Store) Count(ctx context.Context) (map[task.State]int64, error) {
	counts := map[task.State]int64{}
	for _, state := range task.States() {
		pages := dynamodb.NewQueryPaginator(s.client, &dynamodb.QueryInput{
			TableName: &s.tasks, IndexName: aws.String(wiring.ByState), Select: types.SelectCount, KeyConditionExpression: aws.String("#s = :s"),
			ExpressionAttributeNames: map[string]string{"#s": wiring.State}, ExpressionAttributeValues: attributes{":s": text(string(state))},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("counting tasks: %w", err)
			}
			if page.Count > 0 {
				counts[state] += int64(page.Count)
			}
		}
	}
	return counts, nil
}

var placeForm = regexp.MustCompile(`^[0-9TZ:.-]{20,40}#[0-9]{19}$`)

// Audit implements task.Store.
func (s *Store) Audit(ctx context.Context, id string, first int, after string) (task.Entries, error) {
	if id == "" {
		return task.Entries{}, nil
	}
	in := &dynamodb.QueryInput{
		TableName: &s.audit, ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(first) + 1), KeyConditionExpression: aws.String("#t = :t"),
		ExpressionAttributeNames: map[string]string{"#t": wiring.AuditTask}, ExpressionAttributeValues: attributes{":t": text(id)}, ConsistentRead: aws.Bool(true),
	}
	if after != "" {
		before, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || !placeForm.Match(before) {
			return task.Entries{}, task.ErrCursor
		}
		in.KeyConditionExpression = aws.String("#t = :t AND #a < :a")
		in.ExpressionAttributeNames["#a"], in.ExpressionAttributeValues[":a"] = wiring.AuditAt, text(string(before))
	}
	var page task.Entries
	last := ""
	for {
		out, err := s.client.Query(ctx, in)
		for i := 0; err == nil && i < len(out.Items); i++ {
			if len(page.Entries) == first {
				page.Next = base64.RawURLEncoding.EncodeToString([]byte(last))
				return page, nil
			}
			var e task.Entry
			last = textOf(out.Items[i][wiring.AuditAt])
			err = json.Unmarshal([]byte(textOf(out.Items[i][document])), &e)
			page.Entries = append(page.Entries, e)
		}
		if err != nil {
			return task.Entries{}, fmt.Errorf("reading the audit of %s: %w", id, err)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return page, nil
		}
	}
}
