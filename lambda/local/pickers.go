package local

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
)

// Pickers lists what can be chosen on one machine: the secrets in its folder. Buckets of stores are theirs to list, and there
// are no networks to choose.
type Pickers struct{ Secrets string }

var _ task.Pickers = Pickers{}

// Pick implements task.Pickers.
func (p Pickers) Pick(_ context.Context, q task.PickQuery) (task.Picks, error) {
	var all []string
	switch q.Kind {
	case task.Secrets:
		files, err := os.ReadDir(p.Secrets)
		if err != nil && !os.IsNotExist(err) {
			return task.Picks{}, err
		}
		for _, f := range files {
			if name, is := strings.CutSuffix(f.Name(), ".json"); is {
				all = append(all, name)
			}
		}
	case task.Regions:
		all = regions()
	case task.Buckets, task.KMSKeys, task.VPCs, task.Subnets:
	}
	slices.Sort(all)
	var page task.Picks
	for _, name := range all {
		if name <= q.After || !strings.Contains(strings.ToLower(name), strings.ToLower(q.Text)) {
			continue
		}
		if len(page.Picks) == q.First {
			page.Next = page.Picks[q.First-1].Value
			break
		}
		page.Picks = append(page.Picks, task.Pick{Value: name, Label: name})
	}
	return page, nil
}

// regions are those of AWS that are offered by name; others can be written all the same.
func regions() []string {
	return []string{
		"af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2",
		"ap-southeast-3", "ap-southeast-4", "ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-north-1",
		"eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2",
		"us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
	}
}
