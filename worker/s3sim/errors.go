package s3sim

import (
	"fmt"
	"net/http"
)

// Error is an answer that refuses a request.
// Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type Error struct {
	Status  int
	Code    string
	Message string

	region   string // the right one, for answers about a wrong one
	endpoint string
	late     bool // told inside an answer of status 200
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

func refuse(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

func errNoSuchKey() *Error {
	return refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
}

func errNoSuchUpload() *Error {
	return refuse(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}

func errNoSuchBucket() *Error {
	return refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
}

func errPrecondition() *Error {
	return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

func errNotImplemented(what string) *Error {
	return refuse(http.StatusNotImplemented, "NotImplemented", "A header or operation you provided implies functionality that is not implemented: "+what)
}

func errInvalid(message string) *Error {
	return refuse(http.StatusBadRequest, "InvalidArgument", message)
}

func errMalformedXML() *Error {
	return refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func (e *Error) document(resource string) []byte {
	b := []byte(xmlHeader)
	b = append(b, "<Error>"...)
	b = element(b, "Code", e.Code)
	b = element(b, "Message", e.Message)
	if e.region != "" {
		b = element(b, "Region", e.region)
	}
	if e.endpoint != "" {
		b = element(b, "Endpoint", e.endpoint)
	}
	b = element(b, "Resource", resource)
	return append(b, "<RequestId>SIM</RequestId></Error>"...)
}
