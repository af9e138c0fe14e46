package s3

import (
	"slices"
	"strings"

	"github.com/datatransferhub/dth/plugins/contract"
)

const (
	// MaxDocument is the longest configuration document, in bytes.
	MaxDocument = 1 << 20
	// MaxList is the longest list in a configuration document, in bytes.
	MaxList = 256 << 10
)

// Lists are the parameters that may name an S3 object that holds the list, because CloudFormation takes no longer text than
// 4,096 bytes. The object is read when the stack is created and when a parameter of it changes; the programs are given the list
// itself.
func Lists() []string { return []string{"srcPrefixList", "include", "exclude"} }

// objectScheme begins a list's value that names an object.
const objectScheme = "s3://"

// ListObject returns the object that a list's value names, s3://BUCKET/KEY. Both are empty when the value names none, and
// named is true when it tries to.
func ListObject(value string) (bucket, key string, named bool) {
	rest, named := strings.CutPrefix(value, objectScheme)
	bucket, key, _ = strings.Cut(rest, "/")
	if !named || bucket == "" || key == "" || strings.ContainsFunc(key, unnameable) {
		return "", "", named
	}
	return bucket, key, true
}

// unnameable are the characters that the rights on an object, of which the template is made, cannot name as they are.
func unnameable(r rune) bool { return r < 0x20 || r > 0x7e || strings.ContainsRune("*?$", r) }

// listObjects checks what names an object.
func listObjects(v contract.Values) (errs []contract.FieldError) {
	for _, name := range Lists() {
		if bucket, _, named := ListObject(v[name]); named && bucket == "" {
			errs = append(errs, refuse(v, name, "allowed: a list, or s3://BUCKET/KEY of one object that holds it and nothing else, the key in ASCII without *, ? and $")...)
		}
	}
	return errs
}

// noListObjects refuses names of objects where nobody reads them.
func noListObjects(v contract.Values) (errs []contract.FieldError) {
	for _, name := range Lists() {
		if strings.HasPrefix(v[name], objectScheme) {
			errs = append(errs, refuse(v, name, "lists in S3 objects are read when a stack is created; give the list itself here")...)
		}
	}
	return errs
}

// withLists lets lists be as long as documents take them, and refuses objects.
func withLists(c *contract.Contract) *contract.Contract {
	for i := range c.Parameters {
		if slices.Contains(Lists(), c.Parameters[i].Name) {
			c.Parameters[i].MaxBytes = MaxList
		}
	}
	c.Rules = append(slices.Clone(c.Rules), noListObjects)
	return c
}
