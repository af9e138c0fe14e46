package s3eventsaws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/s3events"
	"github.com/datatransferhub/dth/lambda/s3events/s3eventsaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// account is a bucket with notifications of others, and queues.
type account struct {
	t      *testing.T
	s3     *s3.Client
	r      s3events.Resource
	bucket string
	queues map[string]string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	cfg := standinaws.Config(t, moto.URL)
	a := &account{t: t, bucket: strings.ToLower(t.Name()) + "-bucket", queues: map[string]string{}}
	a.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := a.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &a.bucket}); err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(cfg)
	for _, name := range []string{"ours", "theirs"} {
		if _, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Fatal(err)
		}
		a.queues[name] = "arn:aws:sqs:us-east-1:123456789012:" + name
	}
	a.r = s3events.Resource{Bucket: s3eventsaws.Open(standinaws.Only(t, cfg, s3eventsaws.Actions()), "")}
	return a
}

// theirs writes a configuration of somebody else.
func (a *account) theirs(prefix string) {
	a.t.Helper()
	_, err := a.s3.PutBucketNotificationConfiguration(a.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &a.bucket, NotificationConfiguration: &types.NotificationConfiguration{
			QueueConfigurations: []types.QueueConfiguration{{
				Id: aws.String("theirs"), QueueArn: aws.String(a.queues["theirs"]), Events: []types.Event{"s3:ObjectCreated:Put"},
				Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: &prefix}}}},
			}},
		},
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *account) event(events, prefix string) customresource.Event {
	raw, err := json.Marshal(map[string]string{"Bucket": a.bucket, "QueueArn": a.queues["ours"], "Events": events, "Prefix": prefix, "NotificationId": "DataTransferHub-stack"})
	if err != nil {
		a.t.Fatal(err)
	}
	return customresource.Event{ResourceProperties: raw}
}

// entries describes the bucket's notifications.
func (a *account) entries() string {
	a.t.Helper()
	out, err := a.s3.GetBucketNotificationConfiguration(a.t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &a.bucket})
	if err != nil {
		a.t.Fatal(err)
	}
	var all []string
	for _, q := range out.QueueConfigurations {
		prefix := ""
		if q.Filter != nil && q.Filter.Key != nil && len(q.Filter.Key.FilterRules) > 0 {
			prefix = aws.ToString(q.Filter.Key.FilterRules[0].Value)
		}
		all = append(all, fmt.Sprintf("%s %d %s", *q.Id, len(q.Events), prefix))
	}
	return strings.Join(all, ", ")
}

func (a *account) expect(what, want string) {
	a.t.Helper()
	if got := a.entries(); got != want {
		a.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestOneEntryIsMergedAndRemoved(t *testing.T) {
	a := newAccount(t)
	a.theirs("logs/")
	created, err := a.r.Create(t.Context(), a.event("Create", "photos/"))
	if err != nil {
		t.Fatal(err)
	}
	a.expect("created", "theirs 1 logs/, DataTransferHub-stack 2 photos/")
	if _, err := a.r.Create(t.Context(), a.event("Create", "photos/")); err != nil {
		t.Errorf("once more: %v", err)
	}
	if _, err := a.r.Update(t.Context(), a.event("CreateAndDelete", "pictures/")); err != nil {
		t.Error(err)
	}
	a.expect("updated", "theirs 1 logs/, DataTransferHub-stack 4 pictures/")
	for range 2 {
		if _, err := a.r.Delete(t.Context(), customresource.Event{PhysicalResourceId: created.ID}); err != nil {
			t.Error(err)
		}
		a.expect("deleted", "theirs 1 logs/")
	}
}

// The stand-in forgets the EventBridge switch, so a server that keeps the document as it came shows that it stays on.
func TestTheEventBridgeSwitchStaysOn(t *testing.T) {
	document := `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EventBridgeConfiguration></EventBridgeConfiguration></NotificationConfiguration>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			document = string(body)
			return
		}
		_, _ = io.WriteString(w, document)
	}))
	t.Cleanup(server.Close)
	cfg := standinaws.Config(t, server.URL)
	a := &account{t: t, bucket: "b", queues: map[string]string{"ours": "arn:aws:sqs:us-east-1:123456789012:ours"}, r: s3events.Resource{Bucket: s3eventsaws.Open(cfg, "")}}
	created, err := a.r.Create(t.Context(), a.event("CreateAndDelete", "photos/"))
	if err != nil || !strings.Contains(document, "EventBridgeConfiguration") || !strings.Contains(document, "DataTransferHub-stack") {
		t.Fatalf("%v: %s", err, document)
	}
	if _, err := a.r.Delete(t.Context(), customresource.Event{PhysicalResourceId: created.ID}); err != nil || !strings.Contains(document, "EventBridgeConfiguration") || strings.Contains(document, "DataTransferHub-stack") {
		t.Errorf("%v: %s", err, document)
	}
}

// Two stacks write at once, and the other's configuration has no entry of ours: it is added again. The check of destinations
// is left out when an entry is taken away, so that a queue of others that is gone holds up nothing.
func TestALostUpdateIsMadeAgain(t *testing.T) {
	a := newAccount(t)
	a.theirs("logs/")
	puts, unchecked := 0, 0
	cfg := standinaws.Between(standinaws.Config(t, moto.URL), func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if r.HTTP.Method == http.MethodPut {
			if r.HTTP.Header.Get("X-Amz-Skip-Destination-Validation") == "true" {
				unchecked++
			}
			if puts++; puts%2 == 1 {
				a.theirs("reports/")
			}
		}
		return resp, err
	})
	a.r = s3events.Resource{Bucket: s3eventsaws.Open(cfg, ""), Wait: time.Microsecond}
	created, err := a.r.Create(t.Context(), a.event("Create", "photos/"))
	if err != nil || puts != 2 || unchecked != 0 {
		t.Errorf("%v after %d writes, %d of them unchecked", err, puts, unchecked)
	}
	a.expect("created", "theirs 1 reports/, DataTransferHub-stack 2 photos/")
	puts = 1 // the next is not disturbed
	if r, err := a.r.Delete(t.Context(), customresource.Event{PhysicalResourceId: created.ID}); err != nil || r.Note != "" || unchecked != 1 {
		t.Errorf("removed: %+v, %v, %d unchecked writes", r, err, unchecked)
	}
	a.expect("removed", "theirs 1 reports/")
}

// What a filter has to hold encoded is written so, and read so from entries of others.
func TestPrefixesAreEncoded(t *testing.T) {
	a := newAccount(t)
	a.theirs("my+logs/%C3%BC%3D1/")
	if _, err := a.r.Create(t.Context(), a.event("Create", "my photos/ü=1/*.jpg")); err != nil {
		t.Fatal(err)
	}
	a.expect("created", "theirs 1 my+logs/%C3%BC%3D1/, DataTransferHub-stack 2 my+photos/%C3%BC%3D1/")
	if _, err := a.r.Update(t.Context(), a.event("Create", "my logs/ü")); err == nil || !strings.Contains(err.Error(), `"theirs"`) {
		t.Errorf("an overlap in other letters: %v", err)
	}
}

func TestABucketElsewhereIsSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMovedPermanently)
		_, _ = io.WriteString(w, `<Error><Code>PermanentRedirect</Code><Message>use another endpoint</Message></Error>`)
	}))
	t.Cleanup(server.Close)
	r := s3events.Resource{Bucket: s3eventsaws.Open(standinaws.Config(t, server.URL), "")}
	e := customresource.Event{PhysicalResourceId: "b/x", ResourceProperties: json.RawMessage(`{"Bucket":"b","QueueArn":"arn:q","Events":"Create","NotificationId":"x"}`)}
	if _, err := r.Create(t.Context(), e); !errors.Is(err, s3events.ErrElsewhere) || !strings.Contains(err.Error(), "set srcEvent to No") {
		t.Errorf("created: %v", err)
	}
	if removed, err := r.Delete(t.Context(), e); err != nil || !strings.Contains(removed.Note, "may be left") {
		t.Errorf("removed: %+v, %v", removed, err)
	}
}

func TestOverlapsAreRefused(t *testing.T) {
	a := newAccount(t)
	a.theirs("logs/")
	for _, prefix := range []string{"", "logs/", "logs/2026/"} {
		_, err := a.r.Create(t.Context(), a.event("Create", prefix))
		if err == nil || !strings.Contains(err.Error(), `"theirs"`) || !strings.Contains(err.Error(), "set srcEvent to No") {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
	a.expect("nothing was changed", "theirs 1 logs/")
}

func TestABucketThatIsGoneHoldsUpNoDeletion(t *testing.T) {
	a := newAccount(t)
	for id, noted := range map[string]bool{"no-such-bucket-here/x": false, "not an id": false} {
		result, err := a.r.Delete(t.Context(), customresource.Event{PhysicalResourceId: id})
		if err != nil || (result.Note != "") != noted {
			t.Errorf("%q: %+v, %v", id, result, err)
		}
	}
}

func TestBadProperties(t *testing.T) {
	for _, c := range []struct{ properties, want string }{
		{`[]`, "cannot be read"},
		{`{"Bucket":1}`, "Bucket"},
		{`{"QueueArn":"arn:q","Events":"Create","NotificationId":"x"}`, "Bucket"},
		{`{"Bucket":"b","Events":"Create","NotificationId":"x"}`, "QueueArn"},
		{`{"Bucket":"b","QueueArn":"arn:q","Events":"No","NotificationId":"x"}`, "Create and CreateAndDelete"},
		{`{"Bucket":"b","QueueArn":"arn:q","Events":"Create","NotificationId":"a b"}`, "NotificationId"},
	} {
		if _, _, err := s3events.Parse(json.RawMessage(c.properties)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.properties, err)
		}
	}
}
