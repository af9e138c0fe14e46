package task_test

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/ledger"
)

// Each status of an image is one of an object; those that are no failures any more are no copies either.
func TestImagesAsObjects(t *testing.T) {
	for _, c := range []struct {
		status record.Status
		class  string
		want   ledger.Status
		method string
	}{
		{record.Done, "", ledger.Done, "copy"},
		{record.Unchanged, "", ledger.Done, "none"},
		{record.Unchanged, task.ImageGone, ledger.Gone, "none"},
		{record.Unchanged, "not_chosen", ledger.Skipped, "none"},
		{record.Deleted, "", ledger.Deleted, ""},
		{record.Failed, "network", ledger.Failed, ""},
	} {
		o := task.ObjectOfImage(&record.Record{Key: record.Key{Image: "team/app", Tag: "1"}, Status: c.status, ErrorClass: c.class})
		if o.Key != "team/app:1" || o.Status != c.want || o.Method != c.method || o.ErrorClass != c.class {
			t.Errorf("%s %s: %+v", c.status, c.class, o)
		}
	}
}
