// Package logshipaws ships logs to Amazon CloudWatch Logs.
package logshipaws

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/datatransferhub/dth/worker/logship"
)

// Actions returns the IAM actions that a Sink needs on its log group.
func Actions() []string { return []string{"logs:CreateLogStream", "logs:PutLogEvents"} }

// Sink is one log group.
type Sink struct {
	client *cloudwatchlogs.Client
	group  string
}

var _ logship.Sink = (*Sink)(nil)

// groupName is what a log group may be called.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
var groupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

// Open returns the sink of a log group, which exists. It makes no call. Errors are of a name that no group can have, and of a
// configuration without a region.
func Open(cfg aws.Config, group string) (*Sink, error) {
	if !groupName.MatchString(group) {
		return nil, fmt.Errorf("log group %.40q: allowed are 1 to 512 letters, digits and . - _ / #", group)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("log group %s: its region is not known; set AWS_REGION", group)
	}
	// Who ships repeats what failed.
	return &Sink{cloudwatchlogs.NewFromConfig(cfg, func(o *cloudwatchlogs.Options) { o.RetryMaxAttempts = 1 }), group}, nil
}

// Put implements logship.Sink. Errors name the group and the stream.
func (s *Sink) Put(ctx context.Context, stream string, events []logship.Event) (logship.Rejected, error) {
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &s.group, LogStreamName: &stream, LogEvents: make([]types.InputLogEvent, len(events))}
	for i := range events {
		in.LogEvents[i] = types.InputLogEvent{Timestamp: &events[i].Millis, Message: &events[i].Text}
	}
	out, err := s.client.PutLogEvents(ctx, in)
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		if err = s.create(ctx, stream); err == nil {
			out, err = s.client.PutLogEvents(ctx, in)
		}
	}
	if err != nil {
		return logship.Rejected{}, s.failed(stream, err)
	}
	return rejected(out.RejectedLogEventsInfo, len(events)), nil
}

// create makes a stream. Another may have made it in the meantime.
func (s *Sink) create(ctx context.Context, stream string) error {
	_, err := s.client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &s.group, LogStreamName: &stream})
	var exists *types.ResourceAlreadyExistsException
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

func (s *Sink) failed(stream string, err error) error {
	err = fmt.Errorf("log group %s, stream %s: %w", s.group, stream, err)
	var invalid *types.InvalidParameterException
	if errors.As(err, &invalid) {
		return &refused{err}
	}
	return err
}

// refused is the error of a batch that is not taken however often it is sent.
type refused struct{ error }

// Permanent makes worker/logship give the batch up.
func (r *refused) Permanent() bool { return true }

func (r *refused) Unwrap() error { return r.error }

// rejected counts what the service left out of n events. The ends are exclusive, the start is inclusive.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_RejectedLogEventsInfo.html
func rejected(info *types.RejectedLogEventsInfo, n int) logship.Rejected {
	if info == nil {
		return logship.Rejected{}
	}
	within := func(i *int32, otherwise int) int {
		if i == nil {
			return otherwise
		}
		return min(max(int(*i), 0), n)
	}
	return logship.Rejected{
		Old: max(within(info.TooOldLogEventEndIndex, 0), within(info.ExpiredLogEventEndIndex, 0)),
		New: n - within(info.TooNewLogEventStartIndex, n),
	}
}
