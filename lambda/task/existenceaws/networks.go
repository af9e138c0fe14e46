package existenceaws

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
)

// networks looks for the VPC and its subnets. Filters find those that are there; ids that are not are no error then.
func (e *Existence) networks(ctx context.Context, v contract.Values, vpcField string, subnetFields []string) (wrong []task.Error, err error) {
	vpc := v[vpcField]
	var subnets, fields []string // of each subnet, the parameter that names it
	for _, field := range subnetFields {
		for _, id := range v.List(field) {
			subnets, fields = append(subnets, id), append(fields, field)
		}
	}
	if vpc != "" {
		out, err := e.network.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filter("vpc-id", vpc)})
		if err := told("looking for VPC "+vpc, err); err != nil {
			return nil, err
		}
		if err == nil && len(out.Vpcs) == 0 {
			wrong = append(wrong, *missing(vpcField, vpc, "there is no such VPC in the hub's account and region", "choose one of the list"))
		}
	}
	if len(subnets) == 0 {
		return wrong, nil
	}
	out, err := e.network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filter("subnet-id", subnets...)})
	if err != nil {
		return wrong, told("looking for subnets", err)
	}
	for n, id := range subnets {
		subnetField := fields[n]
		i := slices.IndexFunc(out.Subnets, func(s types.Subnet) bool { return aws.ToString(s.SubnetId) == id })
		switch {
		case i < 0:
			wrong = append(wrong, *missing(subnetField, id, "there is no such subnet in the hub's account and region", "choose subnets of the VPC"))
		case vpc != "" && aws.ToString(out.Subnets[i].VpcId) != vpc:
			message := fmt.Sprintf("the subnet is in %s, not in %s", aws.ToString(out.Subnets[i].VpcId), vpc)
			wrong = append(wrong, *missing(subnetField, id, message, "choose subnets of the VPC"))
		}
	}
	return wrong, nil
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: aws.String(name), Values: values}}
}
