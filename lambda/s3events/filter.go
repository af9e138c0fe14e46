package s3events

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxFilter is how long the value of a filter may be.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_FilterRule.html
const maxFilter = 1024

// Filterable returns how much of a prefix a filter can hold: what is before an asterisk, which filters do not know, and not too
// long. Events of the other keys are dropped by the workers, who know the whole prefix.
func Filterable(prefix string) string {
	prefix, _, _ = strings.Cut(prefix, "*")
	for len(Filter(prefix)) > maxFilter {
		_, last := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-last]
	}
	return prefix
}

// Filter returns a prefix as the value of a filter, in which a space is a plus sign and other special characters are
// percent-encoded: with a value that is not, S3 takes the notification and never sends an event. Written so, it is right both
// if S3 decodes it and if S3 compares it with the encoded keys of events.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func Filter(prefix string) string {
	return strings.NewReplacer("%2F", "/", "~", "%7E").Replace(url.QueryEscape(prefix))
}

// Unfilter returns the prefix that a filter's value means; one that is not well encoded means itself.
func Unfilter(value string) string {
	prefix, err := url.QueryUnescape(value)
	if err != nil {
		return value
	}
	return prefix
}
