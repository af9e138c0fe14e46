package stack

import (
	"regexp"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract"
)

// The wider patterns of types take whatever the contract's parsers take.
func TestPatternsOfTypes(t *testing.T) {
	for kind, samples := range map[contract.Type][]string{
		contract.Size:    {"0", "64MiB", "1.5GiB", "1GB", " 5 TiB ", "64M", "10b", "3PB"},
		contract.Rate:    {"0", "200MiB/s", "1GB/s", "5MiB"},
		contract.Time:    {"2026-01-31T00:00:00Z", "2026-01-31T00:00:00.123456+02:00"},
		contract.Percent: {"0", "7", "99%", "100"},
	} {
		for _, sample := range samples {
			if !regexp.MustCompile(typePatterns[kind]).MatchString(sample) {
				t.Errorf("%s %q is refused by %s", kind, sample, typePatterns[kind])
			}
		}
	}
}
