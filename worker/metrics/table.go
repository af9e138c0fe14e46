package metrics

import (
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
)

// Kind is how the values of a metric belong together.
type Kind string

// The kinds.
const (
	Counted  Kind = "count"        // how many since the line before
	Gauged   Kind = "gauge"        // what is so when the line is written
	Observed Kind = "distribution" // values of single objects
)

// Definition says what one of the product's metrics is.
type Definition struct {
	Name  string
	Unit  Unit
	Kind  Kind
	By    string // the program that writes it; empty: both
	Means string
	Alarm string // what to alarm on; empty: it is there to be looked at
}

// FailuresOf returns the name of the metric that counts the failed objects of one class.
func FailuresOf(class string) string { return "Failures." + class }

// Table returns the product's metrics. Those of failures by class are one entry for each class.
func Table() []Definition {
	const worker, finder = "jobworker", "jobfinder"
	table := []Definition{
		{"TransferredObjects", Count, Counted, worker, "objects copied and recorded as DONE; not those that were in place already", "a sum of 0 for 30 minutes while the queue is not empty"},
		{"TransferredBytes", Bytes, Counted, worker, "bytes of these objects; those of a giant are counted with each of its parts. Copies by the destination itself are among them", ""},
		{"FailedObjects", Count, Counted, worker, "objects recorded as FAILED", "a sum above 0"},
		{"SkippedObjects", Count, Counted, "", "objects skipped, by the finder's decision or a worker's record: archived, filtered, too large, a name that the destination cannot have", ""},
		{"DeletedObjects", Count, Counted, worker, "objects deleted at the destination", "much more than you expect of a pass"},
		{"GoneObjects", Count, Counted, worker, "objects that vanished at the source before they were copied", ""},
		{"ListedObjects", Count, Counted, finder, "objects in the list answers of both ends", ""},
		{"QueuedObjects", Count, Counted, finder, "messages queued for workers; a pass that is continued may queue some objects twice", ""},
		{"Retries", Count, Counted, worker, "requests and messages that were tried again", ""},
		{"Throttles", Count, Counted, worker, "answers 503 and 429: an end asks for less", "a sum that stays high for an hour: lower `workerConcurrency` or `maxCapacity`"},
		{"ServerSideCopies", Count, Counted, worker, "objects that the destination copied by itself", ""},
		{"UnreadableMessages", Count, Counted, worker, "receives of messages that are neither ours nor a notification; after five of them a message is a dead letter", "a sum above 0"},
		{"ActiveTransfers", Count, Gauged, worker, "objects and parts under way", ""},
		{"TransferLimit", Count, Gauged, worker, "as many may be under way; it shrinks when an end asks for less", ""},
		{"EndpointDown", Count, Gauged, worker, "1 while an end is out of reach or refuses everybody, so that nothing is received; else 0", "a maximum above 0 for 5 minutes"},
		{"Throughput", BytesPerSecond, Gauged, worker, "TransferredBytes over the time since the line before; the sum over the workers is the fleet's", ""},
		{"Memory", Bytes, Gauged, "", "what the process has from the system, as the Go runtime counts it", "a maximum above 200 MiB"},
		{"TransferTime", Milliseconds, Observed, worker, "from the beginning of an object's work until its record; not of giants, which many workers share", ""},
		{"TransferThroughput", BytesPerSecond, Observed, worker, "size over TransferTime of the same objects, empty ones left out", ""},
	}
	for _, class := range failure.Classes() {
		table = append(table, Definition{FailuresOf(string(class)), Count, Counted, worker, "`FailedObjects` of this class", ""})
	}
	return table
}

// Markdown returns the table for the guide, with one row for all classes of failures.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| metric | unit | kind | by | what it tells | alarm on |\n|---|---|---|---|---|---|\n")
	row := func(d Definition, by string) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, d.Unit, d.Kind, by, d.Means, d.Alarm)
	}
	for _, d := range Table() {
		switch {
		case strings.HasPrefix(d.Name, FailuresOf("")):
		case d.By == "":
			row(d, "both")
		default:
			row(d, d.By)
		}
	}
	row(Definition{Name: FailuresOf("CLASS"), Unit: Count, Kind: Counted, Means: "`FailedObjects` of one [class](failures.md); from the first failure of the class on"}, "jobworker")
	return b.String()
}
