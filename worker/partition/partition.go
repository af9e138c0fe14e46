// Package partition knows what differs between the partitions of AWS: names of services in addresses, and the console.
package partition

import (
	"fmt"
	"regexp"
	"strings"
)

// Partition is a group of regions with accounts of its own.
type Partition struct {
	Name   string // as in ARNs: aws, aws-cn, aws-us-gov, aws-eusc
	Suffix string // of the services' hosts: amazonaws.com

	console  string // host of the management console
	regional bool   // the console has a host for each region in front of it
	begins   string // what the names of its regions begin with; "" for all others
}

// All returns the partitions, the one that takes all regions that are not another's last.
// Suffixes: https://docs.aws.amazon.com/general/latest/gr/rande.html, and the SDK's table of partitions;
// consoles: https://docs.aws.amazon.com/general/latest/gr/mgmt-console.html and the partitions' own guides.
func All() []Partition {
	return []Partition{
		{Name: "aws-cn", Suffix: "amazonaws.com.cn", console: "console.amazonaws.cn", begins: "cn-"},
		{Name: "aws-us-gov", Suffix: "amazonaws.com", console: "console.amazonaws-us-gov.com", begins: "us-gov-"},
		{Name: "aws-eusc", Suffix: "amazonaws.eu", console: "console.amazonaws-eusc.eu", begins: "eusc-"},
		{Name: "aws", Suffix: "amazonaws.com", console: "console.aws.amazon.com", regional: true},
	}
}

var (
	regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	arnForm    = regexp.MustCompile(`^arn:([a-z-]+):`)
)

// Of returns the partition of a region. The error names a text that is no region's name.
func Of(region string) (Partition, error) {
	if !regionForm.MatchString(region) {
		return Partition{}, fmt.Errorf("%q is no region; write it as in eu-west-1 or cn-north-1", region)
	}
	for _, p := range All() {
		if strings.HasPrefix(region, p.begins) {
			return p, nil
		}
	}
	panic("no partition takes all regions") // the last one does
}

// Named returns the partition of a name such as aws-cn. The error lists the names.
func Named(name string) (Partition, error) {
	var names []string
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Partition{}, fmt.Errorf("%q is no partition; allowed are %s", name, strings.Join(names, ", "))
}

// OfARN returns the name of an ARN's partition, "" where the text is no ARN.
func OfARN(arn string) string {
	if m := arnForm.FindStringSubmatch(arn); m != nil {
		return m[1]
	}
	return ""
}

// Console returns the host of the management console for a region.
func (p Partition) Console(region string) string {
	if p.regional {
		return region + "." + p.console
	}
	return p.console
}

// BucketURL returns the address of a bucket in a region, without a slash at its end.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func (p Partition) BucketURL(bucket, region string) string {
	return "https://" + bucket + ".s3." + region + "." + p.Suffix
}
