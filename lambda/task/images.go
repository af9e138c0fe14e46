package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/ledger"
)

// ImageOutcomes shows the records of images as those of objects, whose keys are REPOSITORY:TAG and REPOSITORY@DIGEST: what is asked of
// failed objects can be asked of failed images.
type ImageOutcomes struct{ Store record.Store }

var _ Outcomes = ImageOutcomes{}

// statuses says what a record's status is called of an object.
var statuses = map[record.Status]ledger.Status{record.Done: ledger.Done, record.Unchanged: ledger.Done, record.Deleted: ledger.Deleted, record.Failed: ledger.Failed}

// methods say how an image came to be there; none: it was.
var methods = map[record.Status]string{record.Done: "copy", record.Unchanged: "none"}

// ObjectOfImage returns the record of an image as that of an object.
func ObjectOfImage(r *record.Record) ledger.Record {
	return ledger.Record{
		Key: r.Key.String(), Status: statusOf(r), Method: methods[r.Status], Size: r.Bytes, SourceETag: r.SourceDigest, DestinationETag: r.DestinationDigest, VerifiedBy: verifiedBy(r),
		RunID: r.RunID, Attempts: r.Attempts, ErrorClass: r.ErrorClass, Error: r.ErrorMessage, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Worker: r.Execution,
	}
}

// statusOf is the status of an object. An image that had failed and is none of the task's any more is no copy that is done.
func statusOf(r *record.Record) ledger.Status {
	switch {
	case r.Status == record.Unchanged && r.ErrorClass == ImageGone:
		return ledger.Gone
	case r.Status == record.Unchanged && r.ErrorClass != "":
		return ledger.Skipped
	}
	return statuses[r.Status]
}

// ImageGone is the class of images that are on record without a failure since the source does not have them any more.
const ImageGone = "gone"

func verifiedBy(r *record.Record) string {
	if r.DestinationDigest == "" {
		return ""
	}
	return "digest"
}

// Get implements Outcomes. What is no key of an image has no record.
func (o ImageOutcomes) Get(ctx context.Context, keys []string) (map[string]ledger.Record, error) {
	var images []record.Key
	for _, k := range keys {
		if key, err := record.ParseKey(k); err == nil {
			images = append(images, key)
		}
	}
	found, err := o.Store.Get(ctx, images)
	if err != nil {
		return nil, err
	}
	all := make(map[string]ledger.Record, len(found))
	for key, r := range found {
		all[key.String()] = ObjectOfImage(&r)
	}
	return all, nil
}

// Failures implements Outcomes. A page reads once, whatever the class: it may be short, or empty, although more follow.
func (o ImageOutcomes) Failures(ctx context.Context, class string, limit int, after string) (ledger.Page, error) {
	page, err := o.Store.List(ctx, record.Failed, limit, after)
	if err != nil {
		return ledger.Page{}, misplaced(err)
	}
	out := ledger.Page{Next: page.Next}
	for i := range page.Records {
		if r := &page.Records[i]; class == "" || r.ErrorClass == class {
			out.Records = append(out.Records, ObjectOfImage(r))
		}
	}
	return out, nil
}

// misplaced tells a caller's wrong cursor from what does not work.
func misplaced(err error) error {
	if errors.Is(err, record.ErrPlace) {
		return fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return err
}

// ImageQuery asks for images.
type ImageQuery struct {
	Status record.Status // empty: all
	Prefix string        // of their names
	First  int           // 1 to MaxObjects
	After  string
}

// Images returns what became of the images of a task: by status, and in the order of their names within one. A page may be short
// although more follow.
func (s *Service) Images(ctx context.Context, c Caller, id string, q ImageQuery) (record.Page, error) {
	if err := c.need(Viewer); err != nil {
		return record.Page{}, err
	}
	first, err := clamp(q.First, 50, MaxObjects)
	if err != nil {
		return record.Page{}, err
	}
	if q.Status != "" && !slices.Contains(record.Statuses(), q.Status) {
		return record.Page{}, invalid("status", string(q.Status), fmt.Sprintf("allowed are %v", record.Statuses()))
	}
	var page record.Page
	err = s.records(ctx, c, id, func(t Task, r Records) error {
		if r.Images == nil {
			return &Error{Code: WrongState, Field: "id", Value: t.ID, Message: "the task copies objects, and no images", Next: "ask for its objects"}
		}
		page.Next = q.After
		for range objectReads {
			more, err := r.Images.List(ctx, q.Status, first-len(page.Records), page.Next)
			if err != nil {
				return misplaced(err)
			}
			for i := range more.Records {
				if strings.HasPrefix(more.Records[i].Image, q.Prefix) {
					page.Records = append(page.Records, more.Records[i])
				}
			}
			if page.Next = more.Next; more.Next == "" || len(page.Records) >= first {
				return nil
			}
		}
		return nil
	})
	return page, err
}
