package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// Right is something that a transfer needs at one of its ends.
type Right string

// The rights.
const (
	Reaching    Right = "reach" // the bucket is there, in this region, and knows the identity
	Listing     Right = "list"
	Reading     Right = "read"
	ReadingTags Right = "readTags"
	Writing     Right = "write"
	WritingTags Right = "writeTags"
	Multipart   Right = "multipart" // uploads are begun, listed and aborted
	Deleting    Right = "delete"
	KMS         Right = "kms"       // the key that objects are encrypted with can be used
	Ownership   Right = "ownership" // the bucket takes the ACL that objects are written with
	Events      Right = "events"    // notifications of the source arrive
)

// Result is what a look at a right has shown.
type Result string

// The results. Unknown is what could not be tried, or did not answer in time.
const (
	OK      Result = "ok"
	Denied  Result = "denied"
	Unknown Result = "unknown"
)

// Finding tells of one right at one end.
type Finding struct {
	End     string `json:"end"` // source or destination
	Right   Right  `json:"right"`
	Result  Result `json:"result"`
	Message string `json:"message,omitempty"` // what was seen; for ok mostly nothing
	Remedy  string `json:"remedy,omitempty"`  // what to grant, or which setting to change; empty for ok
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s: %s", f.End, f.Right, f.Result)
	for _, more := range []string{f.Message, f.Remedy} {
		if more != "" {
			text += "; " + more
		}
	}
	return text
}

// AnyDenied returns the findings that say no, as one error; nil when there is none.
func AnyDenied(all []Finding) error {
	var err error
	for _, f := range all {
		if f.Result == Denied {
			err = errors.Join(err, errors.New(f.String()))
		}
	}
	return err
}

// Readable is an end that objects are read from.
type Readable interface {
	End
	List(ctx context.Context, r store.ListRequest) (*store.Page, error)
	Get(ctx context.Context, r store.GetRequest) (*store.Body, error)
	Tags(ctx context.Context, key, versionID string) (map[string]string, error)
}

// Writable is an end that objects are written to.
type Writable interface {
	End
	List(ctx context.Context, r store.ListRequest) (*store.Page, error)
	Head(ctx context.Context, key, versionID string) (store.Info, error)
	Put(ctx context.Context, r store.PutRequest) (store.Written, error)
	Delete(ctx context.Context, key string) error
	CreateUpload(ctx context.Context, key string, a store.Attributes) (string, error)
	AbortUpload(ctx context.Context, key, uploadID string) error
	Parts(ctx context.Context, key, uploadID string) ([]store.Part, error)
	Uploads(ctx context.Context, key string) ([]store.Upload, error)
}

// Subject is a transfer that is to be looked at.
type Subject struct {
	Job         *job.Job
	Source      Readable
	Destination Writable
	Names       func(end string) Names // nil: ParameterNames
	// PrefixFile is the bucket that holds the job's prefix list; nil: it is the source.
	PrefixFile interface {
		Get(ctx context.Context, r store.GetRequest) (*store.Body, error)
	}
	// LookOnly leaves the destination as it is: what only writing shows is not looked at.
	LookOnly bool
	// EventSeen returns when the last event of the source was settled; zero: none ever was. nil: nobody knows.
	EventSeen func(ctx context.Context) (time.Time, error)
	// Patience bounds each call to an end; 0 is 20 s.
	Patience time.Duration
}

// ProbeName is the name of the object that Inspect writes below the destination prefix and removes.
const ProbeName = ".data-transfer-hub-check"

// Inspect looks at each right that the transfer needs at either end, by using it. It writes and removes the probe and an
// upload of its name, and nothing else. The source's findings come first. It takes no longer than Patience for each of
// about a dozen calls. The error is the context's.
func Inspect(ctx context.Context, s Subject) ([]Finding, error) {
	if s.Patience <= 0 {
		s.Patience = 20 * time.Second
	}
	if s.Names == nil {
		s.Names = ParameterNames
	}
	source := &look{Subject: &s, end: "source", at: s.Job.Source, names: s.Names("source")}
	source.source(ctx)
	destination := &look{Subject: &s, end: "destination", at: s.Job.Destination, names: s.Names("destination"), keys: s.Job.KeyMap().Add}
	destination.destination(ctx)
	return append(source.findings, destination.findings...), ctx.Err()
}

// look is a look at one end.
type look struct {
	*Subject
	end      string
	at       job.Endpoint
	names    Names
	keys     string // prefix of the objects in question
	findings []Finding
}

func (l *look) add(f Finding) {
	f.End = l.end
	l.findings = append(l.findings, f)
}

// try makes one call and adds what it shows of a right. It reports whether the right is there.
func (l *look) try(ctx context.Context, right Right, call func(ctx context.Context) error) bool {
	f := l.judge(right, l.call(ctx, call))
	l.add(f)
	return f.Result == OK
}

// call makes one call, in bounded time.
func (l *look) call(ctx context.Context, call func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, l.Patience)
	defer cancel()
	err := call(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return &failure.Error{Class: failure.Network, Op: "waiting for bucket", Target: l.at.Bucket, Detail: fmt.Sprintf("no answer within %s", l.Patience), Err: err}
	}
	return err
}

// reach looks whether the bucket is there at all. When it is not, the other rights are unknown.
func (l *look) reach(ctx context.Context, b End, others ...Right) bool {
	err := l.call(ctx, b.Reach)
	if failure.Is(err, failure.AccessDenied) {
		return true // it may not be listed; the rest is tried all the same
	}
	if err == nil {
		l.add(Finding{Right: Reaching, Result: OK})
		return true
	}
	l.add(Finding{Right: Reaching, Result: Denied, Message: err.Error(), Remedy: advice(b, l.names, err)})
	for _, right := range others {
		l.add(Finding{Right: right, Result: Unknown, Message: "not tried, because the bucket cannot be used at all"})
	}
	return false
}

func (l *look) source(ctx context.Context) {
	j := l.Job
	needed := []Right{Listing, Reading}
	if j.IncludeTags {
		needed = append(needed, ReadingTags)
	}
	l.keys = j.Source.Prefix
	if len(j.Selection.Prefixes) > 0 {
		l.keys = j.Selection.Prefixes[0]
	}
	if l.reach(ctx, l.Source, needed...) {
		found := l.list(ctx, l.Source.List)
		l.read(ctx, found)
	}
	l.prefixFile(ctx)
	l.events(ctx)
}

// list looks whether the bucket can be listed, and returns some of its objects.
func (l *look) list(ctx context.Context, list func(context.Context, store.ListRequest) (*store.Page, error)) (found []store.Object) {
	l.try(ctx, Listing, func(ctx context.Context) error {
		page, err := list(ctx, store.ListRequest{Prefix: l.keys, MaxKeys: 100})
		if err == nil {
			found = page.Objects
		}
		return err
	})
	return found
}

// read reads a byte of an object of the source, and its tags.
func (l *look) read(ctx context.Context, found []store.Object) {
	var object *store.Object
	for i := range found {
		if !found[i].Archived() && (object == nil || object.Size == 0) {
			object = &found[i]
		}
	}
	if object == nil {
		why := fmt.Sprintf("no object that could be read was found below %q", l.keys)
		l.add(Finding{Right: Reading, Result: Unknown, Message: why})
		if l.Job.IncludeTags {
			l.add(Finding{Right: ReadingTags, Result: Unknown, Message: why})
		}
		return
	}
	encrypted := ""
	could := l.try(ctx, Reading, func(ctx context.Context) error {
		body, err := l.Source.Get(ctx, store.GetRequest{Key: object.Key, Length: min(object.Size, 1)})
		if err != nil {
			return err
		}
		defer body.Close()
		encrypted = body.Info.SSE
		_, err = io.Copy(io.Discard, io.LimitReader(body, 1))
		return err
	})
	if could && strings.HasPrefix(encrypted, "aws:kms") {
		l.add(Finding{Right: KMS, Result: OK})
	}
	if l.Job.IncludeTags {
		l.try(ctx, ReadingTags, func(ctx context.Context) error {
			_, err := l.Source.Tags(ctx, object.Key, "")
			return err
		})
	}
}

// prefixFile looks whether the list of prefixes can be read.
func (l *look) prefixFile(ctx context.Context) {
	key := l.Job.Selection.PrefixFileKey
	if key == "" {
		return
	}
	from := l.PrefixFile
	if from == nil {
		from = l.Source
	}
	f := l.judge(Reading, l.call(ctx, func(ctx context.Context) error {
		body, err := from.Get(ctx, store.GetRequest{Key: key})
		if err != nil {
			return err
		}
		return body.Close()
	}))
	f.Message = strings.TrimSuffix("the list of prefixes, "+key+": "+f.Message, ": ")
	if f.Result != OK && f.Remedy == "" {
		f.Remedy = "put the list there, or change " + l.names.PrefixFile
	}
	l.add(f)
}

// events tells whether notifications have arrived: what the bucket's owner has set up, this identity may not ask.
func (l *look) events(ctx context.Context) {
	if l.Job.Events == "" || l.Job.Events == job.EventsNone || l.EventSeen == nil {
		return
	}
	var seen time.Time
	err := l.call(ctx, func(ctx context.Context) (err error) {
		seen, err = l.EventSeen(ctx)
		return err
	})
	if err == nil && !seen.IsZero() {
		l.add(Finding{Right: Events, Result: OK, Message: "an event was settled on " + seen.UTC().Format(time.RFC3339)})
		return
	}
	f := Finding{
		Right: Events, Result: Unknown, Message: "no event of the source was settled yet",
		Remedy: "write an object to the source; if nothing comes, look whether its bucket notifies the task's queue (s3:PutBucketNotification at the stack's creation), or set " + l.names.Events + " to No",
	}
	if err != nil {
		f.Message = err.Error()
	}
	l.add(f)
}
