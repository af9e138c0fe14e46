package awssimaws

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/awssim"
)

func tables(t *testing.T, o awssim.Options) (*awssim.Sim, *dynamodb.Client) {
	sim := awssim.Run(t, o)
	client := quiet(t)
	return sim, DynamoDB(sim.URL(), func(o *dynamodb.Options) { o.HTTPClient, o.RetryMaxAttempts = client, 1 })
}

type attributes = map[string]types.AttributeValue

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(v)}
}

func TestConditionalPuts(t *testing.T) {
	ctx := context.Background()
	sim, c := tables(t, awssim.Options{})
	ledger := sim.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, nil)
	put := func(seq int, condition string, values attributes) (*dynamodb.PutItemOutput, error) {
		return c.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String("ledger"), Item: attributes{"ObjectKey": s("k \"é\""), "Seq": n(seq), "Worker": s("w")},
			ConditionExpression: aws.String(condition), ExpressionAttributeNames: map[string]string{"#s": "Seq", "#w": "Worker"},
			ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllOld,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
	}
	out, err := put(1, "attribute_not_exists(ObjectKey)", nil)
	if err != nil || out.Attributes != nil {
		t.Fatalf("first put = %+v, %v", out, err)
	}
	_, err = put(2, "attribute_not_exists(ObjectKey)", nil)
	var conflict *types.ConditionalCheckFailedException
	if !asError(err, &conflict) || !same(conflict.Item["Seq"], n(1)) {
		t.Fatalf("second put = %v", err)
	}
	for _, test := range []struct {
		condition string
		holds     bool
	}{
		{"#s = :one AND #w = :w", true},
		{"#s = :one AND NOT #w = :w", false},
		{"#s < :two and (attribute_exists(#w) or #s > :two)", true},
		{"#s BETWEEN :two AND :ten OR begins_with(#w, :w)", true},
		{"#s >= :two OR #s <> :one", false},
		{"none = :one OR #s IN (:two, :ten)", false},
		{"attribute_not_exists(none) AND contains(#w, :w) AND #s <= :one", true},
		{"#s > :ten", false},
		{":ten > :two", true}, // by number, not by text
		{"attribute_type(#s, :n) AND NOT attribute_type(#w, :n)", true},
		{"attribute_type(none, :n)", false},
	} {
		out, err := put(1, test.condition, attributes{":one": n(1), ":two": n(2), ":ten": n(10), ":w": s("w"), ":n": s("N")})
		if test.holds != (err == nil) {
			t.Errorf("%s: %v", test.condition, err)
		}
		if err == nil && !same(out.Attributes["Seq"], n(1)) {
			t.Errorf("%s: replaced %+v", test.condition, out.Attributes)
		}
	}
	if _, err := put(1, "#s ~ :one", attributes{":one": n(1)}); err == nil {
		t.Error("a condition that is none was taken")
	}
	got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("ledger"), Key: attributes{"ObjectKey": s("k \"é\"")}})
	if err != nil || len(got.Item) != 3 || ledger.Len() != 1 {
		t.Errorf("get = %+v, %v", got, err)
	}
}

func same(a, b types.AttributeValue) bool {
	var x, y any
	return attributevalue.Unmarshal(a, &x) == nil && attributevalue.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

func TestUpdates(t *testing.T) {
	ctx := context.Background()
	sim, c := tables(t, awssim.Options{})
	sim.CreateTable("t", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	update := func(expression string, values attributes) attributes {
		t.Helper()
		out, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String("t"), Key: attributes{"PK": s("p"), "SK": s("s")}, UpdateExpression: aws.String(expression),
			ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllNew,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	update("SET a = :x, b = if_not_exists(b, :y) + :x ADD c :x", attributes{":x": n(3), ":y": n(10)})
	got := update("SET a = a - :x, b = if_not_exists(b, :y) ADD c :x REMOVE d", attributes{":x": n(1), ":y": n(99)})
	for name, want := range map[string]int{"a": 2, "b": 13, "c": 4} {
		if !same(got[name], n(want)) {
			t.Errorf("%s = %+v, want %d", name, got[name], want)
		}
	}
	if _, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("t"), Key: attributes{"PK": s("p"), "SK": s("s")}}); err != nil {
		t.Fatal(err)
	}
	if n := sim.CreateTable("t", awssim.Index{}, nil).Len(); n != 0 {
		t.Errorf("%d items are left", n)
	}
}

func TestQueriesArePaged(t *testing.T) {
	ctx := context.Background()
	sim, c := tables(t, awssim.Options{})
	sim.CreateTable("t", awssim.Index{Hash: "PK", Range: "SK"}, map[string]awssim.Index{"byClass": {Hash: "Class", Range: "PK"}})
	for i := range 60 {
		it := attributes{"PK": s(fmt.Sprint("p", i%3)), "SK": n(i)}
		if i%2 == 0 {
			it["Class"] = s("even")
		}
		if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		in   dynamodb.QueryInput
		want int
	}{
		{dynamodb.QueryInput{KeyConditionExpression: aws.String("PK = :p AND SK > :n"), ExpressionAttributeValues: attributes{":p": s("p1"), ":n": n(9)}}, 17},
		{dynamodb.QueryInput{
			KeyConditionExpression: aws.String("PK = :p"), ExpressionAttributeValues: attributes{":p": s("p1")}, ScanIndexForward: aws.Bool(false),
		}, 20},
		{dynamodb.QueryInput{IndexName: aws.String("byClass"), KeyConditionExpression: aws.String("Class = :c"), ExpressionAttributeValues: attributes{":c": s("even")}}, 30},
	} {
		test.in.TableName, test.in.Limit = aws.String("t"), aws.Int32(7)
		seen := map[string]bool{}
		for p := dynamodb.NewQueryPaginator(c, &test.in); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range out.Items {
				seen[it["SK"].(*types.AttributeValueMemberN).Value] = true
			}
		}
		if len(seen) != test.want {
			t.Errorf("%s: %d items, want %d", *test.in.KeyConditionExpression, len(seen), test.want)
		}
	}
}

func TestBatchesLeaveSomeUnprocessed(t *testing.T) {
	ctx := context.Background()
	sim, c := tables(t, awssim.Options{})
	table := sim.CreateTable("t", awssim.Index{Hash: "K"}, nil)
	var writes []types.WriteRequest
	var keys []attributes
	for i := range 25 {
		it := attributes{"K": s(fmt.Sprint(i))}
		keys = append(keys, it)
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
	}
	faulty := func(awssim.Call) awssim.Fault { return awssim.Fault{FailEntry: func(i int) bool { return i%5 == 0 }} }
	sim.SetFault(faulty)
	w, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"t": writes}})
	if err != nil || len(w.UnprocessedItems["t"]) != 5 || table.Len() != 20 {
		t.Fatalf("write = %+v, %v; %d items", w, err, table.Len())
	}
	sim.SetFault(nil)
	if w, err = c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: w.UnprocessedItems}); err != nil || len(w.UnprocessedItems) != 0 || table.Len() != 25 {
		t.Fatalf("second write = %+v, %v; %d items", w, err, table.Len())
	}
	sim.SetFault(faulty)
	ask := map[string]types.KeysAndAttributes{"t": {Keys: append(keys, attributes{"K": s("none")})}}
	found := 0
	for calls := 0; len(ask) > 0 && calls < 10; calls++ {
		out, err := c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: ask})
		if err != nil {
			t.Fatal(err)
		}
		found += len(out.Responses["t"])
		ask = out.UnprocessedKeys
		sim.SetFault(nil)
	}
	if found != 25 {
		t.Errorf("%d items were found", found)
	}
	sim.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{Status: 400} })
	var throttled *types.ProvisionedThroughputExceededException
	if _, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: keys[0]}); !asError(err, &throttled) {
		t.Errorf("error = %v", err)
	}
}
