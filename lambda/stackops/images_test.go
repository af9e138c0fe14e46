package stackops_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/image/imagelist"
)

// ofImages is a task that copies images.
func ofImages(k task.Kind, list string) task.Task {
	t := given(k)
	t.Type = "ECR"
	t.Parameters = map[string]string{
		"destRegion": "cn-north-1", "ecsClusterName": "c", "ecsVpcId": "vpc-0123456789abcdef0", "ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1",
		"alarmEmail": "a@example.com", "srcList": "SELECTED", "srcImageList": list,
	}
	return t
}

// A task of images that is made to begin later, or is paused, has its stack made and changed as that of a paused task.
func TestTasksOfImagesStayPaused(t *testing.T) {
	for _, k := range []task.Kind{task.Create, task.Update} {
		for after, want := range map[task.State]string{task.Paused: "true", task.InProgress: "false"} {
			of := ofImages(k, "app:1")
			of.Operation.After = after
			f := newFlow(t, of)
			if k == task.Update {
				f.stack(stackops.CreateComplete)
			}
			f.ends(after, "", "")
			if !slices.Contains(f.cf.Asked(name).Parameters, stackops.Parameter{Name: "startPaused", Value: want}) {
				t.Errorf("%s to be %s: asked for %v", k, after, f.cf.Asked(name).Parameters)
			}
			if held := len(f.steered) == 1; held != (k == task.Update && after == task.Paused) {
				t.Errorf("%s to be %s: steered by %q", k, after, f.steered)
			}
		}
	}
}

// Remarks of a list neither swallow what follows them nor become images when the list is put on one line.
func TestRemarksOfAList(t *testing.T) {
	const list = "# ours, and theirs\r\napp:1\n\n   # old: app:0, app:00\nteam/{a,b}:v{1,2}, other:/a{1,3}/\n#last"
	f := newFlow(t, ofImages(task.Create, list))
	f.ends(task.InProgress, "", "")
	parameters := f.cf.Asked(name).Parameters
	i := slices.IndexFunc(parameters, func(p stackops.Parameter) bool { return p.Name == "srcImageList" })
	if i < 0 || parameters[i].Value != "app:1,team/{a,b}:v{1,2},other:/a{1,3}/" {
		t.Fatalf("asked for %v", parameters)
	}
	var before, after []string
	for text, all := range map[string]*[]string{list: &before, parameters[i].Value: &after} {
		entries, err := imagelist.Parse(text)
		must(t, err)
		for _, e := range entries {
			*all = append(*all, e.String())
		}
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	// Elsewhere a # belongs to the value.
	objects := given(task.Create)
	objects.Parameters["include"] = "#1/*\n*.jpg"
	f = newFlow(t, objects)
	f.ends(task.InProgress, "", "")
	if !slices.ContainsFunc(f.cf.Asked(name).Parameters, func(p stackops.Parameter) bool { return p.Name == "include" && strings.HasPrefix(p.Value, "#1/*,") }) {
		t.Errorf("asked for %v", f.cf.Asked(name).Parameters)
	}
}
