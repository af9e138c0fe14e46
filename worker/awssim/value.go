package awssim

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
)

// item is a decoded item: attribute names and their values as the protocol writes them, e.g. {"S":"x"}.
type item map[string]json.RawMessage

// value is a decoded attribute value; kind is S, N, B, BOOL, NULL, M, L, SS, NS or BS.
type value struct {
	kind string
	raw  json.RawMessage
	text string // of S, N and B
}

func decodeValue(raw json.RawMessage) (value, bool) {
	if len(raw) == 0 {
		return value{}, false
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || len(m) != 1 {
		return value{}, false
	}
	for kind, inner := range m {
		v := value{kind: kind, raw: inner}
		switch kind {
		case "S", "N", "B":
			if err := json.Unmarshal(inner, &v.text); err != nil {
				return value{}, false
			}
		}
		return v, true
	}
	return value{}, false
}

// compare orders two values of one kind; ok is false where the kinds differ or have no order.
func (v value) compare(o value) (c int, ok bool) {
	if v.kind != o.kind {
		return 0, false
	}
	switch v.kind {
	case "S", "B":
		return strings.Compare(v.text, o.text), true
	case "N":
		return number(v.text).Cmp(number(o.text)), true
	}
	return 0, false
}

func (v value) equal(o value) bool {
	if c, ok := v.compare(o); ok {
		return c == 0
	}
	return v.kind == o.kind && bytes.Equal(compact(v.raw), compact(o.raw))
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return raw
	}
	return b.Bytes()
}

// number reads the 38 digits that a table's numbers have.
func number(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return new(big.Rat)
	}
	return r
}

func numberValue(r *big.Rat) json.RawMessage {
	text := r.RatString()
	if !r.IsInt() {
		text = strings.TrimRight(r.FloatString(38), "0")
	}
	return json.RawMessage(`{"N":"` + text + `"}`)
}
