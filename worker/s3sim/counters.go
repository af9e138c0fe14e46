package s3sim

import (
	"sync/atomic"

	"github.com/datatransferhub/dth/worker/s3sim/loopback"
)

// operations are the names under which requests are counted.
var operations = []string{
	"ListBuckets", "HeadBucket", "CreateBucket", "GetBucketLocation", "GetBucketEncryption", "ListObjects", "ListObjectsV2",
	"ListMultipartUploads", "ListParts", "GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject",
	"DeleteObjects", "GetObjectTagging", "PutObjectTagging", "CreateMultipartUpload", "UploadPart", "UploadPartCopy",
	"CompleteMultipartUpload", "AbortMultipartUpload", "Other",
}

type counters struct {
	ops      map[string]*atomic.Int64 // not changed after init
	inFlight atomic.Int64
	peak     atomic.Int64
	bytesIn  atomic.Int64
	bytesOut atomic.Int64
}

func (c *counters) init() {
	c.ops = make(map[string]*atomic.Int64, len(operations))
	for _, op := range operations {
		c.ops[op] = new(atomic.Int64)
	}
}

func (c *counters) begin(op string) int64 {
	loopback.Raise(&c.peak, c.inFlight.Add(1))
	return c.ops[op].Add(1)
}

func (c *counters) end() { c.inFlight.Add(-1) }

// Stats are figures since the store was made.
type Stats struct {
	Requests        int64
	Operations      map[string]int64 // those that were called
	Connections     int64            // opened
	OpenConnections int64            // now
	PeakConnections int64
	PeakInFlight    int64 // requests at once
	BytesIn         int64 // of bodies of writes
	BytesOut        int64 // of bodies of answers
}

// Stats returns the figures.
func (s *Sim) Stats() Stats {
	c, n := &s.counters, s.server.Connections()
	st := Stats{
		Operations: map[string]int64{}, Connections: n.Opened, OpenConnections: n.Open, PeakConnections: n.Peak,
		PeakInFlight: c.peak.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
	for op, n := range c.ops {
		if v := n.Load(); v > 0 {
			st.Operations[op] = v
			st.Requests += v
		}
	}
	return st
}

// Count returns how many requests of an operation came in, refused ones included.
func (s *Sim) Count(op string) int64 {
	if n := s.counters.ops[op]; n != nil {
		return n.Load()
	}
	return 0
}
