package imageplan

import (
	"context"
	"encoding/json"

	"github.com/datatransferhub/dth/worker/run"
)

// streakKey is the object that counts for each image in how many runs in a row it has failed.
const streakKey = "streaks.json"

// Streak is how many failed runs in a row are worth an alarm.
const Streak = 3

type streaks struct {
	Run    string        `json:"run"` // that was counted last
	Images []streakOfOne `json:"images"`
}

type streakOfOne struct {
	Image
	Runs int `json:"runs"`
}

// repeated counts the images that failed in Streak runs in a row, this one included. What counts is a run that planned all images:
// one that could not plan has failed without trying any, and a retry tries only some. Of these a retry takes away what it copied.
func (h *Handler) repeated(ctx context.Context, r *run.Run, planned []plannedImage, failed []failedImage) (int, error) {
	before, err := h.streaks(ctx)
	if err != nil {
		return 0, err
	}
	now := before
	switch {
	case r.Found.IsZero():
		return long(before.Images), nil
	case r.Trigger == Retry:
		now.Images = still(before.Images, planned, failed)
	default:
		now = counted(before, r.ID, failed)
	}
	out, err := json.Marshal(now)
	if err != nil {
		return 0, err
	}
	return long(now.Images), h.Work.Put(ctx, streakKey, out)
}

// streaks reads the count. One that is unreadable begins anew.
func (h *Handler) streaks(ctx context.Context) (s streaks, err error) {
	text, err := h.Work.Get(ctx, streakKey)
	if err != nil || text == nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		h.Log.Warn("the count of runs in which images failed is unreadable and begins anew", "error", err)
		return streaks{}, nil
	}
	return s, nil
}

// counted is the count after a run of all images, the same when the run is counted again.
func counted(before streaks, runID string, failed []failedImage) streaks {
	had := make(map[Image]int, len(before.Images))
	for _, s := range before.Images {
		had[s.Image] = s.Runs
	}
	now := streaks{Run: runID}
	for _, f := range failed {
		runs := had[f.Image]
		if before.Run != runID || runs == 0 {
			runs++
		}
		now.Images = append(now.Images, streakOfOne{f.Image, runs})
	}
	return now
}

// still leaves away what a retry did without a failure.
func still(all []streakOfOne, planned []plannedImage, failed []failedImage) (kept []streakOfOne) {
	over := make(map[Image]bool, len(planned))
	for _, i := range planned {
		over[i.Image] = true
	}
	for _, f := range failed {
		delete(over, f.Image)
	}
	for _, s := range all {
		if !over[s.Image] {
			kept = append(kept, s)
		}
	}
	return kept
}

// long counts the images whose streak is worth an alarm.
func long(all []streakOfOne) (n int) {
	for _, s := range all {
		if s.Runs >= Streak {
			n++
		}
	}
	return n
}
