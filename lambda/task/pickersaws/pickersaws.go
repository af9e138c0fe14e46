// Package pickersaws lists what the forms of a hub on AWS choose from: buckets, secrets, keys and networks of its account.
package pickersaws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/partition"
)

// Actions returns the IAM actions, none of which takes a resource. They read names and tags; values of secrets are not among
// them.
func Actions() []string {
	return []string{
		"s3:ListAllMyBuckets", "secretsmanager:ListSecrets", "kms:ListAliases", "kms:ListKeys",
		"ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRegions",
	}
}

// TagHub is the tag of secrets that a hub offers. Its value is the name of the hub's stack, or empty for every hub.
const TagHub = "DataTransferHub"

// Pickers implements task.Pickers.
type Pickers struct {
	hub     string
	region  string
	buckets *s3.Client
	secrets *secretsmanager.Client
	keys    *kms.Client
	network *ec2.Client
}

var _ task.Pickers = (*Pickers)(nil)

// Open returns the pickers of the hub whose stack has a name. It makes no call.
func Open(cfg aws.Config, hub string) *Pickers {
	return &Pickers{hub, cfg.Region, s3.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg), kms.NewFromConfig(cfg), ec2.NewFromConfig(cfg)}
}

// maxPages bounds what is listed for one answer: accounts have far less, and a form in which that much is chosen from has to
// be searched. What lies behind can be written all the same.
const maxPages = 50

// Pick implements task.Pickers. Everything of a kind is listed for each page: these lists are short, and the services search
// by the beginnings of names, or not at all.
func (p *Pickers) Pick(ctx context.Context, q task.PickQuery) (task.Picks, error) {
	list := map[task.PickKind]func(context.Context, task.PickQuery) ([]task.Pick, error){
		task.Buckets: p.listBuckets, task.Secrets: p.listSecrets, task.KMSKeys: p.listKeys,
		task.VPCs: p.listVPCs, task.Subnets: p.listSubnets, task.Regions: p.listRegions,
	}[q.Kind]
	if list == nil {
		return task.Picks{}, fmt.Errorf("there is nothing of kind %q to choose from", q.Kind)
	}
	all, err := list(ctx, q)
	if err != nil {
		return task.Picks{}, err
	}
	return page(all, q), nil
}

// page orders things by label and value, and returns those that are asked for. The cursor is the place of the last one, so that
// one that has gone meanwhile does not matter.
func page(all []task.Pick, q task.PickQuery) (page task.Picks) {
	place := func(p task.Pick) string { return p.Label + "\x00" + p.Value }
	slices.SortFunc(all, func(a, b task.Pick) int { return cmp.Compare(place(a), place(b)) })
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(q.Text)) }
	for _, p := range all {
		if place(p) <= q.After || !has(p.Label) && !has(p.Value) {
			continue
		}
		if len(page.Picks) == q.First {
			page.Next = place(page.Picks[q.First-1])
			break
		}
		page.Picks = append(page.Picks, p)
	}
	return page
}

func (p *Pickers) listBuckets(ctx context.Context, _ task.PickQuery) (all []task.Pick, err error) {
	pages := s3.NewListBucketsPaginator(p.buckets, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1000)})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing buckets: %w", err)
		}
		for _, b := range out.Buckets {
			name := aws.ToString(b.Name)
			all = append(all, task.Pick{Value: name, Label: name, Note: aws.ToString(b.BucketRegion)})
		}
	}
	return all, nil
}

// listRegions lists the regions that the account can use, and those of other partitions, where the other end may be.
func (p *Pickers) listRegions(ctx context.Context, _ task.PickQuery) (all []task.Pick, err error) {
	out, err := p.network.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, fmt.Errorf("listing regions: %w", err)
	}
	for _, r := range out.Regions {
		name := aws.ToString(r.RegionName)
		pick := task.Pick{Value: name, Label: name}
		if name == p.region {
			pick.Note = "the hub's"
		}
		all = append(all, pick)
	}
	here, err := partition.Of(p.region)
	if err != nil {
		return nil, err
	}
	for _, name := range partition.Regions() {
		if there, err := partition.Of(name); err == nil && there.Name != here.Name {
			all = append(all, task.Pick{Value: name, Label: name, Note: there.Name})
		}
	}
	return all, nil
}
