package awssim

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The services must cost little beside the client that is measured against them.
func BenchmarkCalls(b *testing.B) {
	var entries bytes.Buffer
	for i := range 10 {
		if i > 0 {
			entries.WriteByte(',')
		}
		fmt.Fprintf(&entries, `{"Id":"%d","MessageBody":"{\"v\":1,\"kind\":\"object\",\"run\":\"r\",\"key\":\"some/prefix/object-%012d.bin\",\"size\":4096}"}`, i, i)
	}
	record := `{"ObjectKey":{"S":"some/prefix/object-%d.bin"},"Status":{"S":"DONE"},"Size":{"N":"4096"},"SourceETag":{"S":"0123456789abcdef0123456789abcdef"},` +
		`"DestinationETag":{"S":"0123456789abcdef0123456789abcdef"},"RunId":{"S":"r"},"Attempts":{"N":"1"},"Method":{"S":"stream"},"Worker":{"S":"w"},"Seq":{"N":"7"}}`
	for _, bench := range []struct {
		name, target string
		body         func(i int) string
	}{
		{"SendMessageBatch", "AmazonSQS.SendMessageBatch", func(int) string { return `{"QueueUrl":"http://h/0/q","Entries":[` + entries.String() + `]}` }},
		{"PutItem", "DynamoDB_20120810.PutItem", func(i int) string {
			return `{"TableName":"t","ReturnValues":"ALL_OLD","ConditionExpression":"attribute_not_exists(ObjectKey) OR Seq = :s","ExpressionAttributeValues":{":s":{"N":"7"}},"Item":` +
				fmt.Sprintf(record, i%100_000) + `}`
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := New(Options{})
			s.CreateQueue("q", QueueOptions{})
			s.CreateTable("t", Index{Hash: "ObjectKey"}, nil)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte(bench.body(i))))
				r.Header.Set("X-Amz-Target", bench.target)
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
				i++
			}
		})
	}
}
