package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dayRule is the pair of day fields, of which exactly one is in use; the other is "?".
type dayRule struct {
	byWeek    bool
	set       uint64 // days of the month, or of the week with Sunday = 1
	last      bool   // L: the last day of the month, or the last such weekday of it
	weekdayOf int    // nW: the weekday nearest to day n; -1 is LW
	nth       int    // d#n: the n-th such weekday of the month
}

// weekdays are the names of 1 to 7.
func weekdays() []string { return []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"} }

func parseDays(month, week string) (dayRule, error) {
	switch {
	case month == "?" && week == "?":
		return dayRule{}, fmt.Errorf("day-of-month and day-of-week are both %q; give one of them", "?")
	case week == "?":
		return parseDayOfMonth(month)
	case month == "?":
		return parseDayOfWeek(week)
	}
	return dayRule{}, fmt.Errorf("day-of-month %q and day-of-week %q are both given; one of them must be %q", month, week, "?")
}

func parseDayOfMonth(text string) (dayRule, error) {
	f := &field{"day-of-month", 1, 31, nil}
	switch {
	case text == "L":
		return dayRule{last: true}, nil
	case text == "LW":
		return dayRule{weekdayOf: -1}, nil
	case strings.HasSuffix(text, "W"):
		n, err := f.named(strings.TrimSuffix(text, "W"))
		if text == "W" || err != nil {
			return dayRule{}, fmt.Errorf("day-of-month %q: W follows a day, such as 15W, or L", text)
		}
		return dayRule{weekdayOf: n}, nil
	}
	set, err := bits(f, text)
	return dayRule{set: set}, err
}

func parseDayOfWeek(text string) (dayRule, error) {
	f := &field{"day-of-week", 1, 7, weekdays()}
	if day, nth, ok := strings.Cut(text, "#"); ok {
		d, err := f.named(day)
		n, nthErr := strconv.Atoi(nth)
		if err != nil || nthErr != nil || n < 1 || n > 5 || len(nth) != 1 {
			return dayRule{}, fmt.Errorf("day-of-week %q: write a day and which of the month, 1 to 5, such as 3#2", text)
		}
		return dayRule{byWeek: true, set: 1 << d, nth: n}, nil
	}
	if text == "L" {
		return dayRule{byWeek: true, set: 1 << 7}, nil
	}
	if day, ok := strings.CutSuffix(text, "L"); ok {
		d, err := f.named(day)
		if err != nil {
			return dayRule{}, fmt.Errorf("day-of-week %q: L follows a day, such as 6L", text)
		}
		return dayRule{byWeek: true, set: 1 << d, last: true}, nil
	}
	set, err := bits(f, text)
	return dayRule{byWeek: true, set: set}, err
}

// named is value for texts that may be empty.
func (f *field) named(text string) (int, error) {
	if text == "" {
		return 0, f.refuse(text, "a day is missing")
	}
	return f.value(text)
}

// matches reports whether the rule takes a date.
func (r *dayRule) matches(t time.Time) bool {
	lastDay := time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if r.byWeek {
		if r.set&(1<<(int(t.Weekday())+1)) == 0 {
			return false
		}
		return (!r.last || t.Day()+7 > lastDay) && (r.nth == 0 || (t.Day()-1)/7+1 == r.nth)
	}
	switch {
	case r.last:
		return t.Day() == lastDay
	case r.weekdayOf == -1:
		return t.Day() == nearestWeekday(t, lastDay, lastDay)
	case r.weekdayOf > 0:
		return r.weekdayOf <= lastDay && t.Day() == nearestWeekday(t, r.weekdayOf, lastDay)
	}
	return r.set&(1<<t.Day()) != 0
}

// nearestWeekday returns the day from Monday to Friday that is nearest to a day and in the same month.
func nearestWeekday(t time.Time, day, lastDay int) int {
	switch time.Date(t.Year(), t.Month(), day, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == lastDay {
			return day - 2
		}
		return day + 1
	}
	return day
}
