// Package units reads and writes sizes and rates as people write them.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// factor returns the multiplier of a unit; the empty unit is bytes.
func factor(unit string) (float64, bool) {
	switch strings.ToLower(unit) {
	case "", "b":
		return 1, true
	case "k", "kib":
		return 1 << 10, true
	case "m", "mib":
		return 1 << 20, true
	case "g", "gib":
		return 1 << 30, true
	case "t", "tib":
		return 1 << 40, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	case "tb":
		return 1e12, true
	}
	return 0, false
}

// ParseSize reads a size in bytes: "64MiB", "1.5GiB", "1GB" (decimal) or plain bytes. A letter alone ("64M") is
// binary. Negative sizes, unknown units and sizes beyond 2^63-1 are errors.
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	f, ok := factor(strings.TrimSpace(text[end:]))
	if !ok || end == 0 {
		return 0, fmt.Errorf("%q is no size; write bytes or a number with KiB, MiB, GiB or TiB, such as 64MiB", s)
	}
	if f == 1 {
		n, err := strconv.ParseInt(text[:end], 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%q is no size in bytes", s)
		}
		return n, nil
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	if err != nil || n < 0 || strings.ContainsAny(text[:end], "eExXpP_") {
		return 0, fmt.Errorf("%q is no size; write bytes or a number with KiB, MiB, GiB or TiB, such as 64MiB", s)
	}
	if n*f >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is larger than any size", s)
	}
	return int64(math.Round(n * f)), nil
}

// ParseRate reads bytes a second: a size followed by "/s", which may be left out. 0 means no limit.
func ParseRate(s string) (int64, error) {
	n, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err != nil {
		return 0, fmt.Errorf("%q is no rate; write a size a second, such as 200MiB/s, or 0 for no limit", s)
	}
	return n, nil
}

// FormatSize prints a size in binary units with at most one decimal: "64 MiB", "1.5 GiB".
func FormatSize(n int64) string {
	if n < 0 {
		return "-" + FormatSize(-n)
	}
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		v /= 1 << 10
		if v < 1023.95 || unit == "PiB" {
			return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + unit
		}
	}
	return ""
}
