package s3

import (
	"strings"
	"testing"
)

// Lists in objects are for stacks. Programs and people on one machine give the list itself, which may be long.
func TestListsInObjects(t *testing.T) {
	long := strings.Repeat("pattern/**\n", 1000)
	for _, tt := range []struct {
		what, value      string
		whole, elsewhere string // what the error says; "": allowed
	}{
		{"include", "s3://lists/a/in.txt", "", "give the list itself"},
		{"exclude", "s3://lists/a [b", "", "give the list itself"}, // no pattern
		{"srcPrefixList", "s3://lists/a", "", "give the list itself"},
		{"include", "s3://lists", "s3://BUCKET/KEY", "give the list itself"},
		{"include", "s3://lists/ü", "without *, ? and $", "give the list itself"},
		{"include", "s3://lists/a*", "without *, ? and $", "give the list itself"},
		{"include", "s3:///key", "s3://BUCKET/KEY", "give the list itself"},
		{"include", "s3://lists/a\nb", "s3://BUCKET/KEY", "give the list itself"},
		{"include", long, "allowed are 4096", ""},
		{"include", strings.Repeat("pattern/**\n", 30_000), "allowed are 4096", "allowed are 262144"},
		{"include", "x/s3://lists/a", "", ""},
	} {
		given := valid(tt.what, tt.value)
		_, err := Contract().Validate(given)
		says(t, "a stack", tt.what, tt.value, err, tt.whole)
		_, err = Local().Validate(given)
		says(t, "one machine", tt.what, tt.value, err, tt.elsewhere)
		_, err = programs().Validate(given)
		says(t, "programs", tt.what, tt.value, err, tt.elsewhere)
	}
	if c := CLI(); c.Rules == nil || len(Contract().Rules) == len(c.Rules) {
		t.Error("the command line takes names of objects")
	}
}

func says(t *testing.T, where, name, value string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s, %s %.40q: %v, want %q", where, name, value, err, want)
	}
}
