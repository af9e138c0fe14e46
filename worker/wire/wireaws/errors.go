package wireaws

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/worker/failure"
)

// Refusal is an answer that says no.
type Refusal struct {
	Status  int
	Code    string // of the service, without name space: ConditionalCheckFailedException
	Message string
	Body    []byte    // the whole answer
	Date    time.Time // the service's clock; zero when it did not say
}

func (r *Refusal) Error() string {
	if r.Message == "" {
		return r.Code
	}
	return r.Code + ": " + r.Message
}

func (r *Refusal) expired() bool { return strings.HasPrefix(r.Code, "ExpiredToken") }

// refusalIn returns the refusal in an error's chain, nil when the service did not answer.
func refusalIn(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// refused turns an answer into an error.
func refused(call *Call, resp *http.Response, body []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message: names are matched in any case
	}
	r := &Refusal{Status: resp.StatusCode, Body: body}
	if json.Unmarshal(body, &said) == nil {
		r.Code, r.Message = said.Type, said.Message
		if r.Code == "" {
			r.Code = said.Code
		}
	}
	if r.Code == "" {
		r.Code = resp.Header.Get("X-Amzn-ErrorType")
	}
	if i := strings.LastIndexByte(r.Code, '#'); i >= 0 {
		r.Code = r.Code[i+1:]
	}
	r.Code, _, _ = strings.Cut(r.Code, ":")
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		r.Date = at
	}
	return &failure.Error{
		Class: ClassOfCode(r.Code, r.Status), Op: call.Op, Target: call.On,
		Status: r.Status, Code: r.Code, Detail: r.Message, Err: r,
	}
}

// broken is the error of a call without a whole answer. parent is the caller's context: when it ended, the call was
// given up; otherwise the network or the service kept it waiting.
func broken(parent context.Context, call *Call, err error) error {
	class := failure.Network
	if parent.Err() != nil {
		class, err = failure.Canceled, context.Cause(parent)
	}
	return &failure.Error{Class: class, Op: call.Op, Target: call.On, Detail: err.Error(), Err: err}
}

// Classify gives an error of an SDK client its class. Errors that have one already, and nil, are returned as they are.
func Classify(ctx context.Context, op, on string, err error) error {
	if err == nil {
		return nil
	}
	var own *failure.Error
	if errors.As(err, &own) {
		return err
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return broken(ctx, &Call{Op: op, On: on}, err)
	}
	status := 0
	var answered *awshttp.ResponseError
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	return &failure.Error{
		Class: ClassOfCode(api.ErrorCode(), status), Op: op, Target: on,
		Status: status, Code: api.ErrorCode(), Detail: api.ErrorMessage(), Err: err,
	}
}

// ClassOfCode classes an error code of SQS or DynamoDB, of a whole call (with its HTTP status) or of one entry
// of a batch (status 0).
func ClassOfCode(code string, status int) failure.Class {
	code = strings.TrimPrefix(code, "AWS.SimpleQueueService.")
	switch code {
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"ProvisionedThroughputExceededException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown",
		"OverLimit", "KmsThrottled", "KMS.ThrottlingException", "ReplicatedWriteConflictException":
		return failure.Throttled
	case "AccessDeniedException", "AccessDenied", "InvalidSecurity", "OptInRequired":
		return failure.AccessDenied
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "ExpiredTokenException", "ExpiredToken",
		"MissingAuthenticationTokenException", "MissingAuthenticationToken", "InvalidSignatureException",
		"SignatureDoesNotMatch", "IncompleteSignatureException", "IncompleteSignature", "RequestExpired":
		return failure.BadCredentials
	case "ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue":
		return failure.NotFound
	case "ConditionalCheckFailedException", "TransactionConflictException":
		return failure.Conflict
	case "BatchRequestTooLong", "RequestEntityTooLarge":
		return failure.TooLarge
	case "InternalServerError", "InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout":
		return failure.Server
	}
	switch {
	case strings.HasPrefix(code, "Kms"), strings.HasPrefix(code, "KMS."):
		return failure.KMS
	case status == http.StatusTooManyRequests:
		return failure.Throttled
	case status >= 500:
		return failure.Server
	case status == http.StatusForbidden:
		return failure.AccessDenied
	}
	// Anything else is about the request itself: sending it again would change nothing.
	return failure.DestinationRefuses
}
