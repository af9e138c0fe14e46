package logship

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of one call. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
const (
	// BatchBytes is the most that a batch may have: its texts in UTF-8, and EventOverhead for each event.
	BatchBytes = 1 << 20
	// EventOverhead is what an event counts beside its text, in bytes.
	EventOverhead = 26
	// BatchEvents is the most events of a batch.
	BatchEvents = 10_000
	// BatchSpan is the time that the events of a batch may lie apart.
	BatchSpan = 24 * time.Hour
	// MaxText is the longest text of an event, in bytes. The page has said 1 MiB since 2025 and 256 KiB before; the lesser
	// holds wherever the log may go.
	MaxText = 256<<10 - EventOverhead
)

// Event is one line of a log.
type Event struct {
	Millis int64  // since 1970, UTC
	Text   string // valid UTF-8, one line, never empty, at most MaxText bytes
}

// newEvent makes an event of a line that has no line break. What is no UTF-8 is replaced, and what is too long is cut.
func newEvent(line string, arrived time.Time) Event {
	return Event{Millis: timeOf(line, arrived), Text: cut(strings.ToValidUTF8(line, "\uFFFD"))}
}

// timeOf is when a line says that it happened: its "time" as slog writes it, or the "Timestamp" of embedded metrics; else
// when it arrived.
func timeOf(line string, arrived time.Time) int64 {
	var root map[string]json.RawMessage
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &root) != nil {
		return arrived.UnixMilli()
	}
	var said time.Time
	if json.Unmarshal(root["time"], &said) == nil && plausible(said.UnixMilli()) {
		return said.UnixMilli()
	}
	var meta map[string]json.RawMessage
	var millis int64
	if json.Unmarshal(root["_aws"], &meta) == nil && json.Unmarshal(meta["Timestamp"], &millis) == nil && plausible(millis) {
		return millis
	}
	return arrived.UnixMilli()
}

// plausible reports whether a time can be said to the service, which knows no negative ones.
func plausible(millis int64) bool { return millis > 0 }

// cut shortens a text that is too long, and says so at its end.
func cut(text string) string {
	if len(text) <= MaxText {
		return text
	}
	mark := fmt.Sprintf(" [cut: the line has %d bytes]", len(text))
	end := MaxText - len(mark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// batches puts events in the order of their times and divides them so that each batch keeps to the limits of one call. Those
// of one time stay as they are.
func batches(events []Event) [][]Event {
	slices.SortStableFunc(events, func(a, b Event) int {
		switch {
		case a.Millis < b.Millis:
			return -1
		case a.Millis > b.Millis:
			return 1
		}
		return 0
	})
	var out [][]Event
	from, size := 0, 0
	for i, e := range events {
		more := len(e.Text) + EventOverhead
		span := e.Millis - events[from].Millis
		if i > from && (size+more > BatchBytes || i-from == BatchEvents || span >= BatchSpan.Milliseconds()) {
			out = append(out, events[from:i])
			from, size = i, 0
		}
		size += more
	}
	if from < len(events) {
		out = append(out, events[from:])
	}
	return out
}
