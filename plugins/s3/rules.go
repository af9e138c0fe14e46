package s3

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/datatransferhub/dth/plugins/contract"
)

// rules are the checks between parameters.
func rules() []contract.Rule {
	return []contract.Rule{
		endpoints, buckets, identities, prefixes, listObjects, patterns, bounds, deleting, serverSide, intoItself, otherStores, capacities, keeping,
	}
}

func refuse(v contract.Values, field, format string, args ...any) []contract.FieldError {
	return []contract.FieldError{{Field: field, Value: v[field], Message: fmt.Sprintf(format, args...)}}
}

// An end's parameters, source first: errors come in the order of the form.
func ends() []struct{ kind, bucket, address string } {
	return []struct{ kind, bucket, address string }{{"srcType", "srcBucket", "srcEndpoint"}, {"destType", "destBucket", "destEndpoint"}}
}

func endpoints(v contract.Values) (errs []contract.FieldError) {
	for _, end := range ends() {
		address := v[end.address]
		switch {
		case address == "" && v[end.kind] == "S3_Compatible":
			errs = append(errs, refuse(v, end.address, "S3_Compatible needs an endpoint, such as https://s3.example.com")...)
		case address != "" && !isAddress(address):
			errs = append(errs, refuse(v, end.address, "allowed: "+urlRule)...)
		}
	}
	return errs
}

// isAddress reports whether a host can be read from an address with or without a scheme.
func isAddress(address string) bool {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || strings.Trim(u.Hostname(), ".-:") == "" {
		return false
	}
	port := u.Port()
	n, err := strconv.Atoi(port)
	return port == "" && !strings.HasSuffix(u.Host, ":") || err == nil && n > 0 && n < 1<<16
}

// Bucket names by provider: Amazon's are the strictest; other stores take capitals or underscores.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func buckets(v contract.Values) (errs []contract.FieldError) {
	amazon := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	for _, end := range ends() {
		bucket, kind := end.bucket, v[end.kind]
		name := v[bucket]
		switch {
		case kind == "S3_Compatible" || kind == "Qiniu_Kodo" || kind == "Google_GCS":
		case !amazon.MatchString(name):
			errs = append(errs, refuse(v, bucket, "allowed: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends")...)
		case strings.Contains(name, "..") || net.ParseIP(name) != nil:
			errs = append(errs, refuse(v, bucket, "a bucket's name is no IP address and has no two dots in a row")...)
		}
	}
	return errs
}

func identities(v contract.Values) (errs []contract.FieldError) {
	for _, side := range []string{"src", "dest"} {
		keys, role, external := side+"Credentials", side+"RoleArn", side+"ExternalId"
		if v[keys] != "" && v[role] != "" {
			errs = append(errs, refuse(v, role, "give either %s or %s, not both", keys, role)...)
		}
		if v[external] != "" && v[role] == "" {
			errs = append(errs, refuse(v, external, "this goes with %s, which is empty", role)...)
		}
	}
	return errs
}

func prefixes(v contract.Values) (errs []contract.FieldError) {
	given := []string{}
	for _, name := range []string{"srcPrefix", "srcPrefixList", "srcPrefixsListFile"} {
		if v[name] != "" {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		errs = append(errs, refuse(v, given[1], "only one of srcPrefix, srcPrefixList and srcPrefixsListFile can be given; %s is, too", given[0])...)
	}
	if v["srcPrefixList"] != "" && len(v.Lines("srcPrefixList")) == 0 {
		// Taken for no list, it would select the whole bucket.
		errs = append(errs, refuse(v, "srcPrefixList", "there is no prefix in this list; give one a line, or nothing for the whole bucket")...)
	}
	for i, line := range v.Lines("srcPrefixList") {
		if len(line) > 1024 {
			errs = append(errs, refuse(v, "srcPrefixList", "prefix %d has %d bytes, allowed are 1,024", i+1, len(line))...)
		}
	}
	if v.Is("stripSrcPrefix") && len(given) > 0 && given[0] != "srcPrefix" {
		errs = append(errs, refuse(v, "stripSrcPrefix", "with a prefix list there is no one prefix to strip; give false")...)
	}
	if v["srcPrefixListBucket"] != "" && v["srcPrefixsListFile"] == "" {
		errs = append(errs, refuse(v, "srcPrefixListBucket", "this goes with srcPrefixsListFile, which is empty")...)
	}
	return errs
}

func patterns(v contract.Values) (errs []contract.FieldError) {
	for _, name := range []string{"include", "exclude"} {
		if v[name] != "" && len(v.List(name)) == 0 {
			errs = append(errs, refuse(v, name, "there is no pattern in this list; give one a line, or nothing")...)
		}
		if _, _, named := ListObject(v[name]); named {
			continue
		}
		for _, p := range v.List(name) {
			if !doublestar.ValidatePattern(p) {
				errs = append(errs, refuse(v, name, "%q is no glob pattern; allowed are *, **, ?, [a-z] and {a,b}", p)...)
			}
		}
	}
	return errs
}

func bounds(v contract.Values) (errs []contract.FieldError) {
	low, hasLow := v.Size("minSize")
	high, hasHigh := v.Size("maxSize")
	if hasLow && hasHigh && low > high {
		errs = append(errs, refuse(v, "maxSize", "this is below minSize %s: nothing would be selected", v["minSize"])...)
	}
	after, before := v.Time("modifiedAfter"), v.Time("modifiedBefore")
	if !after.IsZero() && !before.IsZero() && !after.Before(before) {
		errs = append(errs, refuse(v, "modifiedBefore", "this is not after modifiedAfter %s: nothing would be selected", v["modifiedAfter"])...)
	}
	return errs
}

// deleting refuses what would take a hidden source object for a missing one.
func deleting(v contract.Values) (errs []contract.FieldError) {
	if !v.Is("deleteExtraneous") {
		return nil
	}
	for _, name := range []string{"include", "exclude", "minSize", "maxSize", "modifiedAfter", "modifiedBefore"} {
		if v[name] != "" {
			errs = append(errs, refuse(v, "deleteExtraneous", "%s hides source objects, whose copies would be deleted; give one of the two", name)...)
		}
	}
	if v.Is("srcSkipCompare") {
		errs = append(errs, refuse(v, "deleteExtraneous", "srcSkipCompare leaves the destination unlisted; give one of the two")...)
	}
	return errs
}

func serverSide(v contract.Values) []contract.FieldError {
	if v["transferMode"] != "server_side" {
		return nil
	}
	if v["srcType"] != v["destType"] || v["srcType"] == "S3_Compatible" && !sameAddress(v) {
		return refuse(v, "transferMode", "the destination can copy by itself only within one service; give auto or stream")
	}
	if v["bandwidthLimit"] != "" && v.Rate("bandwidthLimit") > 0 {
		return refuse(v, "bandwidthLimit", "nothing limits a copy that the store makes by itself; give 0, or another transferMode")
	}
	return nil
}

// sameAddress reports whether both ends name one service, a slash at the end aside.
func sameAddress(v contract.Values) bool {
	return strings.EqualFold(strings.TrimRight(v["srcEndpoint"], "/"), strings.TrimRight(v["destEndpoint"], "/"))
}

// intoItself refuses a transfer whose copies would be read as sources again, or would overwrite their own sources.
func intoItself(v contract.Values) []contract.FieldError {
	if v["srcBucket"] != v["destBucket"] || v["srcType"] != v["destType"] || !sameAddress(v) {
		return nil
	}
	target := strings.TrimRight(v["destPrefix"], "/")
	if target != "" {
		target += "/"
	}
	sources := v.Lines("srcPrefixList")
	if len(sources) == 0 {
		sources = []string{v["srcPrefix"]}
	}
	for _, source := range sources {
		if strings.HasPrefix(target, source) || strings.HasPrefix(source, target) {
			return refuse(v, "destPrefix", "source %q and destination %q of bucket %s overlap: copies would be read as sources again; choose prefixes of which neither contains the other",
				source, target, v["destBucket"])
		}
	}
	return nil
}

// otherStores refuses what only Amazon S3 knows.
func otherStores(v contract.Values) (errs []contract.FieldError) {
	if v["destType"] != "S3_Compatible" {
		return nil
	}
	if sse := v["destPutObjectSSEType"]; sse == "AWS_KMS_DSSE" {
		errs = append(errs, refuse(v, "destPutObjectSSEType", "S3_Compatible stores take None, AES256 or AWS_KMS")...)
	}
	return errs
}

func capacities(v contract.Values) []contract.FieldError {
	if v["maxCapacity"] == "" {
		return nil // not a contract with a fleet
	}
	low, start, high := v.Integer("minCapacity"), v.Integer("desiredCapacity"), v.Integer("maxCapacity")
	switch {
	case low > high:
		return refuse(v, "minCapacity", "this is more than maxCapacity %d", high)
	case start < low || start > high:
		return refuse(v, "desiredCapacity", "allowed: minCapacity %d to maxCapacity %d", low, high)
	}
	return nil
}

// keeping refuses to forget what messages that still wait may be about.
func keeping(v contract.Values) []contract.FieldError {
	if days := v.Integer("ledgerTtlDays"); days > 0 && days < leastKept {
		return refuse(v, "ledgerTtlDays", "allowed are 0, which keeps records for ever, and %d to 3650: messages of an object may be up to 14 days old", leastKept)
	}
	return nil
}
