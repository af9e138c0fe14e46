package cron

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	const form = "2006-01-02 15:04"
	// The first ones are the examples of the EventBridge documentation.
	tests := []struct{ expr, after, want string }{
		{"cron(0 10 * * ? *)", "2026-11-23 10:00", "2026-11-24 10:00"},
		{"cron(15 12 * * ? *)", "2026-11-23 10:00", "2026-11-23 12:15"},
		{"cron(0 18 ? * MON-FRI *)", "2026-11-20 18:00", "2026-11-23 18:00"},
		{"cron(0 8 1 * ? *)", "2026-11-23 10:00", "2026-12-01 08:00"},
		{"cron(0/15 * * * ? *)", "2026-11-23 10:07", "2026-11-23 10:15"},
		{"cron(0/10 * ? * MON-FRI *)", "2026-11-20 23:55", "2026-11-23 00:00"},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-11-23 17:55", "2026-11-24 08:00"},
		{"cron(0 9 ? * 2#1 *)", "2026-11-23 10:00", "2026-12-07 09:00"},
		{"0 * * * ? *", "2026-11-23 10:00", "2026-11-23 11:00"},
		{"cron(0 0 L * ? *)", "2028-02-01 00:00", "2028-02-29 00:00"},
		{"cron(0 0 LW * ? *)", "2026-01-01 00:00", "2026-01-30 00:00"},
		{"cron(0 0 15W * ? *)", "2026-08-01 00:00", "2026-08-14 00:00"},
		{"cron(0 0 1W * ? *)", "2026-07-31 23:00", "2026-08-03 00:00"},
		{"cron(0 0 ? * 6L *)", "2026-11-23 00:00", "2026-11-27 00:00"},
		{"cron(0 0 ? * L *)", "2026-11-23 00:00", "2026-11-28 00:00"},
		{"cron(0 0 29 FEB ? *)", "2026-11-23 00:00", "2028-02-29 00:00"},
		{"cron(30 4 1,15 jan,jul ? 2027-2028)", "2026-11-23 00:00", "2027-01-01 04:30"},
		{"rate(5 minutes)", "2026-11-23 10:01", "2026-11-23 10:06"},
		{"rate(1 day)", "2026-11-23 10:01", "2026-11-24 10:01"},
	}
	for _, tt := range tests {
		s, err := Parse(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		after, _ := time.Parse(form, tt.after)
		got, ok := s.Next(after)
		if !ok || got.Format(form) != tt.want {
			t.Errorf("%s after %s: %s, want %s", tt.expr, tt.after, got.Format(form), tt.want)
		}
	}
	s, err := Parse("0 0 1 1 ? 2020")
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
		t.Errorf("a schedule that is over runs again at %s", at)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, expr := range []string{
		"", "* * * * *", "0 * * * * *", "0 * ? * ? *", "60 * * * ? *", "0 24 * * ? *", "0 0 32 * ? *", "0 0 * 13 ? *", "0 0 ? * 8 *",
		"0 0 ? * 0 *", "0 0 * * ? 1969", "0 0 * * ? 2200", "5-1 * * * ? *", "*/0 * * * ? *", "a * * * ? *", "0 0 W * ? *", "0 0 32W * ? *",
		"0 0 ? * 3#6 *", "0 0 ? * #1 *", "0 0 ? * XL *", "-1 * * * ? *", "+1 * * * ? *", ", * * * ? *",
		"rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(1 week)", "rate(5)", "rate(99999999999 days)", "cron(0 * * * ? *",
	} {
		if _, err := Parse(expr); err == nil {
			t.Errorf("%q was taken", expr)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("cron(0/15 8-17 ? * MON-FRI *)")
	f.Add("0 0 LW * ? 2030")
	f.Add("rate(5 minutes)")
	after := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := Parse(expr)
		if err != nil {
			return
		}
		if at, ok := s.Next(after); ok && !at.After(after) {
			t.Errorf("%q after %s is %s", expr, after, at)
		}
	})
}
