package launch_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/cmd/internal/launch"
)

// The guide says of each template where it can be launched.
func TestGuideNamesEveryTemplate(t *testing.T) {
	text, err := os.ReadFile("../../../docs/guide/publishing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tmpl := range launch.Templates() {
		row := "| " + tmpl.Name + " |"
		for _, partition := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc"} {
			if slices.Contains(tmpl.Partitions, partition) {
				row += " yes |"
			} else {
				row += " no |"
			}
		}
		if !strings.Contains(string(text), "\n"+row+"\n") {
			t.Errorf("the guide lacks %s", row)
		}
	}
}
