package imageplan

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/run"
)

// shelf is a bucket of work lists.
type shelf map[string][]byte

func (s shelf) Put(_ context.Context, key string, content []byte) error {
	s[key] = content
	return nil
}

func (s shelf) Get(_ context.Context, key string) ([]byte, error) { return s[key], nil }

// Only runs of all images that were planned make a row of failures longer, or break it. A run that could not plan changes nothing; a
// retry takes away what it copied. Counting a run again counts nothing.
func TestRowsOfFailures(t *testing.T) {
	h := &Handler{Work: shelf{}, Log: slog.New(slog.DiscardHandler)}
	a, b := Image{"app", "a"}, Image{"app", "b"}
	for _, step := range []struct {
		run, trigger    string
		planned         bool
		images, failing []Image
		want            int
	}{
		{"1", Schedule, true, []Image{a, b}, []Image{a, b}, 0},
		{"2", Schedule, true, []Image{a, b}, []Image{a, b}, 0},
		{"2", Schedule, true, []Image{a, b}, []Image{a, b}, 0}, // once more, since an answer was lost
		{"3", Schedule, false, nil, nil, 0},                    // a registry could not be read
		{"4", Retry, true, []Image{b}, []Image{b}, 0},          // one image fails again
		{"5", Push, true, []Image{a, b}, []Image{a, b}, 2},
		{"6", Schedule, false, nil, nil, 2}, // who looks at the alarm still finds it
		{"7", Retry, true, []Image{a}, nil, 1},
		{"8", Schedule, true, []Image{b}, []Image{b}, 1},
		{"9", Schedule, true, nil, nil, 0}, // both agree
		{"10", Schedule, true, []Image{b}, []Image{b}, 0},
	} {
		r := &run.Run{ID: step.run, Trigger: step.trigger}
		if step.planned {
			r.Found = time.Unix(1, 0)
		}
		var planned []plannedImage
		for _, i := range step.images {
			planned = append(planned, plannedImage{Image: i})
		}
		var failed []failedImage
		for _, i := range step.failing {
			failed = append(failed, failedImage{Image: i})
		}
		if got, err := h.repeated(t.Context(), r, planned, failed); err != nil || got != step.want {
			t.Errorf("after run %s %d images fail again and again, want %d: %s, %v", step.run, got, step.want, h.Work.(shelf)[streakKey], err)
		}
	}
	h.Work.(shelf)[streakKey] = []byte("{")
	if got, err := h.repeated(t.Context(), &run.Run{ID: "11", Found: time.Unix(1, 0)}, nil, []failedImage{{Image: a}}); err != nil || got != 0 {
		t.Errorf("an unreadable count: %d, %v", got, err)
	}
}
