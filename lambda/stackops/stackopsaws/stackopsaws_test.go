package stackopsaws_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func actions() []string {
	return slices.Concat(stackopsaws.MakeActions(), stackopsaws.DeleteActions(), stackopsaws.LookActions())
}

// template makes a queue of a parameter's name.
const template = `{"Parameters":{"Name":{"Type":"String"}},"Resources":{"Queue":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":{"Ref":"Name"}}}},
"Outputs":{"Given":{"Value":{"Ref":"Name"}}}}`

// A stack is made from a template in a bucket, changed, and deleted.
func TestLifeOfAStack(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("acme-us-east-1")})
	must(t, err)
	_, err = store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("acme-us-east-1"), Key: aws.String("t.template"), Body: bytes.NewReader([]byte(template))})
	must(t, err)
	c := stackopsaws.Open(standinaws.Only(t, cfg, actions()), "arn:aws:iam::123456789012:role/service")
	ch := stackops.Change{
		Name: "DTH-1", TemplateURL: "https://acme-us-east-1.s3.us-east-1.amazonaws.com/t.template", Token: "one-1",
		Parameters: []stackops.Parameter{{Name: "Name", Value: "first"}}, Tags: map[string]string{stackops.TagTask: "t-1", stackops.TagHub: "hub"},
	}
	if s, err := c.Describe(t.Context(), ch.Name); err != nil || s.Status != stackops.NoStack {
		t.Errorf("before it is made: %+v, %v", s, err)
	}
	id, err := c.Create(t.Context(), ch)
	must(t, err)
	if _, err := c.Create(t.Context(), ch); !errors.Is(err, stackops.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
	s, err := c.Describe(t.Context(), ch.Name)
	must(t, err)
	if s.ID != id || s.Status != stackops.CreateComplete || s.Outputs["Given"] != "first" {
		t.Errorf("it is %+v", s)
	}
	if diff := cmp.Diff(ch.Tags, s.Tags); diff != "" {
		t.Error(diff)
	}
	if err := c.Update(t.Context(), ch); !errors.Is(err, stackops.ErrNoChange) {
		t.Errorf("an update without a change: %v", err)
	}
	ch.Parameters[0].Value = "second"
	ch.Name = id
	must(t, c.Update(t.Context(), ch))
	if s, err := c.Describe(t.Context(), id); err != nil || s.Status != stackops.UpdateComplete || s.Outputs["Given"] != "second" {
		t.Errorf("after the update: %+v, %v", s, err)
	}
	must(t, c.Delete(t.Context(), id, "one-2"))
	if s, err := c.Describe(t.Context(), id); err != nil || !s.Status.Gone() {
		t.Errorf("after the deletion: %+v, %v", s, err)
	}
	must(t, c.Delete(t.Context(), "DTH-never", "one-3"))
}

// serving answers every call of CloudFormation's query protocol.
func serving(t *testing.T, answer func(v url.Values) (int, string)) *stackopsaws.CloudFormation {
	t.Helper()
	cfg := standinaws.Only(t, standinaws.Config(t, "http://127.0.0.1:1"), actions())
	cfg.Retryer = func() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), 1) }
	return stackopsaws.Open(standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		v, err := url.ParseQuery(string(r.Body))
		if err != nil {
			t.Error(err)
		}
		status, body := answer(v)
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/xml"}},
			Request: r.HTTP, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}), "")
}

func refusal(code, message string) string {
	return fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
}

// What CloudFormation says, in its own words, and what the workflow makes of it.
func TestErrors(t *testing.T) {
	update := func(c *stackopsaws.CloudFormation) error { return c.Update(t.Context(), stackops.Change{Name: "S"}) }
	create := func(c *stackopsaws.CloudFormation) error {
		_, err := c.Create(t.Context(), stackops.Change{Name: "S"})
		return err
	}
	remove := func(c *stackopsaws.CloudFormation) error { return c.Delete(t.Context(), "S", "t") }
	cancel := func(c *stackopsaws.CloudFormation) error { return c.CancelUpdate(t.Context(), "S", "t") }
	describe := func(c *stackopsaws.CloudFormation) error { _, err := c.Describe(t.Context(), "S"); return err }
	story := func(c *stackopsaws.CloudFormation) error { _, err := c.Story(t.Context(), "S", "t"); return err }
	for _, c := range []struct {
		call          func(*stackopsaws.CloudFormation) error
		code, message string
		want          error
		refused       bool
	}{
		{create, "AlreadyExistsException", "Stack [S] already exists", stackops.ErrExists, false},
		{create, "LimitExceededException", "2000 stacks", nil, true},
		{create, "InsufficientCapabilitiesException", "Requires capabilities", nil, true},
		{create, "AccessDenied", "not authorized to perform: iam:PassRole", nil, true},
		{create, "ValidationError", "Parameters: [x] do not exist in the template", nil, true},
		{update, "ValidationError", "No updates are to be performed.", stackops.ErrNoChange, false},
		{update, "ValidationError", "Stack [S] does not exist", stackops.ErrMissing, false},
		{update, "ValidationError", "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.", stackops.ErrBusy, false},
		{update, "TokenAlreadyExistsException", "a client request token already exists", stackops.ErrBusy, false},
		{remove, "ValidationError", "Stack [arn] cannot be deleted while in status UPDATE_IN_PROGRESS", stackops.ErrBusy, false},
		{remove, "ValidationError", "Stack [S] cannot be deleted while TerminationProtection is enabled", nil, true},
		{cancel, "ValidationError", "CancelUpdateStack cannot be called from current stack status", nil, false},
		{describe, "ValidationError", "Stack with id S does not exist", nil, false},
		{describe, "AccessDenied", "not authorized", nil, true},
		{story, "ValidationError", "Stack [S] does not exist", nil, false},
	} {
		t.Run(c.message, func(t *testing.T) {
			err := c.call(serving(t, func(url.Values) (int, string) { return http.StatusBadRequest, refusal(c.code, c.message) }))
			var refused *stackops.Refused
			if got := errors.As(err, &refused); got != c.refused || !errors.Is(err, c.want) && !c.refused {
				t.Errorf("%v", err)
			}
			if c.refused && !strings.Contains(err.Error(), c.message) {
				t.Errorf("%v hides what CloudFormation said", err)
			}
		})
	}
}

// Throttled calls are sent again; when that does not help, the error is none that the workflow gives up for.
func TestThrottling(t *testing.T) {
	for _, left := range []int{2, 1000} {
		refusals := left
		c := serving(t, func(url.Values) (int, string) {
			if refusals--; refusals >= 0 {
				return http.StatusBadRequest, refusal("Throttling", "Rate exceeded")
			}
			return http.StatusOK, `<DeleteStackResponse><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DeleteStackResponse>`
		})
		err := c.Delete(t.Context(), "S", "t")
		var refused *stackops.Refused
		if (err == nil) != (left == 2) || errors.As(err, &refused) || errors.Is(err, stackops.ErrBusy) {
			t.Errorf("throttled %d times: %v", left, err)
		}
	}
}

// What is asked of CloudFormation is pinned to a role, a token and the capability to make roles.
func TestRequests(t *testing.T) {
	var sent url.Values
	c := serving(t, func(v url.Values) (int, string) {
		sent = v
		return http.StatusOK, `<R><CreateStackResult><StackId>arn</StackId></CreateStackResult></R>`
	})
	_, err := c.Create(t.Context(), stackops.Change{Name: "S", TemplateURL: "https://u", Token: "tok", Parameters: []stackops.Parameter{{Name: "a", Value: ""}, {Name: "b", Value: "2"}}})
	must(t, err)
	for key, want := range map[string]string{
		"StackName": "S", "TemplateURL": "https://u", "ClientRequestToken": "tok", "Capabilities.member.1": "CAPABILITY_IAM", "OnFailure": "ROLLBACK", "RetainExceptOnCreate": "true",
		"Parameters.member.1.ParameterKey": "a", "Parameters.member.1.ParameterValue": "", "Parameters.member.2.ParameterValue": "2", "RoleARN": "",
	} {
		if got := sent.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// event is one of DescribeStackEvents.
func event(token, logical, physical, status, reason string) string {
	return fmt.Sprintf(`<member><StackId>arn</StackId><EventId>e</EventId><StackName>S</StackName><Timestamp>2026-11-23T12:00:00Z</Timestamp><ClientRequestToken>%s</ClientRequestToken>
<LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>AWS::X::Y</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason></member>`,
		token, logical, physical, status, reason)
}

// The first failure of an operation is its reason: not what was canceled because of it, not the stack's own status, not what
// other operations left behind. Events lie on pages, the newest first.
func TestStory(t *testing.T) {
	pages := map[string]string{
		"": event("later", "S", "arn", "DELETE_IN_PROGRESS", "") +
			event("mine", "S", "arn", "UPDATE_ROLLBACK_FAILED", "the stack") +
			event("mine", "Other", "o", "UPDATE_FAILED", "Resource update cancelled") +
			event("mine", "Third", "t", "UPDATE_FAILED", "came second"),
		"2": event("mine", "Queue", "q", "UPDATE_FAILED", strings.Repeat("because ", 1000)) +
			event("mine", "S", "arn", "UPDATE_IN_PROGRESS", "User Initiated") +
			event("before", "Old", "o", "CREATE_FAILED", "long ago"),
		"3": "never asked for",
	}
	c := serving(t, func(v url.Values) (int, string) {
		next := map[string]string{"": "2", "2": "3"}[v.Get("NextToken")]
		return http.StatusOK, `<R><DescribeStackEventsResult><StackEvents>` + pages[v.Get("NextToken")] + `</StackEvents><NextToken>` + next + `</NextToken></DescribeStackEventsResult></R>`
	})
	s, err := c.Story(t.Context(), "S", "mine")
	if err != nil || !s.Begun || !strings.HasPrefix(s.Failure, "Queue (AWS::X::Y) UPDATE_FAILED: because") || len(s.Failure) > 2100 {
		t.Errorf("%+v, %v", s, err)
	}
	pages["2"], pages["3"] = event("before", "S", "arn", "CREATE_COMPLETE", ""), event("first", "S", "arn", "CREATE_IN_PROGRESS", "")
	if s, err = c.Story(t.Context(), "S", "never"); err != nil || s.Begun {
		t.Errorf("a token that nobody used: %+v, %v", s, err)
	}
}
