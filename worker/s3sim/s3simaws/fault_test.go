package s3simaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/s3sim"
)

// read gets the object k of bucket b and returns what came of it.
func read(c *s3.Client) ([]byte, error) {
	out, err := c.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func TestFaultsOfReads(t *testing.T) {
	sim, c := open(t, s3sim.Options{})
	always := func(f s3sim.Fault) { sim.SetFault(func(s3sim.Call) s3sim.Fault { return f }) }
	whole := sim.Bucket("b").PutPattern("k", 3<<20, 5)
	var data bytes.Buffer
	if err := whole.Content.WriteRange(&data, 0, 3<<20); err != nil {
		t.Fatal(err)
	}
	always(s3sim.Fault{Status: 503})
	_, err := read(c)
	wantCode(t, err, "SlowDown", 503)
	always(s3sim.Fault{Status: 500})
	_, err = read(c)
	wantCode(t, err, "InternalError", 500)

	for _, kind := range []s3sim.BodyFault{s3sim.Reset, s3sim.Truncate} {
		always(s3sim.Fault{Body: kind, After: 1<<20 + 7})
		got, err := read(c)
		if err == nil {
			t.Errorf("fault %d: no error after %d bytes", kind, len(got))
		}
		if kind == s3sim.Truncate && len(got) != 1<<20+7 || !bytes.HasPrefix(data.Bytes(), got) {
			t.Errorf("fault %d: %d bytes", kind, len(got))
		}
	}
	always(s3sim.Fault{Body: s3sim.Reset})
	if _, err := read(c); err == nil {
		t.Error("no error of a connection reset before headers")
	}
	always(s3sim.Fault{Body: s3sim.Stall, After: 100, For: 10 * time.Millisecond})
	if got, err := read(c); err == nil || len(got) != 100 {
		t.Errorf("stall: %d bytes, %v", len(got), err)
	}
	always(s3sim.Fault{Body: s3sim.CorruptByte, After: 1000})
	got, err := read(c)
	data.Bytes()[1000] ^= 1
	if err == nil || !strings.Contains(err.Error(), "checksum did not match") || !bytes.Equal(got, data.Bytes()) {
		t.Errorf("corrupted body: %d bytes, %v", len(got), err)
	}
	always(s3sim.Fault{BytesPerSecond: 1 << 30})
	if got, err := read(c); err != nil || len(got) != 3<<20 {
		t.Errorf("slow body: %d bytes, %v", len(got), err)
	}
}

func TestStallEndsWithTheClient(t *testing.T) {
	sim, c := open(t, s3sim.Options{Fault: func(s3sim.Call) s3sim.Fault { return s3sim.Fault{Body: s3sim.Stall, After: 5} }})
	sim.Bucket("b").PutBytes("k", []byte("0123456789"))
	ctx, cancel := context.WithCancel(context.Background())
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if _, err := io.ReadFull(out.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(out.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestFaultsOfWrites(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	always := func(f s3sim.Fault) { sim.SetFault(func(s3sim.Call) s3sim.Fault { return f }) }
	b := sim.Bucket("b")
	put := func() error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader(strings.Repeat("x", 1<<20))})
		return err
	}
	for _, kind := range []s3sim.BodyFault{s3sim.Reset, s3sim.Truncate} {
		always(s3sim.Fault{Body: kind, After: 1000})
		if err := put(); err == nil || b.Get("k") != nil {
			t.Errorf("fault %d: error %v, object %v", kind, err, b.Get("k"))
		}
	}
	always(s3sim.Fault{LoseAnswer: true})
	if err := put(); err == nil || b.Get("k") == nil {
		t.Errorf("lost answer: error %v, object %v", err, b.Get("k"))
	}
	always(s3sim.Fault{Late: true})
	_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("k2"), CopySource: aws.String("b/k")})
	if err == nil || !strings.Contains(err.Error(), "InternalError") {
		t.Errorf("late error of a copy = %v", err)
	}
}

func TestHooks(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	count := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		calls[name]++
	}
	sim, c := open(t, s3sim.Options{
		Before: func(call s3sim.Call) { count("before " + call.Op + " " + call.Key) },
		After:  func(call s3sim.Call, status int) { count(fmt.Sprint("after ", call.Op, " ", status)) },
	})
	b := sim.Bucket("b")
	b.PutBytes("k", []byte("0123456789"))
	sim.OnBodyOffset("b", "k", 4, func() { count("offset 4"); b.PutBytes("k", []byte("changed")) })
	if got, err := read(c); err != nil || string(got) != "0123456789" {
		t.Errorf("read %q, %v", got, err)
	}
	if got, err := read(c); err != nil || string(got) != "changed" {
		t.Errorf("second read %q, %v", got, err)
	}
	if st := sim.Stats(); st.Operations["GetObject"] != 2 || st.Connections < 1 || st.PeakInFlight < 1 {
		t.Errorf("stats = %+v", st)
	}
	sim.Close()
	want := map[string]int{"before GetObject k": 2, "after GetObject 200": 2, "offset 4": 1}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
}
