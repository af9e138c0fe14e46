package stackopsaws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/datatransferhub/dth/lambda/stackops"
)

// maxPages bounds the events that are read, a hundred a page: one operation on a plugin's stack has a few hundred.
const maxPages = 50

// Story implements stackops.CloudFormation. CloudFormation lists the events of a stack from the newest on; those of one
// request carry its token.
func (c *CloudFormation) Story(ctx context.Context, stack, token string) (stackops.Story, error) {
	var s stackops.Story
	pages := cloudformation.NewDescribeStackEventsPaginator(c.client, &cloudformation.DescribeStackEventsInput{StackName: &stack})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		page, err := pages.NextPage(ctx)
		if err = explain("reading the events of stack "+stack, err); err != nil {
			if errors.Is(err, stackops.ErrMissing) {
				return stackops.Story{}, nil
			}
			return s, err
		}
		for i := range page.StackEvents {
			e := &page.StackEvents[i]
			if aws.ToString(e.ClientRequestToken) != token {
				if s.Begun {
					return s, nil // the operation before
				}
				continue // one that came later
			}
			s.Begun = true
			if isCause(e) {
				s.Failure = describe(e) // the last one that is found came first
			}
		}
	}
	return s, nil
}

// isCause tells whether an event is a failure of its own: what was canceled, or rolled back, failed because something else
// had.
func isCause(e *types.StackEvent) bool {
	if !strings.HasSuffix(string(e.ResourceStatus), "_FAILED") || aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId) {
		return false
	}
	reason := strings.ToLower(aws.ToString(e.ResourceStatusReason))
	return !strings.Contains(reason, "resource creation cancelled") && !strings.Contains(reason, "resource update cancelled")
}

// maxReason is how much of a reason is kept, in bytes.
const maxReason = 2000

func describe(e *types.StackEvent) string {
	reason := aws.ToString(e.ResourceStatusReason)
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return fmt.Sprintf("%s (%s) %s: %s", aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceType), e.ResourceStatus, reason)
}
