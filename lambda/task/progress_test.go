package task_test

import (
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// What a run tells of its objects: copies apart from what was there already, and never more settled than queued.
func TestProgressOf(t *testing.T) {
	r := &run.Run{ID: "r-1", State: run.Copying}
	r.Finder.Queued = 10
	outcomes := map[string]run.Tally{
		"DONE:stream": {Objects: 4, Bytes: 400}, "DONE:multipart": {Objects: 1, Bytes: 1000}, "DONE:none": {Objects: 3, Bytes: 300}, "FAILED": {Objects: 2, Bytes: 20}, "IN_PROGRESS": {Objects: 1, Bytes: 7},
	}
	p := task.ProgressOf(r, outcomes, 9, time.Now())
	if p.Copied != 5 || p.Bytes != 1400 || p.Failed != 2 || p.Settled != 9 || p.Queued != 10 {
		t.Errorf("it is %+v", p)
	}
	if p := task.ProgressOf(r, outcomes, 12, time.Now()); p.Settled != 12 || p.Queued != 12 { // the finder broke off after it had queued more
		t.Errorf("after a finder that broke off it is %+v", p)
	}
}
