package pickersaws

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/datatransferhub/dth/lambda/task"
)

// listSecrets lists the secrets that are tagged for this hub. The service finds tags by the beginnings of their keys.
func (p *Pickers) listSecrets(ctx context.Context, _ task.PickQuery) (all []task.Pick, err error) {
	in := &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(100), Filters: []types.Filter{{Key: types.FilterNameStringTypeTagKey, Values: []string{TagHub}}},
	}
	pages := secretsmanager.NewListSecretsPaginator(p.secrets, in)
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing secrets: %w", err)
		}
		for _, s := range out.SecretList {
			if name := aws.ToString(s.Name); p.offers(s.Tags) {
				all = append(all, task.Pick{Value: name, Label: name, Note: aws.ToString(s.Description)})
			}
		}
	}
	return all, nil
}

func (p *Pickers) offers(tags []types.Tag) bool {
	for _, t := range tags {
		if aws.ToString(t.Key) == TagHub {
			value := aws.ToString(t.Value)
			return value == "" || value == p.hub
		}
	}
	return false
}

// listKeys lists the customer's keys by their aliases. Those of AWS itself have aliases of their own, and cannot be given to a
// transfer.
func (p *Pickers) listKeys(ctx context.Context, _ task.PickQuery) (all []task.Pick, err error) {
	aliases, err := p.aliases(ctx)
	if err != nil {
		return nil, err
	}
	pages := kms.NewListKeysPaginator(p.keys, &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing keys: %w", err)
		}
		for _, k := range out.Keys {
			id, alias := aws.ToString(k.KeyId), aliases[aws.ToString(k.KeyId)]
			pick := task.Pick{Value: aws.ToString(k.KeyArn), Label: id}
			if alias != "" {
				pick.Label, pick.Note = alias, id
			}
			if !strings.HasPrefix(alias, "aws/") {
				all = append(all, pick)
			}
		}
	}
	return all, nil
}

// aliases are those of keys by id, the first of each.
func (p *Pickers) aliases(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	pages := kms.NewListAliasesPaginator(p.keys, &kms.ListAliasesInput{Limit: aws.Int32(100)})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the aliases of keys: %w", err)
		}
		for _, a := range out.Aliases {
			name, key := strings.TrimPrefix(aws.ToString(a.AliasName), "alias/"), aws.ToString(a.TargetKeyId)
			if there, known := found[key]; !known || name < there {
				found[key] = name
			}
		}
	}
	return found, nil
}

func (p *Pickers) listVPCs(ctx context.Context, _ task.PickQuery) (all []task.Pick, err error) {
	pages := ec2.NewDescribeVpcsPaginator(p.network, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(1000)})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing VPCs: %w", err)
		}
		for _, v := range out.Vpcs {
			all = append(all, task.Pick{Value: aws.ToString(v.VpcId), Label: labelOf(v.Tags, v.VpcId), Note: aws.ToString(v.CidrBlock)})
		}
	}
	return all, nil
}

func (p *Pickers) listSubnets(ctx context.Context, q task.PickQuery) (all []task.Pick, err error) {
	in := &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(1000), Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{q.Within}}}}
	pages := ec2.NewDescribeSubnetsPaginator(p.network, in)
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the subnets of %s: %w", q.Within, err)
		}
		for _, s := range out.Subnets {
			all = append(all, task.Pick{Value: aws.ToString(s.SubnetId), Label: labelOf(s.Tags, s.SubnetId), Note: aws.ToString(s.AvailabilityZone)})
		}
	}
	return all, nil
}

// labelOf is the name that somebody gave a thing as a tag, with its id.
func labelOf(tags []ec2types.Tag, id *string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == "Name" && aws.ToString(t.Value) != "" {
			return aws.ToString(t.Value) + " (" + aws.ToString(id) + ")"
		}
	}
	return aws.ToString(id)
}
