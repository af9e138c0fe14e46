package portal

import (
	"flag"
	"reflect"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

var update = flag.Bool("update", false, "write testdata anew")

// The whole template of one variant, a line a property, and what is otherwise in the other: a change of the code shows what it
// changes for a deployed stack. Run the test with -update and read the difference.
func TestGolden(t *testing.T) {
	one, other := released(t)[Cognito].object, released(t)[OpenID].object
	kittest.Golden(t, "testdata/cognito.txt", kittest.Print(one), *update)
	kittest.Golden(t, "testdata/openid.txt", kittest.Print(difference(one, other)), *update)
}

// difference returns what of the other template is not in the first, and what is missing.
func difference(one, other object) object {
	all := object{}
	for section, value := range other {
		theirs, ok := value.(object)
		ours, _ := one[section].(object)
		if !ok {
			if !reflect.DeepEqual(one[section], value) {
				all[section] = value
			}
			continue
		}
		part := object{}
		for id, v := range theirs {
			if !reflect.DeepEqual(ours[id], v) {
				part[id] = v
			}
		}
		for id := range ours {
			if theirs[id] == nil {
				part[id] = "is not in this variant"
			}
		}
		if len(part) > 0 {
			all[section] = part
		}
	}
	return all
}
