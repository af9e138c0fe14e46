// Package s3eventsaws reads and writes the notifications of buckets on Amazon S3.
package s3eventsaws

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/s3events"
)

// Actions returns the IAM actions on the bucket.
func Actions() []string { return []string{"s3:GetBucketNotification", "s3:PutBucketNotification"} }

// Buckets implements s3events.Bucket.
type Buckets struct {
	client *s3.Client
	owner  string // account that the bucket belongs to; empty: nobody looks
}

// Open returns the buckets that the configuration's identity may use. It makes no call.
func Open(cfg aws.Config, owner string) *Buckets {
	return &Buckets{s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil }), owner}
}

func (b *Buckets) expected() *string {
	if b.owner == "" {
		return nil
	}
	return &b.owner
}

// elsewhere are the errors of a bucket in another region.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var elsewhere = []string{"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}

func (b *Buckets) get(ctx context.Context, bucket string) (*types.NotificationConfiguration, error) {
	out, err := b.client.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket, ExpectedBucketOwner: b.expected()})
	var refusal smithy.APIError
	if errors.As(err, &refusal) && slices.Contains(elsewhere, refusal.ErrorCode()) {
		return nil, fmt.Errorf("bucket %s is in another region than this stack: %w", bucket, s3events.ErrElsewhere)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the notifications of bucket %s (s3:GetBucketNotification): %w", bucket, err)
	}
	return &types.NotificationConfiguration{
		EventBridgeConfiguration: out.EventBridgeConfiguration, LambdaFunctionConfigurations: out.LambdaFunctionConfigurations,
		QueueConfigurations: out.QueueConfigurations, TopicConfigurations: out.TopicConfigurations,
	}, nil
}

// put writes a configuration. S3 refuses one with a destination that is gone unless it does not look: when an entry is taken
// away, those of others are none of our business.
func (b *Buckets) put(ctx context.Context, bucket string, c *types.NotificationConfiguration, look bool) error {
	_, err := b.client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, ExpectedBucketOwner: b.expected(), NotificationConfiguration: c, SkipDestinationValidation: aws.Bool(!look),
	})
	if err != nil {
		return fmt.Errorf("writing the notifications of bucket %s (s3:PutBucketNotification): %w", bucket, err)
	}
	return nil
}

// Others implements s3events.Bucket.
func (b *Buckets) Others(ctx context.Context, bucket, id string) ([]s3events.Other, error) {
	c, err := b.get(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var others []s3events.Other
	add := func(name, to *string, events []types.Event, filter *types.NotificationConfigurationFilter) {
		if aws.ToString(name) == id {
			return
		}
		o := s3events.Other{ID: aws.ToString(name), To: aws.ToString(to)}
		for _, e := range events {
			o.Events = append(o.Events, string(e))
		}
		if filter != nil && filter.Key != nil {
			for _, rule := range filter.Key.FilterRules {
				if strings.EqualFold(string(rule.Name), "prefix") {
					o.Prefix = s3events.Unfilter(aws.ToString(rule.Value))
				} else {
					o.Suffix = s3events.Unfilter(aws.ToString(rule.Value))
				}
			}
		}
		others = append(others, o)
	}
	for _, q := range c.QueueConfigurations {
		add(q.Id, q.QueueArn, q.Events, q.Filter)
	}
	for _, t := range c.TopicConfigurations {
		add(t.Id, t.TopicArn, t.Events, t.Filter)
	}
	for _, l := range c.LambdaFunctionConfigurations {
		add(l.Id, l.LambdaFunctionArn, l.Events, l.Filter)
	}
	return others, nil
}

// Put implements s3events.Bucket. S3 knows no condition on this write, so the configuration is read again after it: an entry
// of somebody else that was there before and is gone, or ours that is not there, means that two wrote at once.
func (b *Buckets) Put(ctx context.Context, bucket string, e s3events.Entry) error {
	before, err := b.get(ctx, bucket)
	if err != nil {
		return err
	}
	entry := types.QueueConfiguration{Id: &e.ID, QueueArn: &e.Queue}
	for _, name := range e.Events {
		entry.Events = append(entry.Events, types.Event(name))
	}
	if e.Prefix != "" {
		entry.Filter = &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: aws.String(s3events.Filter(e.Prefix))}}}}
	}
	wanted := *before
	wanted.QueueConfigurations = append(without(before.QueueConfigurations, e.ID), entry)
	return b.replace(ctx, bucket, &wanted, true)
}

// Remove implements s3events.Bucket.
func (b *Buckets) Remove(ctx context.Context, bucket, id string) error {
	before, err := b.get(ctx, bucket)
	var refusal smithy.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode() == "NoSuchBucket" {
		return nil
	}
	if err != nil {
		return err
	}
	wanted := *before
	if wanted.QueueConfigurations = without(before.QueueConfigurations, id); len(wanted.QueueConfigurations) == len(before.QueueConfigurations) {
		return nil
	}
	return b.replace(ctx, bucket, &wanted, false)
}

// replace writes a configuration and looks whether it is there.
func (b *Buckets) replace(ctx context.Context, bucket string, wanted *types.NotificationConfiguration, look bool) error {
	if err := b.put(ctx, bucket, wanted, look); err != nil {
		return err
	}
	after, err := b.get(ctx, bucket)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(names(wanted), names(after)) || (wanted.EventBridgeConfiguration == nil) != (after.EventBridgeConfiguration == nil) {
		return fmt.Errorf("%w: bucket %s", s3events.ErrChanged, bucket)
	}
	return nil
}

func without(all []types.QueueConfiguration, id string) []types.QueueConfiguration {
	return slices.DeleteFunc(slices.Clone(all), func(q types.QueueConfiguration) bool { return aws.ToString(q.Id) == id })
}

// names are the ids and destinations of all entries, in order.
func names(c *types.NotificationConfiguration) []string {
	var all []string
	for _, q := range c.QueueConfigurations {
		all = append(all, aws.ToString(q.Id)+" "+aws.ToString(q.QueueArn))
	}
	for _, t := range c.TopicConfigurations {
		all = append(all, aws.ToString(t.Id)+" "+aws.ToString(t.TopicArn))
	}
	for _, l := range c.LambdaFunctionConfigurations {
		all = append(all, aws.ToString(l.Id)+" "+aws.ToString(l.LambdaFunctionArn))
	}
	slices.Sort(all)
	return all
}
