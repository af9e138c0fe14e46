package logship

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A segment is a file of text: a head that names the log stream, then a line an event: its milliseconds, a blank, its text.
// So whoever looks into the folder can read what has not been shipped. A line without an end was torn by the end of its
// process; it is no event.
const headWord = "dth-log-1 "

// segmentBytes is how long a segment gets before the next one begins. With what events count beside their texts, one is
// about a batch.
const segmentBytes = BatchBytes * 3 / 4

// maxStream is the longest name of a stream.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
const maxStream = 512

// checkStream refuses what cannot be the name of a log stream.
func checkStream(name string) error {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxStream:
		return fmt.Errorf("log stream %.40q: allowed are 1 to %d characters", name, maxStream)
	case strings.ContainsAny(name, ":*\n\r") || !utf8.ValidString(name):
		return fmt.Errorf("log stream %.40q: a name has no colon, no asterisk and no line break", name)
	}
	return nil
}

func appendHead(b []byte, stream string) []byte {
	return append(append(append(b, headWord...), stream...), '\n')
}

func appendEvent(b []byte, e Event) []byte {
	b = append(strconv.AppendInt(b, e.Millis, 10), ' ')
	return append(append(b, e.Text...), '\n')
}

// errHead is the error of a segment whose head cannot be read; nobody knows where its lines belong.
var errHead = errors.New("the head of the segment is not that of a log")

// decode reads a segment. What is no event is left out and counted: after a crash of the machine a file may hold anything.
func decode(segment []byte) (stream string, events []Event, unreadable int, err error) {
	head, rest, whole := bytes.Cut(segment, []byte{'\n'})
	name, known := bytes.CutPrefix(head, []byte(headWord))
	if !whole || !known || checkStream(string(name)) != nil {
		return "", nil, 0, errHead
	}
	for line := range bytes.Lines(rest) {
		e, ok := decodeEvent(line)
		if !ok {
			unreadable++
			continue
		}
		events = append(events, e)
	}
	return string(name), events, unreadable, nil
}

func decodeEvent(line []byte) (e Event, ok bool) {
	line, whole := bytes.CutSuffix(line, []byte{'\n'})
	number, text, parted := bytes.Cut(line, []byte{' '})
	millis, err := strconv.ParseInt(string(number), 10, 64)
	if !whole || !parted || err != nil || !plausible(millis) || len(text) == 0 || len(text) > MaxText || !utf8.Valid(text) {
		return Event{}, false
	}
	return Event{Millis: millis, Text: string(text)}, true
}
