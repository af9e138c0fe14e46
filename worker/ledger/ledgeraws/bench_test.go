//go:build unix

package ledgeraws_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/retry"
)

func constantConfig(b *testing.B, answer string) aws.Config {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
		_, _ = io.WriteString(w, answer)
	}))
	b.Cleanup(s.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AK", "secret", "")),
	}
}

func usual() ledger.Record {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return ledger.Record{
		Key: "photos/2026/01/00000001.jpg", Status: ledger.Done, Size: 4096, SourceETag: "d41d8cd98f00b204e9800998ecf8427e",
		DestinationETag: "d41d8cd98f00b204e9800998ecf8427e", Checksum: "rosUhgp5mIg=", VerifiedBy: "crc64nvme", RunID: "20260101T000000.000000Z",
		Attempts: 1, Method: "stream", StartedAt: at, FinishedAt: at.Add(time.Second), Bytes: 4096, Worker: "host-123", Seq: 17,
	}
}

// measure reports the CPU of the whole process, server included, for each call.
func measure(b *testing.B, f func() error) {
	if err := f(); err != nil {
		b.Fatal(err)
	}
	before := cpu(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-us/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut is one PutItem.
func BenchmarkPut(b *testing.B) {
	l, err := ledgeraws.Open(b.Context(), constantConfig(b, `{}`), "ledger", retry.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := usual()
	measure(b, func() error {
		_, err := l.Put(b.Context(), r, nil)
		return err
	})
}

// BenchmarkPutWithSDK is the same by the SDK's client and encoder.
func BenchmarkPutWithSDK(b *testing.B) {
	client := dynamodb.NewFromConfig(constantConfig(b, `{}`))
	r := usual()
	measure(b, func() error {
		item, err := attributevalue.MarshalMap(r)
		if err != nil {
			return err
		}
		_, err = client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: aws.String("ledger"), Item: item, ReturnValues: types.ReturnValueAllOld,
		})
		return err
	})
}

// BenchmarkGet reads a hundred records.
func BenchmarkGet(b *testing.B) {
	var items, keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("photos/2026/01/%08d.jpg", i))
		items = append(items, `{"ObjectKey":{"S":"`+keys[i]+`"},"Status":{"S":"DONE"},"Size":{"N":"4096"},"SourceETag":{"S":"d41d8cd98f00b204e9800998ecf8427e"},`+
			`"DestinationETag":{"S":"d41d8cd98f00b204e9800998ecf8427e"},"Checksum":{"S":"rosUhgp5mIg="},"VerifiedBy":{"S":"crc64nvme"},"RunId":{"S":"20260101T000000.000000Z"},`+
			`"Attempts":{"N":"1"},"Method":{"S":"stream"},"StartedAt":{"S":"2026-01-01T00:00:00.000Z"},"FinishedAt":{"S":"2026-01-01T00:00:01.000Z"},"Bytes":{"N":"4096"},`+
			`"Worker":{"S":"host-123"},"Seq":{"N":"17"}}`)
	}
	l, err := ledgeraws.Open(b.Context(), constantConfig(b, `{"Responses":{"ledger":[`+strings.Join(items, ",")+`]},"UnprocessedKeys":{}}`), "ledger", retry.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	measure(b, func() error {
		got, err := l.Get(b.Context(), keys)
		if err == nil && len(got) != len(keys) {
			err = fmt.Errorf("%d records", len(got))
		}
		return err
	})
}
