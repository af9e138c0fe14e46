package kit

import "github.com/aws/aws-cdk-go/awscdk/v2"

// consoles are the hosts of the management console by partition.
// https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html and the partitions' own guides
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
	"aws-eusc":   "console.amazonaws-eusc.eu",
}

// Console returns the host of the console in the partition of the stack. A template declares the mapping once.
func Console(s *Stack) *string {
	mapping := map[string]*map[string]any{}
	for partition, host := range consoles {
		mapping[partition] = &map[string]any{"Host": host}
	}
	awscdk.NewCfnMapping(s.Scope, new("Console"), &awscdk.CfnMappingProps{Lazy: new(false), Mapping: &mapping})
	return awscdk.Fn_FindInMap(new("Console"), awscdk.Aws_PARTITION(), new("Host"), nil)
}
