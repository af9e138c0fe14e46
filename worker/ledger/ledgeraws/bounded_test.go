package ledgeraws_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
)

// A page of failed objects costs the same few queries, wherever it lies, however many objects failed, and none of them reads
// more than a page needs.
func TestPagesOfFailuresCostTheSameEverywhere(t *testing.T) {
	sim := awssim.New(awssim.Options{})
	t.Cleanup(func() { sim.Close() })
	sim.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{ledgeraws.Index: {Hash: "FailureShard", Range: "ObjectKey"}})
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledgeraws.Open(t.Context(), aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("AKSIM", "secret", ""),
	}, "ledger", policy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	const objects, page = 2_000, 100
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := w; i < objects; i += 8 {
				r := ledger.Record{Key: fmt.Sprintf("k%06d", i), Status: ledger.Failed, ErrorClass: string(failure.AccessDenied), Error: "403", Worker: fmt.Sprint(w), Seq: int64(i)}
				if _, err := l.Put(t.Context(), r, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	queries := func(after string) int64 {
		t.Helper()
		before := sim.Stats().Operations["Query"]
		got, err := l.Failures(t.Context(), string(failure.AccessDenied), page, after)
		if err != nil || len(got.Records) == 0 || len(got.Records) > page || got.Records[0].Class() == "" {
			t.Fatalf("the page after %q has %d records, %v", after, len(got.Records), err)
		}
		return sim.Stats().Operations["Query"] - before
	}
	first := queries("")
	for _, at := range []int{0, objects / 2, objects - 2} {
		after := ledger.Cursor{Class: string(failure.AccessDenied), Key: fmt.Sprintf("k%06d", at)}.String()
		if n := queries(after); n != first || n > 16 {
			t.Errorf("the page after object %d costs %d queries, the first one %d", at, n, first)
		}
	}
}
