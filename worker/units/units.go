// Package units reads and writes sizes and rates as people write them.
package units

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// factor returns the multiplier of a unit; the empty unit is bytes.
func factor(unit string) (int64, bool) {
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
	case "p", "pib":
		return 1 << 50, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	case "tb":
		return 1e12, true
	case "pb":
		return 1e15, true
	}
	return 0, false
}

// longest is more than any size needs; exact arithmetic costs time by the length.
const longest = 64

// ParseSize reads a size in bytes: "64MiB", "1.5GiB", "1GB" (decimal) or plain bytes. A letter alone ("64M") is
// binary. The result is exact, rounded to whole bytes. Negative sizes, unknown units, parts of a byte and sizes
// beyond 2^63-1 are errors.
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	number := text[:end]
	f, known := factor(strings.TrimSpace(text[end:]))
	whole, fraction, dotted := strings.Cut(number, ".")
	if !known || len(text) > longest || !digits(whole) || dotted && !digits(fraction) {
		return 0, fmt.Errorf("%.*q is no size; write bytes or a number with KiB, MiB, GiB or TiB, such as 64MiB", longest, s)
	}
	if dotted && f == 1 {
		return 0, fmt.Errorf("%.*q is no size; bytes are counted whole", longest, s)
	}
	n, _ := new(big.Rat).SetString(number) // digits and at most one dot
	n.Mul(n, new(big.Rat).SetInt64(f)).Add(n, big.NewRat(1, 2))
	bytes := new(big.Int).Quo(n.Num(), n.Denom())
	if !bytes.IsInt64() {
		return 0, fmt.Errorf("%.*q is larger than any size; allowed are sizes below 8192 PiB", longest, s)
	}
	return bytes.Int64(), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ParseRate reads bytes a second: a size followed by "/s", which may be left out. 0 means no limit.
func ParseRate(s string) (int64, error) {
	n, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err != nil {
		return 0, fmt.Errorf("%.*q is no rate; write a size a second, such as 200MiB/s, or 0 for no limit", longest, s)
	}
	return n, nil
}

// FormatRate prints a rate: "200 MiB/s".
func FormatRate(n int64) string { return FormatSize(n) + "/s" }

// FormatSize prints a size in binary units with at most one decimal: "64 MiB", "1.5 GiB".
func FormatSize(n int64) string {
	if n > -1<<10 && n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n)/(1<<10), "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB", "PiB"} {
		if math.Abs(v) < 1023.95 { // more would be printed as 1024
			break
		}
		v, unit = v/(1<<10), next
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + unit
}
