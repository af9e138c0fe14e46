package contract

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sample() *Contract {
	return &Contract{
		Plugin: "sample",
		Parameters: []Parameter{
			{Name: "kind", Group: "One", Label: "Kind", Help: "What it is.", Type: Choice, Default: "a", Allowed: []string{"a", "b"}, OnUpdate: Replaced},
			{Name: "name", Group: "One", Label: "Name", Help: "Its name.", Type: String, Required: true, Pattern: `^[a-z]+$`, Rule: "small letters", MaxBytes: 8, OnUpdate: Nothing},
			{Name: "onlyB", Group: "One", Label: "B", Help: "For *b* only.", Type: Bool, Default: "true", When: []Condition{{"kind", []string{"b"}}}, OnUpdate: Restart},
			{Name: "count", Group: "Two", Label: "Count", Help: "How many.", Type: Integer, Default: "2", Min: 1, Max: 9},
			{Name: "share", Group: "Two", Label: "Share", Help: "Of all.", Type: Percent, Max: 100},
			{Name: "size", Group: "Two", Label: "Size", Help: "How large.", Type: Size, Min: 1 << 10},
			{Name: "rate", Group: "Two", Label: "Rate", Help: "How fast.", Type: Rate},
			{Name: "time", Group: "Two", Label: "Time", Help: "When.", Type: Time},
			{Name: "list", Group: "Two", Label: "List", Help: "Several.", Type: List},
			{Name: "lines", Group: "Two", Label: "Lines", Help: "Several.", Type: Lines},
			{Name: "cron", Group: "Two", Label: "Cron", Help: "How often.", Type: Cron, Default: "0 * * * ? *"},
		},
		Rules: []Rule{func(v Values) []FieldError {
			if v["name"] == "taken" {
				return []FieldError{{"name", v["name"], "this name is taken"}}
			}
			return nil
		}},
		Defaults: func(given Values) map[string]string {
			if given["kind"] == "b" {
				return map[string]string{"count": "5"}
			}
			return nil
		},
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, tt := range []struct{ field, value, says string }{
		{"kind", "c", "allowed: a, b"},
		{"name", "", "required: Its name."},
		{"name", "Upper", "small letters"},
		{"name", "muchtoolong", "11 bytes, allowed are 8"},
		{"name", "\xff", "not UTF-8"},
		{"name", "taken", "taken"},
		{"onlyB", "false", "only when kind is b"},
		{"count", "0", "1 to 9"},
		{"count", "10", "1 to 9"},
		{"count", "1.5", "whole number"},
		{"count", "5%", "whole number"},
		{"count", "99999999999999999999", "whole number"},
		{"share", "101", "0 to 100"},
		{"share", "-1%", "0 to 100"},
		{"share", "5%%", "whole number"},
		{"size", "1023", "at least 1 KiB"},
		{"size", "big", "no size"},
		{"rate", "fast", "no rate"},
		{"time", "2026-01-31", "RFC 3339"},
		{"cron", "* * *", "six"},
		{"nam", "x", "did you mean name?"},
		{"ONLYB", "true", "did you mean onlyB?"},
		{strings.Repeat("x", 1<<20), "y", "unknown"},
		{"zzzzzzzzzz", "y", "unknown"},
	} {
		given := map[string]string{"name": "good"}
		given[tt.field] = tt.value
		_, err := sample().Validate(given)
		var errs Errors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%.20s=%s: %.200v", tt.field, tt.value, err)
			continue
		}
		e := errs[0]
		if e.Field != tt.field || e.Value != strings.ToValidUTF8(tt.value, "\ufffd") || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%.20s=%s: %.200v; want %q", tt.field, tt.value, e, tt.says)
		}
	}
}

func TestValidateTellsAllInOrder(t *testing.T) {
	_, err := sample().Validate(map[string]string{"zz1": "", "aa1": "v", "kind": "c", "count": "x", "cron": "y"})
	var got []string
	var errs Errors
	if errors.As(err, &errs) {
		for _, e := range errs {
			got = append(got, e.Field)
		}
	}
	if d := cmp.Diff([]string{"aa1", "zz1", "kind", "name", "count", "cron"}, got); d != "" {
		t.Error(d)
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 6 {
		t.Errorf("%d lines:\n%v", lines, err)
	}
}

func TestErrorTextIsShort(t *testing.T) {
	long := FieldError{"name", strings.Repeat("é", 1000), "wrong"}.Error()
	if len(long) > 160 || !strings.HasSuffix(long, ": wrong") {
		t.Errorf("%q", long)
	}
	if got := (FieldError{"name", "", "wrong"}).Error(); got != "name: wrong" {
		t.Errorf("%q", got)
	}
}

func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		name        string
		given, want map[string]string
	}{
		{"own", map[string]string{"name": "x"}, map[string]string{"name": "x", "kind": "a", "count": "2", "cron": "0 * * * ? *"}},
		{"empty is not given", map[string]string{"name": "x", "count": ""}, map[string]string{"name": "x", "kind": "a", "count": "2", "cron": "0 * * * ? *"}},
		{"an empty schedule is given", map[string]string{"name": "x", "cron": ""}, map[string]string{"name": "x", "kind": "a", "count": "2", "cron": ""}},
		{"by another value", map[string]string{"name": "x", "kind": "b"}, map[string]string{"name": "x", "kind": "b", "onlyB": "true", "count": "5", "cron": "0 * * * ? *"}},
		{"what was given wins", map[string]string{"name": "x", "kind": "b", "count": "7"}, map[string]string{"name": "x", "kind": "b", "onlyB": "true", "count": "7", "cron": "0 * * * ? *"}},
		{"an idle default says nothing", map[string]string{"name": "x", "onlyB": "true"}, map[string]string{"name": "x", "kind": "a", "count": "2", "cron": "0 * * * ? *"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sample().Validate(tt.given)
			if d := cmp.Diff(Values(tt.want), got); d != "" || err != nil {
				t.Error(d, err)
			}
		})
	}
}

func TestSubset(t *testing.T) {
	s := sample().Subset([]string{"Two"}, map[string]string{"count": "9", "share": "50"})
	got, err := s.Validate(nil)
	if d := cmp.Diff(Values{"count": "9", "share": "50", "cron": "0 * * * ? *"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if p, _ := s.Find("count"); p.Default != "9" {
		t.Errorf("the default shown is %s", p.Default)
	}
	if p, _ := sample().Find("count"); p.Default != "2" {
		t.Errorf("the contract itself was changed: %s", p.Default)
	}
	if _, err := s.Validate(map[string]string{"name": "x"}); err == nil {
		t.Error("a parameter outside of the groups was taken")
	}
}

func TestValuesAreRead(t *testing.T) {
	v := Values{
		"yes": "Yes", "true": "true", "no": "No", "n": "25%", "size": "1.5KiB", "rate": "2KiB/s", "time": "2026-01-31T12:00:00+02:00",
		"list": "a, b\r\n{c,d},e\\,f , ,\n", "lines": " a \r\n\r\nb,c\n",
	}
	if !v.Is("yes") || !v.Is("true") || v.Is("no") || v.Is("absent") {
		t.Error("truth")
	}
	size, given := v.Size("size")
	_, absent := v.Size("absent")
	if v.Integer("n") != 25 || v.Integer("absent") != 0 || size != 1536 || !given || absent || v.Rate("rate") != 2048 || v.Rate("absent") != 0 {
		t.Error("numbers")
	}
	if !v.Time("time").Equal(time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)) || !v.Time("absent").IsZero() {
		t.Error("times")
	}
	if d := cmp.Diff([]string{"a", "b", "{c,d}", `e\,f`}, v.List("list")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{" a ", "b,c"}, v.Lines("lines")); d != "" {
		t.Error(d)
	}
	if v.List("absent") != nil || v.Lines("absent") != nil {
		t.Error("absent lists")
	}
}

// Entries without commas, braces and white space survive being joined in either way.
func TestListsOfAnyEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringMatching(`[a-z*/.\[\]?]{1,6}`), 1, 5).Draw(t, "entries")
		by := rapid.SampledFrom([]string{",", "\n", ", ", " ,\r\n"}).Draw(t, "separator")
		if d := cmp.Diff(want, Values{"l": strings.Join(want, by)}.List("l")); d != "" {
			t.Fatal(d)
		}
	})
}

func TestMarkdown(t *testing.T) {
	got := sample().Markdown()
	for _, want := range []string{
		"## One\n", "## Two\n", "| `kind` <br> `--kind` | `a` | a, b | **Kind.** What it is. | refused: create another task |",
		"| `name` <br> `--name` | required | small letters |", "For \\*b\\* only. Applies when kind is b.", "| 1 .. 9 |", "`0 * * * ? *`", "| true, false |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
