// Package catalog lists the plugins that a hub knows.
package catalog

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/grant"
	"github.com/datatransferhub/dth/worker/job"
)

// Place is where tasks of a hub run.
type Place struct {
	Account, Region string
	Network         Network
}

// Cloud returns the plugins whose tasks are stacks in an account. version is that of their templates.
func Cloud(version string, at Place) []task.Plugin {
	objects, ofObjects := within(s3.Contract(), ofInstances, at.Network)
	images, ofImages := within(ecr.At(at.Account, at.Region), ofContainers, at.Network)
	bounded(objects)
	bounded(images)
	all := []task.Plugin{s3Plugin(objects, version, at), ecrPlugin(images, version)}
	all[0].Kept, all[1].Kept = ofObjects, ofImages
	return all
}

// Local returns the plugins whose tasks run on one machine.
func Local(version string) []task.Plugin {
	return []task.Plugin{s3Plugin(s3.Local(), version, Place{}), ecrPlugin(ecr.Local(), version)}
}

func s3Plugin(c *contract.Contract, version string, at Place) task.Plugin {
	return task.Plugin{
		Type: "S3", Description: "Objects between stores: Amazon S3, other clouds, and whatever speaks its protocol",
		Version: version, Contract: c, Schedule: s3Schedule, Ends: s3Ends,
		Policies: func(v contract.Values, stack string) ([]task.Policy, error) { return s3Policies(v, stack, at) },
	}
}

func s3Ends(p map[string]string) (source, destination string) {
	address := func(kind, bucket, prefix, endpoint string) string {
		text := bucket
		if prefix != "" {
			text += "/" + prefix
		}
		switch kind = cmp.Or(kind, "Amazon_S3"); {
		case kind == "Amazon_S3" && endpoint == "":
			return "s3://" + text
		case endpoint != "":
			return strings.TrimRight(endpoint, "/") + "/" + text
		}
		return strings.ReplaceAll(kind, "_", " ") + ": " + text
	}
	to := strings.Trim(p["destPrefix"], "/")
	if to != "" {
		to += "/" // a folder; a prefix of the source is literal text
	}
	return address(p["srcType"], p["srcBucket"], p["srcPrefix"], p["srcEndpoint"]), address(p["destType"], p["destBucket"], to, p["destEndpoint"])
}

func s3Schedule(v contract.Values) task.Schedule {
	s := task.Schedule{Kind: task.Once, Events: v["srcEvent"] == "Create" || v["srcEvent"] == "CreateAndDelete"}
	switch {
	case v["pollEvery"] != "":
		s.Kind, s.Expression = task.Scheduled, "every "+v["pollEvery"]
	case v["ec2CronExpression"] != "":
		s.Kind, s.Expression = task.Scheduled, v["ec2CronExpression"]
	}
	return s
}

func s3Policies(v contract.Values, stack string, at Place) ([]task.Policy, error) {
	j := s3.FromValues(v)
	region := cmp.Or(at.Region, "us-east-1") // on one machine there is none; policies of Amazon S3 name their bucket alone
	if at.Region == "" && j.Destination.Provider == job.AmazonS3 {
		region = cmp.Or(j.Destination.Region, region)
	}
	grants, err := grant.For(grant.Task{Job: j, Account: at.Account, Region: region, StackName: stack, SourceAccount: v["srcAccountId"]})
	if err != nil {
		return []task.Policy{{End: "both", Kind: "unknown", Text: err.Error()}}, nil
	}
	all := make([]task.Policy, len(grants))
	for i, g := range grants {
		all[i] = task.Policy{End: g.End, Kind: string(g.Kind), AttachTo: g.To, Text: g.Text}
		if g.Policy == nil {
			continue
		}
		document, err := json.MarshalIndent(g.Policy, "", "  ")
		if err != nil {
			return nil, err
		}
		all[i].Document = string(document)
	}
	return all, nil
}
