package units

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1024": 1024, "64MiB": 64 << 20, "64 MiB": 64 << 20, "64m": 64 << 20, "1.5GiB": 3 << 29, "1GB": 1e9, "5TiB": 5 << 40,
		" 7b ": 7, "9223372036854775807": math.MaxInt64, "8191PiB": 8191 << 50, "2PB": 2e15, "3kb": 3000, "1MB": 1e6, "2TB": 2e12, "007": 7,
		"0.1KiB": 102, "0.0005KB": 1, "4503599627370497.5KiB": 4503599627370497<<10 + 512, // beyond what floating point holds exactly
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"": "no size", "MiB": "no size", "-1": "no size", "-1MiB": "no size", "+1": "no size", "1XB": "no size", "1e3MiB": "no size", "0x10": "no size",
		"1..5GiB": "no size", ".": "no size", ".5GiB": "no size", "5.GiB": "no size", "1_000KiB": "no size", "Inf": "no size", "NaNKiB": "no size",
		"1,5GiB": "no size", "1 000": "no size", "٣": "no size", "64MiB/s": "no size",
		"1.5": "whole", "0.5B": "whole",
		"9223372036854775808": "larger than any", "8192PiB": "larger than any", "9000000TiB": "larger than any",
	} {
		got, err := ParseSize(in)
		if err == nil {
			t.Errorf("%q was taken for %d", in, got)
		} else if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), strconv.Quote(in)) {
			t.Errorf("%q: the error does not name the value and say %q: %v", in, says, err)
		}
	}
	if _, err := ParseSize(strings.Repeat("9", 1<<20)); err == nil || len(err.Error()) > 200 {
		t.Errorf("a number without end: %.300v", err)
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "200MiB/s": 200 << 20, "1GB": 1e9, " 1.5KiB/s ": 1536, "64 MiB /s": 64 << 20} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "fast", "/s", "1MiB/m", "1MiB/s/s", "-1/s", "9000000TiB/s"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("%q was taken for %d", in, got)
		} else if !strings.Contains(err.Error(), strconv.Quote(in)) || !strings.Contains(err.Error(), "200MiB/s") {
			t.Errorf("%q: the error does not name the value and what is allowed: %v", in, err)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", -1023: "-1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 20: "64 MiB", 1<<20 - 1: "1 MiB", 1<<30 - 1: "1 GiB", 5 << 40: "5 TiB",
		-2048: "-2 KiB", 1 << 50: "1 PiB", math.MaxInt64: "8192 PiB", math.MinInt64: "-8192 PiB",
	} {
		if got := FormatSize(in); got != want {
			t.Errorf("%d: %q, want %q", in, got, want)
		}
	}
	if got := FormatRate(200 << 20); got != "200 MiB/s" {
		t.Errorf("rate %q", got)
	}
}

// What was read is a size; printed, it is read again as nearly the same one.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64MiB", "1.5 gb", "9223372036854775807", "8191PiB", "0.0001k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d bytes", s, n)
		}
		if again, err := ParseSize(strconv.FormatInt(n, 10) + "B"); err != nil || again != n {
			t.Errorf("%d bytes became %d, %v", n, again, err)
		}
		if n > math.MaxInt64-1<<49 {
			return // printed, it is rounded beyond the largest size
		}
		again, err := ParseSize(FormatSize(n))
		if err != nil || math.Abs(float64(again-n)) > float64(n)*0.05+0.5 {
			t.Errorf("%q is %d bytes, printed %q, which is %d, %v", s, n, FormatSize(n), again, err)
		}
	})
}

// Any rate that is read is no less than the size in it.
func FuzzParseRate(f *testing.F) {
	f.Add("200MiB/s")
	f.Add("0")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseRate(s)
		if err != nil {
			return
		}
		if size, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s")); err != nil || size != n {
			t.Errorf("%q is %d a second, and as a size %d, %v", s, n, size, err)
		}
	})
}
