package portal

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
)

// network makes a VPC with two subnets, unless one is given: with an internet gateway, or with endpoints and no way out.
func (b *builder) network() {
	name := list{object{"Key": "Name", "Value": kit.Sub("${AWS::StackName}")}}
	vpc := b.s.Resource("Vpc", "AWS::EC2::VPC", object{"CidrBlock": kit.Ref("VpcCidr"), "EnableDnsSupport": true, "EnableDnsHostnames": true, "Tags": name})
	routes := b.s.Resource("Routes", "AWS::EC2::RouteTable", object{"VpcId": kit.Ref("Vpc"), "Tags": name})
	b.c.ownVPC.Guard(vpc, routes)
	for i, id := range []string{"Subnet1", "Subnet2"} {
		subnet := b.s.Resource(id, "AWS::EC2::Subnet", object{
			"VpcId": kit.Ref("Vpc"), "MapPublicIpOnLaunch": false, "Tags": name,
			"AvailabilityZone": awscdk.Fn_Select(new(float64(i)), awscdk.Fn_GetAzs(kit.Ref("AWS::Region"))),
			"CidrBlock":        awscdk.Fn_Select(new(float64(i)), awscdk.Fn_Cidr(kit.Ref("VpcCidr"), new(2.0), new("9"))),
		})
		b.c.ownVPC.Guard(subnet, b.s.Resource(id+"Routes", "AWS::EC2::SubnetRouteTableAssociation", object{"SubnetId": kit.Ref(id), "RouteTableId": kit.Ref("Routes")}))
	}
	b.gateway()
	b.endpoints()
	b.flowLog()
}

// vpc is that of plugins.
func (b *builder) vpc() *string { return b.c.ownVPC.Choose(kit.Ref("Vpc"), kit.Ref("VpcId")) }

// subnets are those of plugins, separated by commas.
func (b *builder) subnets() *string {
	return b.c.ownVPC.Choose(kit.Sub("${Subnet1},${Subnet2}"), kit.Ref("SubnetIds"))
}

// gateway lets the VPC reach the internet. Containers get public addresses of their own; a NAT gateway would cost more than they.
func (b *builder) gateway() {
	gateway := b.s.Resource("InternetGateway", "AWS::EC2::InternetGateway", nil)
	attachment := b.s.Resource("InternetGatewayAttachment", "AWS::EC2::VPCGatewayAttachment", object{
		"VpcId": kit.Ref("Vpc"), "InternetGatewayId": kit.Ref("InternetGateway"),
	})
	route := b.s.Resource("InternetRoute", "AWS::EC2::Route", object{
		"RouteTableId": kit.Ref("Routes"), "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": kit.Ref("InternetGateway"),
	})
	kit.Depend(route, attachment)
	b.c.public.Guard(gateway, attachment, route)
}

// The services that plugins call from a VPC without a way out. In China the names of some endpoints begin otherwise.
// https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-Beijing.html
var interfaceServices = []struct {
	id, name string
	prefixed bool // in China
}{
	{"Autoscaling", "autoscaling", true},
	{"EcrApi", "ecr.api", true},
	{"EcrDkr", "ecr.dkr", true},
	{"Logs", "logs", false},
	{"Monitoring", "monitoring", true},
	{"SecretsManager", "secretsmanager", false},
	{"Sqs", "sqs", true},
	{"Ssm", "ssm", false},
	{"States", "states", true},
	{"Sts", "sts", true},
}

func (b *builder) endpoints() {
	prefix := b.c.china.Choose(new("cn."), new(""))
	group := b.s.Resource("EndpointGroup", "AWS::EC2::SecurityGroup", object{
		"GroupDescription": "Data Transfer Hub: endpoints of AWS services", "VpcId": kit.Ref("Vpc"),
		"SecurityGroupIngress": list{object{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": kit.Ref("VpcCidr"), "Description": "HTTPS from the VPC"}},
		"SecurityGroupEgress":  list{object{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": kit.Ref("VpcCidr"), "Description": "Nothing leaves by an endpoint"}},
	})
	b.c.private.Guard(group)
	for i, service := range []string{"s3", "dynamodb"} {
		b.c.private.Guard(b.s.Resource("GatewayEndpoint"+strconv.Itoa(i+1), "AWS::EC2::VPCEndpoint", object{
			"VpcEndpointType": "Gateway", "VpcId": kit.Ref("Vpc"), "RouteTableIds": list{kit.Ref("Routes")}, "ServiceName": kit.Sub("com.amazonaws.${AWS::Region}." + service),
		}))
	}
	for _, service := range interfaceServices {
		address := kit.Sub("com.amazonaws.${AWS::Region}." + service.name)
		if service.prefixed {
			address = kit.Join("", prefix, address)
		}
		b.c.private.Guard(b.s.Resource(service.id+"Endpoint", "AWS::EC2::VPCEndpoint", object{
			"VpcEndpointType": "Interface", "VpcId": kit.Ref("Vpc"), "PrivateDnsEnabled": true, "ServiceName": address,
			"SubnetIds": list{kit.Ref("Subnet1"), kit.Ref("Subnet2")}, "SecurityGroupIds": list{kit.Ref("EndpointGroup")},
		}))
	}
}

// flowLog keeps who spoke to whom in the VPC.
func (b *builder) flowLog() {
	group := b.s.LogGroup("VpcLogs", kit.Sub(logPrefix+"vpc"), kit.Number("LogRetentionDays"))
	role := b.s.Role("VpcLogsRole", "Writes the flow log of a Data Transfer Hub's VPC", "vpc-flow-logs", kit.OwnAccount(), []kit.Statement{{
		Sid: "Logs", Resources: []*string{kit.Sub("${VpcLogs.Arn}")},
		Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
	}})
	log := b.s.Resource("VpcFlowLog", "AWS::EC2::FlowLog", object{
		"ResourceType": "VPC", "ResourceId": kit.Ref("Vpc"), "TrafficType": "ALL", "LogDestinationType": "cloud-watch-logs",
		"LogGroupName": kit.Ref("VpcLogs"), "DeliverLogsPermissionArn": kit.Sub("${VpcLogsRole.Arn}"),
	})
	b.c.ownVPC.Guard(group, role, log)
}

// cluster makes the ECS cluster in which plugins run containers. It names no capacity providers: tasks start with the launch type
// FARGATE, which needs none, and in an account that never had a cluster those cannot be named before the role of ECS is there.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
func (b *builder) cluster() {
	b.s.Resource("Cluster", "AWS::ECS::Cluster", object{
		"ClusterSettings": list{object{"Name": "containerInsights", "Value": "enabled"}},
	})
}
