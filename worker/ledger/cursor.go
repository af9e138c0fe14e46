package ledger

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Cursor is the place of a failed record, as Page.Next tells it: records after it, by class and key, follow.
type Cursor struct{ Class, Key string }

// String returns the cursor as text for any protocol.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.Class + "\x00" + c.Key))
}

// ParseCursor reads a cursor; the empty text is the place before everything.
func ParseCursor(text string) (Cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	class, key, ok := strings.Cut(string(raw), "\x00")
	if err != nil || !ok && text != "" {
		return Cursor{}, fmt.Errorf("%q is no place in a list of failures; pass on what the page before gave", text)
	}
	return Cursor{class, key}, nil
}

// MaxError is how many bytes of Record.Error are kept.
const MaxError = 2048

// Bounded returns an error text as it is stored: valid UTF-8 of at most MaxError bytes.
func Bounded(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= MaxError {
		return text
	}
	end := MaxError
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
