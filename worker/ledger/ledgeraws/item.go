package ledgeraws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// attribute is a DynamoDB value: a string or a number.
type attribute struct{ S, N string }

// item is a record as the table holds it: the fields are the attributes' names. FailureShard is written only.
type item struct {
	ObjectKey, Status, Size, SourceETag, DestinationETag, Checksum, VerifiedBy, Sequencer, Attempts attribute
	Method, ErrorClass, Error, StartedAt, FinishedAt, Bytes, Worker, Seq, Before, Upload            attribute
	RunID                                                                                           attribute `json:"RunId"`
}

const timeForm = "2006-01-02T15:04:05.000Z07:00"

// appendItem appends a record as a DynamoDB item. Empty attributes are left out, but for those of the revision. A
// record that is kept for a time has the end of it.
func appendItem(b []byte, r *ledger.Record, keep time.Duration) []byte {
	b = wireaws.AppendString(append(b, `{"ObjectKey":{"S":`...), r.Key)
	b = append(wireaws.AppendString(append(b, `},"Worker":{"S":`...), r.Worker), '}')
	b = append(strconv.AppendInt(append(b, `,"Seq":{"N":"`...), r.Seq, 10), `"}`...)
	b = appendText(b, `,"Status":{"S":`, string(r.Status))
	b = appendNumber(b, `,"Size":{"N":"`, r.Size)
	b = appendText(b, `,"SourceETag":{"S":`, r.SourceETag)
	b = appendText(b, `,"DestinationETag":{"S":`, r.DestinationETag)
	b = appendText(b, `,"Checksum":{"S":`, r.Checksum)
	b = appendText(b, `,"VerifiedBy":{"S":`, r.VerifiedBy)
	b = appendText(b, `,"Sequencer":{"S":`, r.Sequencer)
	b = appendText(b, `,"RunId":{"S":`, r.RunID)
	b = appendNumber(b, `,"Attempts":{"N":"`, int64(r.Attempts))
	b = appendText(b, `,"Method":{"S":`, r.Method)
	b = appendText(b, `,"ErrorClass":{"S":`, r.ErrorClass)
	b = appendText(b, `,"Error":{"S":`, ledger.Bounded(r.Error))
	b = appendTime(b, `,"StartedAt":{"S":"`, r.StartedAt)
	b = appendTime(b, `,"FinishedAt":{"S":"`, r.FinishedAt)
	b = appendNumber(b, `,"Bytes":{"N":"`, r.Bytes)
	b = appendText(b, `,"Upload":{"S":`, r.Upload)
	if keep > 0 && !r.FinishedAt.IsZero() {
		b = appendNumber(b, `,"`+Expires+`":{"N":"`, r.FinishedAt.Add(keep).Unix())
	}
	if len(r.Before) > 0 {
		before, _ := json.Marshal(r.Before) // texts and numbers
		b = appendText(b, `,"Before":{"S":`, string(before))
		b = appendText(b, `,"Remembers":{"S":`, remembered(r.Before))
	}
	if r.Status == ledger.Failed {
		b = appendText(b, `,"FailureShard":{"S":`, shardName(cmp.Or(r.ErrorClass, string(failure.Other)), shardOf(r.Key)))
	}
	return append(b, '}')
}

// remembered lists the runs of which a record remembers records, for conditions: each between two line breaks, which no run's
// name has.
func remembered(before []ledger.Prior) string {
	text := "\n"
	for _, p := range before {
		text += p.Run + "\n"
	}
	return text
}

func appendText(b []byte, start, value string) []byte {
	if value == "" {
		return b
	}
	return append(wireaws.AppendString(append(b, start...), value), '}')
}

func appendNumber(b []byte, start string, value int64) []byte {
	if value == 0 {
		return b
	}
	return append(strconv.AppendInt(append(b, start...), value, 10), `"}`...)
}

func appendTime(b []byte, start string, value time.Time) []byte {
	if value.IsZero() {
		return b
	}
	return append(value.UTC().AppendFormat(append(b, start...), timeForm), `"}`...)
}

// shards is over how many partitions of the index the failures of one class are spread: a fleet that loses its rights
// writes thousands of them a second.
const shards = 16

func shardOf(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int(h.Sum32() % shards)
}

func shardName(class string, shard int) string { return class + "#" + strconv.Itoa(shard) }

// reader reads attributes and keeps the first error.
type reader struct{ err error }

func (d *reader) number(name string, a attribute) int64 {
	if a.N == "" {
		return 0
	}
	n, err := strconv.ParseInt(a.N, 10, 64)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", name, err)
	}
	return n
}

func (d *reader) time(name string, a attribute) time.Time {
	if a.S == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, a.S)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", name, err)
	}
	return at.UTC()
}

func (i *item) record() (ledger.Record, error) {
	var d reader
	r := ledger.Record{
		Key: i.ObjectKey.S, Status: ledger.Status(i.Status.S), Size: d.number("Size", i.Size),
		SourceETag: i.SourceETag.S, DestinationETag: i.DestinationETag.S, Checksum: i.Checksum.S, VerifiedBy: i.VerifiedBy.S,
		Sequencer: i.Sequencer.S, RunID: i.RunID.S, Attempts: int(d.number("Attempts", i.Attempts)), Method: i.Method.S,
		ErrorClass: i.ErrorClass.S, Error: i.Error.S, StartedAt: d.time("StartedAt", i.StartedAt), FinishedAt: d.time("FinishedAt", i.FinishedAt),
		Bytes: d.number("Bytes", i.Bytes), Worker: i.Worker.S, Seq: d.number("Seq", i.Seq), Upload: i.Upload.S,
	}
	if i.Before.S != "" && d.err == nil {
		d.err = json.Unmarshal([]byte(i.Before.S), &r.Before)
	}
	if d.err != nil {
		return r, fmt.Errorf("ledger record of %q cannot be read: %w", r.Key, d.err)
	}
	return r, nil
}
