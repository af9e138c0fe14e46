//go:build unix

package queueaws_test

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
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/queue/queueaws"
)

// constantServer gives one answer to everything; its own cost is measured by BenchmarkPlainPost.
func constantServer(b *testing.B, answer string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/x-amz-json-1.0"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
		_, _ = io.WriteString(w, answer)
	}))
	b.Cleanup(s.Close)
	return s
}

func tenBodies() []string {
	bodies := make([]string, 10)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"v":1,"kind":"object","run":"20260101T000000.000000Z","key":"photos/2026/01/%08d.jpg","size":4096,`+
			`"etag":"d41d8cd98f00b204e9800998ecf8427e","modified":"2026-01-01T00:00:00Z","op":"copy"}`, i)
	}
	return bodies
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

// BenchmarkSend is one SendMessageBatch of ten messages.
func BenchmarkSend(b *testing.B) {
	s := constantServer(b, tenSent())
	q, err := queueaws.Open(b.Context(), serviceConfig(s.URL), s.URL+"/q", queueaws.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	bodies := tenBodies()
	measure(b, func() error { return q.Send(b.Context(), bodies) })
}

// BenchmarkSendWithSDK is the same by the SDK's client.
func BenchmarkSendWithSDK(b *testing.B) {
	s := constantServer(b, tenSent())
	client := sqs.NewFromConfig(serviceConfig(s.URL), func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	bodies := tenBodies()
	measure(b, func() error {
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(s.URL + "/q")}
		for i := range bodies {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]})
		}
		_, err := client.SendMessageBatch(b.Context(), in)
		return err
	})
}

// BenchmarkPlainPost is what net/http on both sides costs without anything of ours.
func BenchmarkPlainPost(b *testing.B) {
	s := constantServer(b, tenSent())
	body := strings.Join(tenBodies(), "")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	measure(b, func() error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL, strings.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}

// BenchmarkSendMany is what a finder does: 64 sends of a hundred messages at once. One operation is one message.
func BenchmarkSendMany(b *testing.B) {
	s := constantServer(b, tenSent())
	q, err := queueaws.Open(b.Context(), serviceConfig(s.URL), s.URL+"/q", queueaws.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	var bodies []string
	for range 10 {
		bodies = append(bodies, tenBodies()...)
	}
	before := cpu(b)
	b.ResetTimer()
	var g errgroup.Group
	g.SetLimit(64)
	for sent := 0; sent < b.N; sent += len(bodies) {
		g.Go(func() error { return q.Send(b.Context(), bodies) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-us/op")
}
