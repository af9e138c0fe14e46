package listxml

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendText appends character data with its entities resolved.
func appendText(to, text []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return appendNormalized(to, text), nil
		}
		to = appendNormalized(to, text[:i])
		text = text[i+1:]
		end := bytes.IndexByte(text, ';')
		if end < 0 {
			return to, fmt.Errorf("an entity without its end")
		}
		var err error
		if to, err = appendEntity(to, text[:end]); err != nil {
			return to, err
		}
		text = text[end+1:]
	}
}

// appendNormalized appends raw text, with line ends as XML wants them: CR LF and CR become LF. A CR that is
// meant comes as an entity.
func appendNormalized(to, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\r')
		if i < 0 {
			return append(to, text...)
		}
		to = append(append(to, text[:i]...), '\n')
		text = text[i+1:]
		if len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
	}
}

func appendEntity(to, name []byte) ([]byte, error) {
	switch string(name) {
	case "amp":
		return append(to, '&'), nil
	case "lt":
		return append(to, '<'), nil
	case "gt":
		return append(to, '>'), nil
	case "quot":
		return append(to, '"'), nil
	case "apos":
		return append(to, '\''), nil
	}
	if len(name) < 2 || name[0] != '#' {
		return to, fmt.Errorf("entity %q is unknown", name)
	}
	digits, base := string(name[1:]), 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune {
		return to, fmt.Errorf("entity %q is no character", name)
	}
	return utf8.AppendRune(to, rune(n)), nil
}

// unescape decodes a percent-encoded text in place and returns its new length. "+" is a space, as in the forms
// that encoding-type=url follows.
func unescape(b []byte) (int, error) {
	i := 0
	for i < len(b) && b[i] != '%' && b[i] != '+' {
		i++
	}
	n := i
	for ; i < len(b); i++ {
		c := b[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(b) {
				return 0, fmt.Errorf("%q is no percent-encoding", b[i:])
			}
			high, low := unhex(b[i+1]), unhex(b[i+2])
			if high < 0 || low < 0 {
				return 0, fmt.Errorf("%q is no percent-encoding", b[i:i+3])
			}
			c = byte(high<<4 | low)
			i += 2
		}
		b[n] = c
		n++
	}
	return n, nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// parseTime reads a timestamp. Nearly all have the one form that the fast path knows.
func parseTime(b []byte) (time.Time, error) {
	if t, ok := parsePlain(b); ok {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(bytes.TrimSpace(b)))
	return t.UTC(), err
}

// parsePlain reads 2006-01-02T15:04:05Z with or without three decimals.
func parsePlain(b []byte) (time.Time, bool) {
	if len(b) != len("2006-01-02T15:04:05.000Z") && len(b) != len("2006-01-02T15:04:05Z") {
		return time.Time{}, false
	}
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return time.Time{}, false
	}
	year, month, day := digits(b[0:4]), digits(b[5:7]), digits(b[8:10])
	hour, minute, second, milli := digits(b[11:13]), digits(b[14:16]), digits(b[17:19]), 0
	if len(b) > 20 {
		if b[19] != '.' {
			return time.Time{}, false
		}
		milli = digits(b[20:23])
	}
	if year < 1 || month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || milli < 0 {
		return time.Time{}, false
	}
	seconds := daysSinceEpoch(year, month, day)*86400 + int64(hour*3600+minute*60+second)
	return time.Unix(seconds, int64(milli)*1e6).UTC(), true
}

// digits returns a decimal number, -1 when something else is in it.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1 << 20
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts days from 1970-01-01 in the proleptic Gregorian calendar, with the year beginning in
// March so that the leap day is its last.
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return int64(era)*146097 + int64(dayOfEra) - 719468
}
