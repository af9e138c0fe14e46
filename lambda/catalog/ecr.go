package catalog

import (
	"cmp"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
)

func ecrPlugin(c *contract.Contract, version string) task.Plugin {
	return task.Plugin{
		Type: "ECR", Description: "Container images from another Amazon ECR, or from any OCI registry, into an Amazon ECR",
		Version: version, Contract: c, Schedule: ecrSchedule, Ends: ecrEnds,
	}
}

func ecrSchedule(v contract.Values) task.Schedule {
	s := task.Schedule{Kind: task.Once, Events: v["pushEvents"] == "Yes"}
	switch {
	case v["pollEvery"] != "":
		s.Kind, s.Expression = task.Scheduled, "every "+v["pollEvery"]
	case v["scheduleExpression"] != "":
		s.Kind, s.Expression = task.Scheduled, v["scheduleExpression"]
	}
	return s
}

func ecrEnds(p map[string]string) (source, destination string) {
	place := func(account, region string) string {
		text := "Amazon ECR"
		if region != "" {
			text += " in " + region
		}
		if account != "" {
			text += " of account " + account
		}
		return text
	}
	source = place(p["srcAccountId"], p["srcRegion"])
	switch {
	case p["srcRegistry"] != "":
		source = p["srcRegistry"]
	case p["sourceType"] == "Public":
		source = "Registries: " + first(p["srcImageList"], cmp.Or(p["srcImageListParameter"], "a list"))
	}
	destination = cmp.Or(p["destRegistry"], place(p["destAccountId"], p["destRegion"]))
	if prefix := strings.Trim(p["destPrefix"], "/"); prefix != "" {
		destination += ", below " + prefix
	}
	return source, destination
}

// first returns the first image of a list, and says that there are more.
func first(list, otherwise string) string {
	images := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' })
	switch len(images) {
	case 0:
		return otherwise
	case 1:
		return strings.TrimSpace(images[0])
	}
	return strings.TrimSpace(images[0]) + " and others"
}
