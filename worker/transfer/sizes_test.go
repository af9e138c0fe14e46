package transfer

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/job"
)

func TestPartSizeFor(t *testing.T) {
	tests := []struct {
		size     int64
		maxParts int
		want     int64
	}{
		{0, 10_000, 64 * job.MiB},
		{job.GiB, 10_000, 64 * job.MiB},
		{640_000 * job.MiB, 10_000, 64 * job.MiB},
		{640_000*job.MiB + 1, 10_000, 65 * job.MiB},
		{5 * job.TiB, 10_000, 525 * job.MiB},
		{48 * job.TiB, 10_000, 5034 * job.MiB},
		{job.GiB, 0, 64 * job.MiB},
	}
	for _, tt := range tests {
		want := min(tt.want, 5*job.GiB)
		if got := PartSizeFor(tt.size, tt.maxParts); got != want {
			t.Errorf("%d bytes in %d parts: %d MiB, want %d MiB", tt.size, tt.maxParts, got/job.MiB, want/job.MiB)
		}
	}
}

// Every object up to the limit of S3 fits into its parts.
func TestPartsHoldEveryObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 10_000*5*job.GiB).Draw(t, "size")
		part := PartSizeFor(size, 10_000)
		if parts := (size + part - 1) / part; parts > 10_000 || part > 5*job.GiB || part < 5*job.MiB {
			t.Fatalf("%d bytes: %d parts of %d", size, parts, part)
		}
	})
}

func TestWithoutChunking(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "gzip": "gzip", "aws-chunked": "", "aws-chunked,gzip": "gzip", "gzip, aws-chunked": "gzip", "gzip,br": "gzip,br",
	} {
		if got := withoutChunking(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPaceLetsEverythingThroughInOrder(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 50_000)
	got, err := io.ReadAll(NewPace(100<<20).reader(context.Background(), bytes.NewReader(data)))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if NewPace(0) != nil {
		t.Error("no limit is a limit")
	}
	ctx, stop := context.WithCancel(context.Background())
	slow := NewPace(1).reader(ctx, bytes.NewReader(data))
	time.AfterFunc(20*time.Millisecond, stop)
	if _, err := io.ReadAll(slow); err == nil {
		t.Error("a paced read goes on after its context has ended")
	}
}
