package house_test

import (
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/tools/house"
)

func TestThisRepositoryKeepsTheRules(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := house.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := house.Check(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}
