package checksum

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// The vectors are those of the NVM Express NVM Command Set Specification 1.0d, figure "64b CRC Test Cases",
// and the check value of the CRC catalogue.
func TestPublishedVectors(t *testing.T) {
	ascending := make([]byte, 4096)
	for i := range ascending {
		ascending[i] = byte(i)
	}
	descending := make([]byte, 4096)
	for i := range descending {
		descending[i] = byte(255 - i)
	}
	tests := []struct {
		name string
		data []byte
		want uint64
	}{
		{"check", []byte("123456789"), 0xae8b14860a799888},
		{"zeros", make([]byte, 4096), 0x6482d367eb22b64e},
		{"ones", bytes.Repeat([]byte{0xff}, 4096), 0xc0ddba7302eca3ac},
		{"ascending", ascending, 0x3e729f5f6750449c},
		{"descending", descending, 0x9a2df64b8e9e517e},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.data); got != tt.want {
				t.Errorf("sum is %#x, want %#x", got, tt.want)
			}
			for _, cut := range []int{0, 1, len(tt.data) / 3, len(tt.data) - 1, len(tt.data)} {
				a, b := tt.data[:cut], tt.data[cut:]
				if got := Combine(Of(a), Of(b), int64(len(b))); got != tt.want {
					t.Errorf("combined at %d: %#x, want %#x", cut, got, tt.want)
				}
			}
		})
	}
}

func TestCombineManyParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 12).Draw(t, "parts")
		var whole []byte
		sum := Of(nil)
		for _, p := range parts {
			whole = append(whole, p...)
			sum = Combine(sum, Of(p), int64(len(p)))
		}
		if want := Of(whole); sum != want {
			t.Fatalf("combined %#x, want %#x", sum, want)
		}
	})
}

func TestEncode(t *testing.T) {
	const sum = 0xae8b14860a799888
	text := Encode(sum)
	if text != "rosUhgp5mIg=" {
		t.Errorf("encoded %q", text)
	}
	if got, err := Decode(text); err != nil || got != sum {
		t.Errorf("decoded %#x, %v", got, err)
	}
	for _, bad := range []string{"", "rosUhgp5mI==", "x", "rosUhgp5mIgA"} {
		if _, err := Decode(bad); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
}
