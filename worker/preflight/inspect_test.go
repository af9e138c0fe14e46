package preflight_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/k"

// ends are two simulated buckets with a transfer that needs every right.
type ends struct {
	preflight.Subject
	src, dst *s3sim.Sim
}

type reader struct{}

func (reader) Secret(context.Context, string) (string, error) {
	return `{"access_key_id":"test","secret_access_key":"test"}`, nil
}

func newEnds(t *testing.T) *ends {
	t.Helper()
	e := &ends{src: s3sim.Run(t, s3sim.Options{}), dst: s3sim.Run(t, s3sim.Options{MinPartSize: 1})}
	e.src.Bucket("photos").PutBytes("in/empty", nil)
	e.src.Bucket("photos").PutBytes("in/full", []byte("text"))
	e.dst.Bucket("archive").PutBytes("before", []byte("somebody's"))
	j := job.Defaults()
	j.Source = job.Endpoint{Provider: job.AmazonS3, Bucket: "photos", Prefix: "in/", Region: "us-east-1", URL: e.src.URL(), Access: job.Access{Secret: "reader"}}
	j.Destination = job.Endpoint{Provider: job.AmazonS3, Bucket: "archive", Prefix: "copies", Region: "us-east-1", URL: e.dst.URL(), Access: job.Access{Secret: "writer"}}
	j.IncludeTags, j.DeleteExtraneous = true, true
	j.Write = job.WriteOptions{ACL: "bucket-owner-full-control", SSE: "aws:kms", KMSKeyID: keyARN}
	j.Events = job.EventsCreate
	e.Job = &j
	e.EventSeen = func(context.Context) (time.Time, error) { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), nil }
	e.open(t)
	return e
}

// open opens both ends as the job describes them now.
func (e *ends) open(t *testing.T) {
	t.Helper()
	o := storeaws.Options{Secrets: reader{}}
	source, err := storeaws.Open(t.Context(), e.Job.Source, o)
	if err != nil {
		t.Fatal(err)
	}
	destination, err := storeaws.Open(t.Context(), e.Job.Destination, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close(); destination.Close() })
	e.Source, e.Destination = source, destination
}

// inspect returns the findings, by end and right.
func (e *ends) inspect(t *testing.T) map[string]preflight.Finding {
	t.Helper()
	all, err := preflight.Inspect(t.Context(), e.Subject)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]preflight.Finding{}
	for _, f := range all {
		key := f.End + " " + string(f.Right)
		if _, twice := out[key]; twice {
			t.Errorf("%s is found twice", key)
		}
		out[key] = f
	}
	return out
}

// left returns what a look has left at the destination.
func (e *ends) left(t *testing.T) []string {
	t.Helper()
	var keys []string
	for _, o := range e.dst.Bucket("archive").Objects() {
		if o.Key != "before" {
			keys = append(keys, o.Key)
		}
	}
	uploads, err := e.Destination.Uploads(t.Context(), "copies/"+preflight.ProbeName)
	if err == nil && len(uploads) > 0 {
		keys = append(keys, "upload")
	}
	return keys
}

func TestEverythingIsAllowed(t *testing.T) {
	e := newEnds(t)
	found := e.inspect(t)
	want := "source reach, source list, source read, source readTags, source events, destination reach, destination list, destination write, destination kms, " +
		"destination read, destination writeTags, destination ownership, destination multipart, destination delete"
	for _, key := range strings.Split(want, ", ") {
		if f := found[key]; f.Result != preflight.OK || f.Remedy != "" {
			t.Errorf("%s: %+v", key, f)
		}
	}
	if n := len(strings.Split(want, ", ")); len(found) != n {
		t.Errorf("%d findings, want %d: %v", len(found), n, found)
	}
	if left := e.left(t); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// Each right that is missing is named, with what to grant to whom, or the setting to change.
func TestMissingRights(t *testing.T) {
	has := func(header string) func(s3sim.Call) bool {
		return func(c s3sim.Call) bool { return c.Request.Header.Get(header) != "" }
	}
	plain := func(c s3sim.Call) bool { return !has("X-Amz-Tagging")(c) && !has("X-Amz-Acl")(c) }
	for _, tt := range []struct {
		name, end, op string
		only          func(s3sim.Call) bool
		status        int
		code          string
		right         string
		result        preflight.Result
		says          []string
		left          int
	}{
		{"listing the source", "source", "ListObjectsV2", nil, 403, "AccessDenied", "source list", preflight.Denied, []string{"s3:ListBucket", "arn:aws:s3:::photos", "secret reader", "dth policy"}, 0},
		{"reading", "source", "GetObject", nil, 403, "AccessDenied", "source read", preflight.Denied, []string{"s3:GetObject", "arn:aws:s3:::photos/in/*", "secret reader"}, 0},
		{"reading tags", "source", "GetObjectTagging", nil, 403, "AccessDenied", "source readTags", preflight.Denied, []string{"s3:GetObjectTagging", "set includeTags to false"}, 0},
		{"the source's key", "source", "GetObject", nil, 403, "KMS.DisabledException", "source kms", preflight.Denied, []string{"kms:Decrypt", "key's policy", "enabled"}, 0},
		{"listing the destination", "destination", "ListObjectsV2", nil, 403, "AccessDenied", "destination list", preflight.Denied, []string{"s3:ListBucket", "arn:aws:s3:::archive to"}, 0},
		{"writing", "destination", "PutObject", plain, 403, "AccessDenied", "destination write", preflight.Denied, []string{"s3:PutObject", "arn:aws:s3:::archive/copies/*", "secret writer"}, 0},
		{"reading back", "destination", "HeadObject", nil, 403, "", "destination read", preflight.Denied, []string{"s3:GetObject", "arn:aws:s3:::archive/copies/*"}, 0},
		{"writing tags", "destination", "PutObject", has("X-Amz-Tagging"), 403, "AccessDenied", "destination writeTags", preflight.Denied, []string{"s3:PutObjectTagging", "set includeTags to false"}, 0},
		{"writing ACLs", "destination", "PutObject", has("X-Amz-Acl"), 403, "AccessDenied", "destination ownership", preflight.Denied, []string{"s3:PutObjectAcl", "set destAcl to none"}, 0},
		{"object ownership", "destination", "PutObject", has("X-Amz-Acl"), 400, "AccessControlListNotSupported", "destination ownership", preflight.Denied, []string{"set destAcl to none", "Bucket owner preferred"}, 0},
		{"the destination's key", "destination", "PutObject", plain, 403, "KMS.AccessDeniedException", "destination kms", preflight.Denied, []string{"kms:GenerateDataKey", keyARN, "destPutObjectSSEKmsKeyId"}, 0},
		{"beginning uploads", "destination", "CreateMultipartUpload", nil, 403, "AccessDenied", "destination multipart", preflight.Denied, []string{"s3:PutObject"}, 0},
		{"listing parts", "destination", "ListParts", nil, 403, "AccessDenied", "destination multipart", preflight.Denied, []string{"s3:ListMultipartUploadParts"}, 0},
		{"listing uploads", "destination", "ListMultipartUploads", nil, 403, "AccessDenied", "destination multipart", preflight.Denied, []string{"s3:ListBucketMultipartUploads on arn:aws:s3:::archive to"}, 0},
		{"aborting", "destination", "AbortMultipartUpload", nil, 403, "AccessDenied", "destination multipart", preflight.Denied, []string{"s3:AbortMultipartUpload", "stays open"}, 1},
		{"deleting", "destination", "DeleteObject", nil, 403, "AccessDenied", "destination delete", preflight.Denied, []string{"s3:DeleteObject", "set deleteExtraneous to No", "stays"}, 1},
		{"a busy store", "source", "GetObject", nil, 503, "SlowDown", "source read", preflight.Unknown, []string{"check once more"}, 0},
		{"the keys' owner", "source", "", nil, 403, "InvalidAccessKeyId", "source reach", preflight.Denied, []string{"srcCredentials", "InvalidAccessKeyId"}, 0},
		{"no bucket", "destination", "", nil, 404, "NoSuchBucket", "destination reach", preflight.Denied, []string{"destRegion", "does not exist"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnds(t)
			sim, end := e.src, e.Source.Name()
			if tt.end == "destination" {
				sim, end = e.dst, e.Destination.Name()
			}
			sim.SetFault(func(c s3sim.Call) s3sim.Fault {
				if c.Bucket == end && (tt.op == "" || c.Op == tt.op) && (tt.only == nil || tt.only(c)) {
					return s3sim.Fault{Status: tt.status, Code: tt.code}
				}
				return s3sim.Fault{}
			})
			found := e.inspect(t)
			f := found[tt.right]
			if f.Result != tt.result || f.Message == "" {
				t.Fatalf("found %+v of %v", f, found)
			}
			for _, s := range tt.says {
				if !strings.Contains(f.Message+f.Remedy, s) {
					t.Errorf("%q does not say %q", f, s)
				}
			}
			for key, other := range found {
				if key != tt.right && other.Result == preflight.Denied {
					t.Errorf("%s is denied, too: %s", key, other)
				}
			}
			if err := preflight.AnyDenied([]preflight.Finding{f}); (err != nil) != (tt.result == preflight.Denied) {
				t.Errorf("the error is %v", err)
			}
			sim.SetFault(nil)
			if left := e.left(t); len(left) != tt.left {
				t.Errorf("left are %v", left)
			}
		})
	}
}

// What a transfer does not do, it need not be allowed.
func TestOnlyWhatIsNeeded(t *testing.T) {
	e := newEnds(t)
	e.Job.IncludeTags, e.Job.DeleteExtraneous, e.Job.Write, e.Job.Events = false, false, job.WriteOptions{}, job.EventsNone
	e.dst.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "DeleteObject" {
			return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	})
	found := e.inspect(t)
	for _, key := range []string{"source readTags", "source events", "destination writeTags", "destination ownership", "destination kms"} {
		if f, there := found[key]; there {
			t.Errorf("not needed: %+v", f)
		}
	}
	if f := found["destination delete"]; f.Result != preflight.Unknown || !strings.Contains(f.Message, preflight.ProbeName) {
		t.Errorf("deleting: %+v", f)
	}
	e.LookOnly = true
	before := e.dst.Count("PutObject")
	if found := e.inspect(t); len(found) != 5 || e.dst.Count("PutObject") != before {
		t.Errorf("looking only: %v", found)
	}
}

// Nothing that can be read: it is said, and is no denial. A list of prefixes is looked at, too.
func TestNothingToRead(t *testing.T) {
	e := newEnds(t)
	e.Job.Source.Prefix = "nothing/"
	found := e.inspect(t)
	if f := found["source read"]; f.Result != preflight.Unknown || !strings.Contains(f.Message, "nothing/") || found["source readTags"].Result != preflight.Unknown {
		t.Errorf("%+v", found)
	}
	e.Job.Source.Prefix = "in/"
	e.Job.Selection.PrefixFileKey = "lists/none.txt"
	all, err := preflight.Inspect(t.Context(), e.Subject)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if strings.Contains(f.Message, "lists/none.txt") && f.Right == preflight.Reading && strings.Contains(f.Remedy, "srcPrefixsListFile") {
			return
		}
	}
	t.Errorf("the list is not spoken of: %v", all)
}

func TestEventsThatNeverCame(t *testing.T) {
	e := newEnds(t)
	for _, seen := range []func(context.Context) (time.Time, error){
		func(context.Context) (time.Time, error) { return time.Time{}, nil },
		func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no table") },
	} {
		e.EventSeen = seen
		if f := e.inspect(t)["source events"]; f.Result != preflight.Unknown || !strings.Contains(f.Remedy, "srcEvent") {
			t.Errorf("%+v", f)
		}
	}
}

// stuck is an end that never answers.
type stuck struct{ *storeaws.Bucket }

func (stuck) Reach(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// An end that does not answer is given up; the other is looked at.
func TestSilence(t *testing.T) {
	e := newEnds(t)
	e.Source = stuck{e.Source.(*storeaws.Bucket)}
	e.Patience = 50 * time.Millisecond
	e.dst.SetFault(func(s3sim.Call) s3sim.Fault { return s3sim.Fault{Latency: time.Hour} })
	found := e.inspect(t)
	for _, end := range []string{"source", "destination"} {
		if f := found[end+" reach"]; f.Result != preflight.Denied || !strings.Contains(f.Message, "no answer within") || found[end+" list"].Result != preflight.Unknown {
			t.Errorf("%s: %+v", end, found)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := preflight.Inspect(ctx, e.Subject); !errors.Is(err, context.Canceled) {
		t.Errorf("after a signal: %v", err)
	}
}

// The names of actions are those that the adapter declares.
func TestActionsAreTheAdapters(t *testing.T) {
	for _, op := range []string{
		"HeadBucket", "ListObjects", "ListObjectsV2", "ListMultipartUploads", "GetObject", "HeadObject", "GetObjectTagging", "PutObject",
		"CreateMultipartUpload", "AbortMultipartUpload", "ListParts", "DeleteObject",
	} {
		if got := preflight.ActionOf(op); got != storeaws.ActionOf(op) || got == "" {
			t.Errorf("%s: %q, the adapter says %q", op, got, storeaws.ActionOf(op))
		}
	}
}
