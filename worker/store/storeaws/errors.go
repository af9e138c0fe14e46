package storeaws

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// maxErrorBody bounds how much of an error document is read.
const maxErrorBody = 64 << 10

type errorDocument struct {
	Code     string
	Message  string
	Region   string
	Endpoint string
}

// answerError turns an error answer into a classed error. HEAD answers have no document, so the
// status alone must do.
func (b *Bucket) answerError(c *call, resp *http.Response) error {
	var doc errorDocument
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what cannot be read leaves the status
	if len(body) > 0 {
		_ = xml.Unmarshal(body, &doc) // some stores answer in HTML or JSON: then the status decides
	}
	e := b.newError(c, resp.StatusCode, doc)
	if region := firstOf(resp.Header.Get("X-Amz-Bucket-Region"), doc.Region); e.Class == failure.WrongRegion && region != "" {
		e.Detail = "the bucket is in region " + region + ", not " + b.region
	}
	if doc.Code == "RequestTimeTooSkewed" {
		b.learnSkew(resp.Header.Get("Date"))
	}
	return e
}

func (b *Bucket) newError(c *call, status int, doc errorDocument) *failure.Error {
	return &failure.Error{
		Class: classify(c.op, status, doc.Code, doc.Message), Op: c.op, Target: b.target(c.key),
		Status: status, Code: doc.Code, Detail: doc.Message,
	}
}

// learnSkew corrects the clock that requests are signed with by what the store says.
func (b *Bucket) learnSkew(date string) {
	if t, err := http.ParseTime(date); err == nil {
		b.skew.Store(int64(time.Until(t)))
	}
}

// classify sorts an answer by its error code, and by its status where there is no known code.
// Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func classify(op string, status int, code, message string) failure.Class {
	switch code {
	case "NoSuchKey", "NoSuchVersion", "NoSuchUpload":
		return failure.NotFound
	case "NoSuchBucket":
		return failure.NoSuchBucket
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"InvalidSecurity", "NotSignedUp", "AuthorizationQueryParametersError":
		return failure.BadCredentials
	case "AuthorizationHeaderMalformed":
		if strings.Contains(message, "region") {
			return failure.WrongRegion
		}
		return failure.BadCredentials
	case "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "IncorrectEndpoint":
		return failure.WrongRegion
	case "RequestTimeTooSkewed":
		return failure.Server // corrected by the answer's date: the next attempt is signed with it
	case "InvalidObjectState":
		return failure.Archived
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
		"ServiceUnavailable", "RequestThrottled":
		return failure.Throttled
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody":
		return failure.Checksum
	case "ConditionalRequestConflict", "OperationAborted":
		return failure.Conflict // another write of this key is under way
	case "EntityTooLarge":
		return failure.TooLarge
	case "RequestTimeout", "InternalError":
		return failure.Server
	}
	if strings.HasPrefix(code, "KMS.") || status == http.StatusForbidden && strings.Contains(strings.ToLower(message), "kms") {
		return failure.KMS
	}
	return classifyStatus(op, status)
}

func classifyStatus(op string, status int) failure.Class {
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return failure.AccessDenied
	case status == http.StatusNotFound:
		if op == "HeadBucket" || strings.HasPrefix(op, "ListObjects") {
			return failure.NoSuchBucket
		}
		return failure.NotFound
	case status == http.StatusPreconditionFailed:
		if op == "GetObject" || op == "HeadObject" {
			return failure.Changed
		}
		return failure.Conflict
	case status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect:
		return failure.WrongRegion
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return failure.Throttled
	case status >= 500:
		return failure.Server
	case status == http.StatusRequestedRangeNotSatisfiable:
		return failure.Changed // shorter than it was
	case status >= 400:
		return failure.DestinationRefuses
	}
	return failure.Other
}

func (b *Bucket) conditionsUnknown(err error) bool {
	var e *failure.Error
	return asFailure(err, &e) && (e.Status == http.StatusNotImplemented || e.Code == "NotImplemented")
}
