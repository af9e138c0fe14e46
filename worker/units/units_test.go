package units

import (
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	good := map[string]int64{
		"0": 0, "1024": 1024, "64MiB": 64 << 20, "64 MiB": 64 << 20, "64m": 64 << 20, "1.5GiB": 3 << 29, "1GB": 1e9, "5TiB": 5 << 40,
		" 7b ": 7, "9223372036854775807": 9223372036854775807,
	}
	for in, want := range good {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "-1MiB", "1XB", "1e3MiB", "0x10", "9223372036854775808", "9000000TiB", "1..5GiB", "1_000KiB", "1.5"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q was taken for %d", in, got)
		} else if !strings.Contains(err.Error(), in) {
			t.Errorf("%q: the error does not name the value: %v", in, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "200MiB/s": 200 << 20, "1GB": 1e9} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	if _, err := ParseRate("fast"); err == nil {
		t.Error("a word was taken for a rate")
	}
}

func TestFormatSize(t *testing.T) {
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 20: "64 MiB", 1<<30 - 1: "1 GiB", 5 << 40: "5 TiB", -2048: "-2 KiB"} {
		if got := FormatSize(in); got != want {
			t.Errorf("%d: %q, want %q", in, got, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("64MiB")
	f.Add("1.5 gb")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Errorf("%q is %d bytes", s, n)
		}
	})
}
