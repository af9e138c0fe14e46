package s3events_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/s3events"
)

func TestFilters(t *testing.T) {
	for _, c := range []struct{ prefix, filterable, value string }{
		{"", "", ""},
		{"photos/2026-11/a_b.c", "photos/2026-11/a_b.c", "photos/2026-11/a_b.c"},
		{"year=2026/my photos/", "year=2026/my photos/", "year%3D2026/my+photos/"},
		{"a+b~c/ü/%2F", "a+b~c/ü/%2F", "a%2Bb%7Ec/%C3%BC/%252F"},
		{"a(b)!'c'/", "a(b)!'c'/", "a%28b%29%21%27c%27/"},
		{"logs/*/today", "logs/", "logs/"},
		{strings.Repeat("a", 1024), strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		{strings.Repeat("ü", 512), strings.Repeat("ü", 170), strings.Repeat("%C3%BC", 170)}, // six letters each
	} {
		got := s3events.Filterable(c.prefix)
		if got != c.filterable || s3events.Filter(got) != c.value || s3events.Unfilter(c.value) != c.filterable {
			t.Errorf("%q: %q is filtered by %q", c.prefix, got, s3events.Filter(got))
		}
	}
	if got := s3events.Unfilter("100%/"); got != "100%/" {
		t.Errorf("a value that is not encoded means %q", got)
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("my photos/ü=1/*")
	f.Fuzz(func(t *testing.T, prefix string) {
		kept := s3events.Filterable(prefix)
		value := s3events.Filter(kept)
		if !strings.HasPrefix(prefix, kept) || len(value) > 1024 || s3events.Unfilter(value) != kept || strings.ContainsAny(value, " *=&<>\"'\\") {
			t.Errorf("%q is kept as %q and filtered by %q", prefix, kept, value)
		}
	})
}

// bucket changes under one's hands, so many times.
type bucket struct {
	s3events.Bucket
	changes int
	tries   int
}

func (b *bucket) try() error {
	if b.tries++; b.tries <= b.changes {
		return s3events.ErrChanged
	}
	return nil
}

func (b *bucket) Others(context.Context, string, string) ([]s3events.Other, error) { return nil, nil }

func (b *bucket) Put(context.Context, string, s3events.Entry) error { return b.try() }

func (b *bucket) Remove(context.Context, string, string) error { return b.try() }

func TestChangesAreTriedUntilTheyAreSeen(t *testing.T) {
	properties := json.RawMessage(`{"Bucket":"b","QueueArn":"arn:q","Events":"Create","NotificationId":"x"}`)
	for changes, tries := range map[int]int{0: 1, 3: 4, 100: 5} {
		b := &bucket{changes: changes}
		r := s3events.Resource{Bucket: b, Wait: time.Microsecond}
		created, err := r.Create(t.Context(), customresource.Event{ResourceProperties: properties})
		if created.ID != "b/x" && err == nil || b.tries != tries || (err != nil) != (changes > tries) || err != nil && !errors.Is(err, s3events.ErrChanged) {
			t.Errorf("after %d changes: %+v, %v, %d tries", changes, created, err, b.tries)
		}
		b.tries = 0
		removed, err := r.Delete(t.Context(), customresource.Event{PhysicalResourceId: "b/x"})
		if err != nil || b.tries != tries || (removed.Note != "") != (changes > tries) {
			t.Errorf("after %d changes: removed %+v, %v, %d tries", changes, removed, err, b.tries)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Bucket":"b","QueueArn":"arn:q","Events":"Create","NotificationId":"x","Prefix":"a*"}`))
	f.Add([]byte(`{"Bucket":1,"Events":null}`))
	f.Fuzz(func(t *testing.T, properties []byte) {
		bucket, e, err := s3events.Parse(properties)
		if err == nil && (bucket == "" || e.ID == "" || e.Queue == "" || len(e.Events) == 0 || strings.Contains(e.Prefix, "*")) {
			t.Errorf("%s is taken as %q, %+v", properties, bucket, e)
		}
	})
}

// taken is a bucket whose events go elsewhere already.
type taken struct{ bucket }

func (taken) Others(context.Context, string, string) ([]s3events.Other, error) {
	return []s3events.Other{{ID: "theirs", To: "arn:aws:lambda:f", Events: []string{"s3:ObjectCreated:Put"}}}, nil
}

// Who is refused hears of a way that works: the queue takes no events of EventBridge, and with srcEvent at No nobody follows any.
func TestRefusalsNameAWay(t *testing.T) {
	_, overlaps := s3events.Resource{Bucket: &taken{}}.Create(t.Context(), customresource.Event{
		ResourceProperties: json.RawMessage(`{"Bucket":"b","QueueArn":"arn:q","Events":"Create","NotificationId":"x"}`),
	})
	for _, err := range []error{overlaps, s3events.ErrElsewhere} {
		if err == nil || strings.Contains(err.Error(), "EventBridge") || !strings.Contains(err.Error(), "set srcEvent to No and let passes find what changed") {
			t.Errorf("refused with %v", err)
		}
	}
}
