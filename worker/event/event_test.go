package event_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/event"
)

// straight is a record as S3 sends it.
func straight(name, key string) string {
	quoted, err := json.Marshal(url.QueryEscape(key))
	if err != nil {
		panic(err)
	}
	return `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-11-23T01:02:03.456Z","eventName":"` + name + `",
	 "userIdentity":{"principalId":"AWS:X"},"requestParameters":{"sourceIPAddress":"192.0.2.1"},"responseElements":{"x-amz-request-id":"R"},
	 "s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"src","ownerIdentity":{"principalId":"O"},"arn":"arn:aws:s3:::src"},
	 "object":{"key":` + string(quoted) + `,"size":1024,"eTag":"0123456789abcdef0123456789abcdef","versionId":"v1","sequencer":"0A1B2C3D4E5F678901"}}}`
}

func records(all ...string) string { return `{"Records":[` + strings.Join(all, ",") + `]}` }

func bridged(detailType, key string) string {
	quoted, err := json.Marshal(key)
	if err != nil {
		panic(err)
	}
	return `{"version":"0","id":"17793124","detail-type":"` + detailType + `","source":"aws.s3","account":"111122223333","time":"2026-11-23T01:02:03Z",
	 "region":"eu-west-1","resources":["arn:aws:s3:::src"],"detail":{"version":"0","bucket":{"name":"src"},"object":{"key":` + string(quoted) + `,"size":5,
	 "etag":"b1946ac92492d2347c6235b4d2611184","version-id":"v2","sequencer":"00617F08299329D189"},"request-id":"N","requester":"123456789012","reason":"PutObject"}}`
}

func throughSNS(message string) string {
	quoted, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:111122223333:topic","Subject":"Amazon S3 Notification","Message":` + string(quoted) + `,
	 "Timestamp":"2026-11-23T01:02:03.456Z","SignatureVersion":"1","Signature":"s","SigningCertURL":"u","UnsubscribeURL":"u"}`
}

const test = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-23T01:02:03.456Z","Bucket":"src","RequestId":"R","HostId":"H"}`

func awkward() []string {
	return []string{
		"plain", "a/b c", "plus+plus", "100%", "%2F", `quo"te`, `back\slash`, "new\nline", "nul\x00", "ümlaut/😀", "s3:TestEvent", `{"Records":[]}`, "a//", "$(reboot)", "&=?#",
	}
}

func TestShapes(t *testing.T) {
	for _, key := range awkward() {
		want := event.Record{
			Name: "ObjectCreated:Put", Kind: event.Created, Bucket: "src", Key: key, Size: 1024, ETag: "0123456789abcdef0123456789abcdef", VersionID: "v1",
			Sequencer: "0A1B2C3D4E5F678901", Time: time.Date(2026, 11, 23, 1, 2, 3, 456e6, time.UTC), Region: "eu-west-1",
		}
		removed := want
		removed.Name, removed.Kind = "ObjectRemoved:DeleteMarkerCreated", event.Removed
		fromBridge := event.Record{
			Name: "Object Created", Kind: event.Created, Bucket: "src", Key: key, Size: 5, ETag: "b1946ac92492d2347c6235b4d2611184", VersionID: "v2",
			Sequencer: "00617F08299329D189", Time: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), Region: "eu-west-1", Account: "111122223333",
		}
		for name, c := range map[string]struct {
			body string
			want []event.Record
		}{
			"straight":                {records(straight("ObjectCreated:Put", key)), []event.Record{want}},
			"with the service's name": {records(straight("s3:ObjectCreated:Put", key)), []event.Record{want}},
			"several":                 {records(straight("ObjectCreated:Put", key), straight("ObjectRemoved:DeleteMarkerCreated", key)), []event.Record{want, removed}},
			"through SNS":             {throughSNS(records(straight("ObjectCreated:Put", key))), []event.Record{want}},
			"EventBridge":             {bridged("Object Created", key), []event.Record{fromBridge}},
			"EventBridge through SNS": {throughSNS(bridged("Object Created", key)), []event.Record{fromBridge}},
		} {
			got, err := event.Decode(c.body)
			if err != nil {
				t.Errorf("%s, %q: %v", name, key, err)
			} else if d := cmp.Diff(event.Notification{Records: c.want}, got); d != "" {
				t.Errorf("%s, %q: %s", name, key, d)
			}
		}
	}
}

func TestNothingToDo(t *testing.T) {
	for name, body := range map[string]string{
		"no records":               `{"Records":[]}`,
		"subscription":             `{"Type":"SubscriptionConfirmation","TopicArn":"t","Token":"x","Message":"You have chosen"}`,
		"end of a subscription":    `{"Type":"UnsubscribeConfirmation","TopicArn":"t","Message":"..."}`,
		"no records through a SNS": throughSNS(`{"Records":[]}`),
	} {
		n, err := event.Decode(body)
		if err != nil || n.Nothing == "" || n.Test || len(n.Records) > 0 {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	for _, body := range []string{test, throughSNS(test)} {
		n, err := event.Decode(body)
		if err != nil || !n.Test || n.Nothing != "" || len(n.Records) > 0 {
			t.Errorf("test event: %+v, %v", n, err)
		}
	}
}

func TestRefused(t *testing.T) {
	record := straight("ObjectCreated:Put", "k")
	for name, c := range map[string]struct {
		body, says string
		other      bool // no event at all
	}{
		"no JSON":                    {"s3:TestEvent", "", true},
		"another document":           {`{"hello":"world"}`, "", true},
		"a list":                     {`[1]`, "", true},
		"the test event's name only": {`{"Event":"s3:TestEvent"}`, "", true},
		"a topic of something else":  {throughSNS("hello"), "", true},
		"SNS in SNS":                 {throughSNS(throughSNS(records(record))), "", true},
		"another service's event":    {strings.Replace(bridged("Object Created", "k"), "aws.s3", "aws.ec2", 1), "aws.ec2", true},
		"no bucket":                  {records(strings.Replace(record, `"name":"src"`, `"name":""`, 1)), "bucket", false},
		"no key":                     {records(straight("ObjectCreated:Put", "")), "key", false},
		"broken key":                 {records(strings.Replace(record, `"key":"k"`, `"key":"%zz"`, 1)), "%zz", false},
		"negative size":              {records(strings.Replace(record, "1024", "-1", 1)), "-1", false},
		"no time":                    {records(strings.Replace(record, "2026-11-23T01:02:03.456Z", "yesterday", 1)), "yesterday", false},
		"no object":                  {records(`{"eventName":"ObjectCreated:Put"}`), `"s3"`, false},
		"no name":                    {records(straight("", "k")), "name", false},
		"the second of two":          {records(record, `{}`), "record 2", false},
	} {
		_, err := event.Decode(c.body)
		if err == nil || errors.Is(err, event.ErrNotEvent) != c.other || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]event.Kind{
		"ObjectCreated:CompleteMultipartUpload": event.Created, "ObjectCreated:Copy": event.Created, "ObjectCreated:SomethingNew": event.Created,
		"ObjectRemoved:Delete": event.Removed, "LifecycleExpiration:DeleteMarkerCreated": event.Removed, "ObjectRestore:Completed": event.Restored,
		"ObjectRestore:Post": event.Ignored, "ObjectRestore:Delete": event.Ignored, "ObjectTagging:Put": event.Tagged, "ObjectAcl:Put": event.Ignored,
		"Replication:OperationMissedThreshold": event.Ignored, "ObjectTeleported:Put": event.Unknown,
	} {
		n, err := event.Decode(records(straight(name, "k")))
		if err != nil || n.Records[0].Kind != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	for name, want := range map[string]event.Kind{
		"Object Deleted": event.Removed, "Object Restore Completed": event.Restored, "Object Restore Expired": event.Ignored, "Object Tags Added": event.Tagged,
		"Object ACL Updated": event.Ignored, "Object Teleported": event.Unknown,
	} {
		n, err := event.Decode(bridged(name, "k"))
		if err != nil || n.Records[0].Kind != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "0", -1},
		{"0", "", 1},
		{"0A", "0B", -1},
		{"0a", "0B", -1},
		{"0A", "0a", 0},
		{"1", "0FFF", 1},
		{"0055AED6DCD90281E5", "0055AED6DCD90281E6", -1},
		{"0055AED6", "0055AED600", 0},
		{"0055AED6", "0055AED601", -1},
	} {
		if got := event.Compare(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	sequencer := rapid.StringMatching(`[0-9A-F]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := sequencer.Draw(t, "a"), sequencer.Draw(t, "b"), sequencer.Draw(t, "c")
		if event.Compare(a, b) != -event.Compare(b, a) {
			t.Errorf("%q and %q: not the opposite the other way round", a, b)
		}
		if event.Compare(a, b) <= 0 && event.Compare(b, c) <= 0 && event.Compare(a, c) > 0 {
			t.Errorf("%q, %q, %q are in no order", a, b, c)
		}
	})
}

func TestAnyKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(1, 200, 1024).Draw(t, "key")
		for _, body := range []string{records(straight("ObjectCreated:Put", key)), bridged("Object Created", key), throughSNS(records(straight("ObjectCreated:Put", key)))} {
			n, err := event.Decode(body)
			if err != nil || n.Records[0].Key != key {
				t.Fatalf("%q became %+v, %v", key, n, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, key := range awkward() {
		f.Add(records(straight("ObjectCreated:Put", key)))
		f.Add(bridged("Object Deleted", key))
		f.Add(throughSNS(records(straight("ObjectRemoved:Delete", key), straight("ObjectCreated:Copy", key))))
	}
	f.Add(test)
	f.Add(`{"Records":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		n, err := event.Decode(body)
		if err != nil {
			return
		}
		if !n.Test && n.Nothing == "" && len(n.Records) == 0 {
			t.Errorf("%q holds nothing and does not say so", body)
		}
		for _, r := range n.Records {
			if r.Key == "" || r.Bucket == "" || r.Kind == "" || r.Size < 0 {
				t.Errorf("%q gave %+v", body, r)
			}
		}
	})
}
