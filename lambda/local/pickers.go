package local

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/partition"
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
		all = partition.Regions()
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
