// Package s3events is the custom resource that subscribes a task's queue to the events of its source bucket: one entry in a
// configuration that others write too.
package s3events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/retry"
)

// Entry is a notification of a bucket to a queue.
type Entry struct {
	ID     string
	Queue  string // ARN
	Events []string
	Prefix string
}

// Other is a notification that somebody else made, to a queue, a topic or a Lambda.
type Other struct {
	ID, To         string
	Events         []string
	Prefix, Suffix string
}

// What a bucket may answer.
var (
	// ErrChanged says that what was written cannot be seen: somebody else wrote at the same time, or S3 shows it later.
	ErrChanged = errors.New("the bucket's notifications are not what was written; somebody else changes them at the same time")
	// ErrElsewhere says that the bucket is in another region than the queue.
	ErrElsewhere = errors.New("S3 sends events only to queues in the bucket's own region; deploy the task in that region, or " + insteadOfEvents)
)

// insteadOfEvents is what works without events.
const insteadOfEvents = "set srcEvent to No and let passes find what changed, as often as ec2CronExpression says, such as rate(10 minutes)"

// Bucket reads and writes a bucket's notifications.
type Bucket interface {
	// Others returns all entries but the one of that id.
	Others(ctx context.Context, bucket, id string) ([]Other, error)
	// Put writes our entry and leaves all others, and the EventBridge switch, as they are. ErrChanged: it has to be tried again.
	Put(ctx context.Context, bucket string, e Entry) error
	// Remove removes our entry. One that is gone, or a bucket that is, is no error. ErrChanged: it has to be tried again.
	Remove(ctx context.Context, bucket, id string) error
}

// Resource implements customresource.Resource. Its physical id is the bucket and the entry's id.
type Resource struct {
	Bucket Bucket
	Wait   time.Duration // before the second try, doubled with each; 0 is a second
}

// Create adds the entry.
func (r Resource) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	bucket, entry, err := Parse(e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	others, err := r.Bucket.Others(ctx, bucket, entry.ID)
	if err != nil {
		return customresource.Result{}, err
	}
	for _, o := range others {
		if o.overlaps(entry) {
			return customresource.Result{}, fmt.Errorf(
				"bucket %s sends %s of keys that begin with %q to %s already (notification %q), and S3 allows no second one of the same events; "+
					"give this task another srcPrefix, remove that notification if nobody needs it, or %s", bucket, strings.Join(o.Events, ", "), o.Prefix, o.To, o.ID, insteadOfEvents)
		}
	}
	err = r.again(ctx, func() error { return r.Bucket.Put(ctx, bucket, entry) })
	return customresource.Result{ID: bucket + "/" + entry.ID}, err
}

// again tries a change until it can be seen: S3 knows no condition on this write, and shows it some time later.
func (r Resource) again(ctx context.Context, change func() error) error {
	const tries = 5
	wait := retry.Policy{Base: cmp.Or(r.Wait, time.Second), Cap: 10 * time.Second}
	for try := 1; ; try++ {
		err := change()
		if !errors.Is(err, ErrChanged) || try == tries || retry.Sleep(ctx, wait.Delay(try)) != nil {
			return err
		}
	}
}

// Update writes the entry anew. In another bucket it is another resource: CloudFormation deletes the old one afterwards.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.Create(ctx, e)
}

// Delete removes the entry. A bucket that cannot be reached any more holds up no stack; what was left is said.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	bucket, id, ok := strings.Cut(e.PhysicalResourceId, "/")
	if !ok {
		return customresource.Result{ID: e.PhysicalResourceId}, nil
	}
	result := customresource.Result{ID: e.PhysicalResourceId}
	if err := r.again(ctx, func() error { return r.Bucket.Remove(ctx, bucket, id) }); err != nil {
		result.Note = fmt.Sprintf("notification %q of bucket %s may be left: %v", id, bucket, err)
	}
	return result, nil
}

// events are S3's names of what the parameter srcEvent asks for.
func events(choice string) []string {
	switch choice {
	case "Create":
		return []string{"s3:ObjectCreated:*", "s3:ObjectRestore:Completed"}
	case "CreateAndDelete":
		return []string{"s3:ObjectCreated:*", "s3:ObjectRestore:Completed", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"}
	}
	return nil
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,255}$`)

// Parse reads the properties. The error names the field, its value and what is allowed.
func Parse(properties json.RawMessage) (bucket string, e Entry, err error) {
	var p map[string]json.RawMessage
	if err := json.Unmarshal(properties, &p); err != nil {
		return "", e, fmt.Errorf("the properties cannot be read: %w", err)
	}
	text := func(name string) string {
		var s string
		if raw, there := p[name]; there && err == nil {
			if json.Unmarshal(raw, &s) != nil {
				err = fmt.Errorf("%s: %s: a text is required", name, raw)
			}
		}
		return s
	}
	bucket = text(wiring.PropBucket)
	e = Entry{ID: text(wiring.PropID), Queue: text(wiring.PropQueueARN), Prefix: Filterable(text(wiring.PropPrefix)), Events: events(text(wiring.PropEvents))}
	switch {
	case err != nil:
	case bucket == "" || strings.Contains(bucket, "/"):
		err = fmt.Errorf("%s: %q: the name of a bucket is required", wiring.PropBucket, bucket)
	case !strings.HasPrefix(e.Queue, "arn:"):
		err = fmt.Errorf("%s: %q: the ARN of a queue is required", wiring.PropQueueARN, e.Queue)
	case e.Events == nil:
		err = fmt.Errorf("%s: %s: allowed are Create and CreateAndDelete", wiring.PropEvents, p[wiring.PropEvents])
	case !entryID.MatchString(e.ID):
		err = fmt.Errorf("%s: %q: allowed are 1 to 255 letters, digits, dots, hyphens and underscores", wiring.PropID, e.ID)
	}
	return bucket, e, err
}

// overlaps reports whether S3 would refuse both entries: it does when one event of one key would go to two places.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func (o Other) overlaps(e Entry) bool {
	if !strings.HasPrefix(o.Prefix, e.Prefix) && !strings.HasPrefix(e.Prefix, o.Prefix) {
		return false
	}
	return slices.ContainsFunc(o.Events, func(a string) bool {
		return slices.ContainsFunc(e.Events, func(b string) bool { return sameEvent(a, b) })
	})
}

// sameEvent reports whether two patterns of events have an event in common: "s3:ObjectCreated:*" and "s3:ObjectCreated:Put".
func sameEvent(a, b string) bool {
	a, b = strings.TrimSuffix(a, "*"), strings.TrimSuffix(b, "*")
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
