// Package stackopsaws makes, changes and deletes stacks on AWS CloudFormation.
package stackopsaws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/stackops"
)

// MakeActions returns the IAM actions by which stacks are made and changed: as the service role, on which iam:PassRole is
// needed besides.
func MakeActions() []string {
	return []string{"cloudformation:CreateStack", "cloudformation:UpdateStack"}
}

// DeleteActions returns the IAM actions by which stacks are deleted, and changes cut short for it.
func DeleteActions() []string {
	return []string{"cloudformation:DeleteStack", "cloudformation:CancelUpdateStack"}
}

// LookActions returns the IAM actions by which stacks are looked at.
func LookActions() []string {
	return []string{"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"}
}

// CloudFormation implements stackops.CloudFormation.
type CloudFormation struct {
	client *cloudformation.Client
	role   *string
}

var _ stackops.CloudFormation = (*CloudFormation)(nil)

// How often a call that is throttled is sent, and the longest wait before one; the state machine tries for hours beyond that.
const (
	attempts = 8
	backoff  = 20 * time.Second
)

// Open returns CloudFormation, acting on stacks as a service role; with an empty one, as the caller. It makes no call.
func Open(cfg aws.Config, role string) *CloudFormation {
	c := &CloudFormation{client: cloudformation.NewFromConfig(cfg, func(o *cloudformation.Options) {
		if cfg.Retryer == nil {
			o.Retryer = awsretry.NewStandard(func(s *awsretry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = attempts, backoff })
		}
	})}
	if role != "" {
		c.role = &role
	}
	return c
}

// Create implements stackops.CloudFormation.
func (c *CloudFormation) Create(ctx context.Context, ch stackops.Change) (string, error) {
	out, err := c.client.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: &ch.Name, TemplateURL: &ch.TemplateURL, ClientRequestToken: &ch.Token, RoleARN: c.role,
		Parameters: parameters(ch.Parameters), Tags: tags(ch.Tags), Capabilities: capabilities(),
		OnFailure: types.OnFailureRollback, RetainExceptOnCreate: aws.Bool(true),
	})
	if err != nil {
		return "", explain("creating stack "+ch.Name, err)
	}
	return aws.ToString(out.StackId), nil
}

// Update implements stackops.CloudFormation.
func (c *CloudFormation) Update(ctx context.Context, ch stackops.Change) error {
	_, err := c.client.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: &ch.Name, TemplateURL: &ch.TemplateURL, ClientRequestToken: &ch.Token, RoleARN: c.role,
		Parameters: parameters(ch.Parameters), Tags: tags(ch.Tags), Capabilities: capabilities(),
	})
	return explain("changing stack "+ch.Name, err)
}

// Delete implements stackops.CloudFormation.
func (c *CloudFormation) Delete(ctx context.Context, stack, token string) error {
	_, err := c.client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &stack, ClientRequestToken: &token, RoleARN: c.role})
	if err = explain("deleting stack "+stack, err); errors.Is(err, stackops.ErrMissing) {
		return nil
	}
	return err
}

// CancelUpdate implements stackops.CloudFormation.
func (c *CloudFormation) CancelUpdate(ctx context.Context, stack, token string) error {
	_, err := c.client.CancelUpdateStack(ctx, &cloudformation.CancelUpdateStackInput{StackName: &stack, ClientRequestToken: &token})
	var over *stackops.Refused
	if err = explain("canceling the change of stack "+stack, err); errors.As(err, &over) && over.Code == validation {
		return nil
	}
	return err
}

// Describe implements stackops.CloudFormation.
func (c *CloudFormation) Describe(ctx context.Context, stack string) (stackops.Stack, error) {
	out, err := c.client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	switch err = explain("looking at stack "+stack, err); {
	case errors.Is(err, stackops.ErrMissing):
		return stackops.Stack{}, nil
	case err != nil:
		return stackops.Stack{}, err
	case len(out.Stacks) != 1:
		return stackops.Stack{}, nil
	}
	found := out.Stacks[0]
	s := stackops.Stack{
		ID: aws.ToString(found.StackId), Name: aws.ToString(found.StackName), Status: stackops.Status(found.StackStatus),
		StatusReason: aws.ToString(found.StackStatusReason), Outputs: map[string]string{}, Tags: map[string]string{},
	}
	for _, o := range found.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, t := range found.Tags {
		s.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return s, nil
}

// capabilities are those that the plugins' templates need: they make roles, and name none.
func capabilities() []types.Capability { return []types.Capability{types.CapabilityCapabilityIam} }

func parameters(list []stackops.Parameter) []types.Parameter {
	all := make([]types.Parameter, len(list))
	for i := range list {
		all[i] = types.Parameter{ParameterKey: &list[i].Name, ParameterValue: &list[i].Value}
	}
	return all
}

func tags(given map[string]string) (all []types.Tag) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		all = append(all, types.Tag{Key: aws.String(key), Value: aws.String(given[key])})
	}
	return all
}

// validation is the code of nearly everything that CloudFormation refuses; its message tells what it is.
const validation = "ValidationError"

// refusals are the codes of what will be refused the next time, too.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
var refusals = []string{
	validation, "AccessDenied", "AccessDeniedException", "InsufficientCapabilitiesException", "LimitExceededException", "NotAuthorized", "OptInRequired",
	"UnauthorizedOperation", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter",
}

// explain turns an error of CloudFormation into one that the workflow decides on. Those that may pass stay what they are.
func explain(doing string, err error) error {
	var api smithy.APIError
	if err == nil || !errors.As(err, &api) {
		return wrap(doing, err)
	}
	code, message := api.ErrorCode(), api.ErrorMessage()
	switch {
	case code == "AlreadyExistsException":
		return fmt.Errorf("%s: %w", doing, stackops.ErrExists)
	case code == "TokenAlreadyExistsException", code == "OperationInProgressException":
		return fmt.Errorf("%s: %w: %s", doing, stackops.ErrBusy, message)
	case code == validation && strings.Contains(message, "No updates are to be performed"):
		return fmt.Errorf("%s: %w", doing, stackops.ErrNoChange)
	case code == validation && strings.Contains(message, "does not exist"):
		return fmt.Errorf("%s: %w", doing, stackops.ErrMissing)
	case code == validation && busy(message):
		return fmt.Errorf("%s: %w: %s", doing, stackops.ErrBusy, message)
	case slices.Contains(refusals, code):
		return &stackops.Refused{Doing: doing, Code: code, Message: message}
	}
	return wrap(doing, err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// busy tells whether a message says that a stack takes no change in its status: "Stack:ARN is in UPDATE_IN_PROGRESS state and
// can not be updated", "Stack [ARN] cannot be deleted while in status UPDATE_ROLLBACK_IN_PROGRESS".
func busy(message string) bool {
	for _, text := range []string{"can not be updated", "cannot be updated", "deleted while in status"} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}
