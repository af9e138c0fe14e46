package stack

import (
	"flag"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

var update = flag.Bool("update", false, "write testdata/template.txt anew")

// The whole template, a line a property, so that a change of the code shows what it changes for a deployed stack. Run the
// test with -update and read the difference.
func TestGolden(t *testing.T) {
	// That parameters and metadata are the contract's is another test.
	kittest.Golden(t, "testdata/template.txt", kittest.Print(released(t).All(), "Parameters", "Metadata"), *update)
}

// compact prints a value as JSON without spaces, keys sorted.
func compact(value any) string { return kittest.Compact(value) }
