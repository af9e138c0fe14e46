// Package event reads the notifications of a source bucket as they arrive in a task's queue: straight from S3, through SNS,
// or from EventBridge, with no, one or many records. Kinds of messages are told apart by their shape, never by a piece of
// their text: any text may be a key.
//
// The shapes are documented at https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html and
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Kind is what an event says has happened to its object.
type Kind string

// The kinds.
const (
	Created  Kind = "created"
	Removed  Kind = "removed"  // or hidden by a delete marker
	Restored Kind = "restored" // an archived object can be read for a while
	Tagged   Kind = "tagged"
	Ignored  Kind = "ignored" // neither content nor existence has changed
	Unknown  Kind = "unknown" // by this release
)

// Record is one event.
type Record struct {
	Name      string // ObjectCreated:Put; of EventBridge: Object Created
	Kind      Kind
	Bucket    string
	Key       string // decoded
	Size      int64  // bytes; 0 where the event does not say
	ETag      string
	VersionID string
	Sequencer string // see Compare; empty where the event has none
	Time      time.Time
	Region    string
	Account   string // of the bucket, where the event says
}

// Notification is what one message holds.
type Notification struct {
	// Test says that it is the message that S3 sends when notifications are set up.
	Test bool
	// Nothing is why a message of a known shape holds no event; empty when it holds some, or is a test.
	Nothing string
	Records []Record
}

// ErrNotEvent is wrapped by errors about text that is no notification of any known shape.
var ErrNotEvent = errors.New("message is no event notification")

// envelope has the fields by which shapes are told apart.
type envelope struct {
	Records *[]json.RawMessage `json:"Records"`

	Event   string `json:"Event"`
	Service string `json:"Service"`
	Bucket  string `json:"Bucket"`

	Type     string  `json:"Type"`
	TopicArn string  `json:"TopicArn"`
	Message  *string `json:"Message"`

	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Detail     json.RawMessage `json:"detail"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Account    string          `json:"account"`
}

// Decode reads a message. Text of another shape gives an error that wraps ErrNotEvent; a record that lacks what an event
// must have gives an error that names it.
func Decode(body string) (Notification, error) { return decode(body, true) }

func decode(body string, wrapped bool) (Notification, error) {
	var e envelope
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return Notification{}, fmt.Errorf("%w: %w", ErrNotEvent, err)
	}
	switch {
	case e.Records != nil:
		return decodeRecords(*e.Records)
	case e.DetailType != "" && len(e.Detail) > 0:
		r, err := decodeBridge(&e)
		return Notification{Records: []Record{r}}, err
	case wrapped && e.Type == "Notification" && e.TopicArn != "" && e.Message != nil:
		n, err := decode(*e.Message, false)
		if err != nil {
			return n, fmt.Errorf("in a notification of %s: %w", e.TopicArn, err)
		}
		return n, nil
	case e.TopicArn != "" && (e.Type == "SubscriptionConfirmation" || e.Type == "UnsubscribeConfirmation"):
		return Notification{Nothing: "it is a " + e.Type + " of topic " + e.TopicArn}, nil
	case e.Event == "s3:TestEvent" && e.Service != "" && e.Bucket != "":
		return Notification{Test: true}, nil
	}
	return Notification{}, ErrNotEvent
}

func decodeRecords(all []json.RawMessage) (Notification, error) {
	if len(all) == 0 {
		return Notification{Nothing: "it holds no records"}, nil
	}
	n := Notification{Records: make([]Record, 0, len(all))}
	for i, raw := range all {
		r, err := decodeRecord(raw)
		if err != nil {
			return Notification{}, fmt.Errorf("record %d of the event message: %w", i+1, err)
		}
		n.Records = append(n.Records, r)
	}
	return n, nil
}

// direct is a record as S3 itself writes it.
type direct struct {
	Region string `json:"awsRegion"`
	Time   string `json:"eventTime"`
	Name   string `json:"eventName"`
	S3     *struct {
		Bucket struct {
			Name  string `json:"name"`
			Owner struct {
				ID string `json:"principalId"`
			} `json:"ownerIdentity"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"` // encoded like a form
			Size      int64  `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func decodeRecord(raw json.RawMessage) (Record, error) {
	var d direct
	if err := json.Unmarshal(raw, &d); err != nil {
		return Record{}, err
	}
	if d.S3 == nil {
		return Record{}, errors.New(`it has no "s3"`)
	}
	key, err := url.QueryUnescape(d.S3.Object.Key)
	if err != nil {
		return Record{}, fmt.Errorf("key %q is not encoded as S3 does: %w", d.S3.Object.Key, err)
	}
	o := &d.S3.Object
	name := strings.TrimPrefix(d.Name, "s3:")
	r := Record{
		Name: name, Kind: kindOf(name), Bucket: d.S3.Bucket.Name, Key: key, Size: o.Size, ETag: strings.Trim(o.ETag, `"`),
		VersionID: o.VersionID, Sequencer: o.Sequencer, Region: d.Region,
	}
	return r.finish(d.Time)
}

// bridge is the detail of an EventBridge event.
type bridge struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"` // as it is
		Size      int64  `json:"size"`
		ETag      string `json:"etag"`
		VersionID string `json:"version-id"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
}

func decodeBridge(e *envelope) (Record, error) {
	if e.Source != "aws.s3" {
		return Record{}, fmt.Errorf("%w: it is an EventBridge event of %q, not of aws.s3", ErrNotEvent, e.Source)
	}
	var b bridge
	if err := json.Unmarshal(e.Detail, &b); err != nil {
		return Record{}, fmt.Errorf("detail of the event: %w", err)
	}
	o := &b.Object
	r := Record{
		Name: e.DetailType, Kind: bridgeKind(e.DetailType), Bucket: b.Bucket.Name, Key: o.Key, Size: o.Size, ETag: strings.Trim(o.ETag, `"`),
		VersionID: o.VersionID, Sequencer: o.Sequencer, Region: e.Region, Account: e.Account,
	}
	return r.finish(e.Time)
}

// finish checks what every event must have.
func (r Record) finish(at string) (Record, error) {
	switch {
	case r.Name == "":
		return r, errors.New("it has no event name")
	case r.Bucket == "":
		return r, errors.New("it names no bucket")
	case r.Key == "":
		return r, errors.New("it names no key")
	case r.Size < 0:
		return r, fmt.Errorf("it has the negative size %d", r.Size)
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return r, fmt.Errorf("its time %q is not in RFC 3339: %w", at, err)
	}
	r.Time = t.UTC()
	return r, nil
}

// kindOf sorts the names of https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
func kindOf(name string) Kind {
	family, detail, _ := strings.Cut(name, ":")
	switch family {
	case "ObjectCreated":
		return Created
	case "ObjectRemoved", "LifecycleExpiration":
		return Removed
	case "ObjectRestore":
		if detail == "Completed" {
			return Restored
		}
		return Ignored // it was asked for, or is over
	case "ObjectTagging":
		return Tagged
	case "ObjectAcl", "LifecycleTransition", "IntelligentTiering", "Replication", "ReducedRedundancyLostObject", "ObjectAnnotation":
		return Ignored
	}
	return Unknown
}

// bridgeKind sorts the detail types of https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
func bridgeKind(detailType string) Kind {
	switch detailType {
	case "Object Created":
		return Created
	case "Object Deleted":
		return Removed
	case "Object Restore Completed":
		return Restored
	case "Object Tags Added", "Object Tags Deleted":
		return Tagged
	case "Object Restore Initiated", "Object Restore Expired", "Object Storage Class Changed", "Object Access Tier Changed", "Object ACL Updated":
		return Ignored
	}
	return Unknown
}

// Compare orders two events of one key: negative when a happened before b. Sequencers are hexadecimal numbers of different
// lengths; the shorter is padded with zeros on the right. An empty sequencer is before every other.
func Compare(a, b string) int {
	n := max(len(a), len(b))
	switch {
	case a == b:
		return 0
	case a == "":
		return -1
	case b == "":
		return 1
	}
	pad := func(s string) string { return strings.ToUpper(s) + strings.Repeat("0", n-len(s)) }
	return strings.Compare(pad(a), pad(b))
}
