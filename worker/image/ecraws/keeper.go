package ecraws

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// Settings implements image.Keeper.
func (r *Registry) Settings(ctx context.Context, repository string) (image.Settings, error) {
	var s image.Settings
	out, err := r.client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: r.account, RepositoryNames: []string{repository}})
	if err != nil {
		return s, classed("describe", r.Host()+"/"+repository, err)
	}
	if len(out.Repositories) == 0 {
		return s, &failure.Error{Class: failure.NotFound, Op: "describe", Target: r.Host() + "/" + repository}
	}
	one := out.Repositories[0]
	// Tags that an exclusion filter leaves mutable would be refused at the destination: such a repository is made without.
	s.Immutable = one.ImageTagMutability == types.ImageTagMutabilityImmutable
	s.ScanOnPush = one.ImageScanningConfiguration != nil && one.ImageScanningConfiguration.ScanOnPush
	s.Lifecycle, err = r.lifecycle(ctx, repository)
	return s, err
}

// lifecycle returns a repository's policy; empty when it has none.
func (r *Registry) lifecycle(ctx context.Context, repository string) (string, error) {
	out, err := r.client.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RegistryId: r.account, RepositoryName: &repository})
	var none *types.LifecyclePolicyNotFoundException
	if errors.As(err, &none) {
		return "", nil
	}
	if err != nil {
		return "", classed("read the lifecycle policy of", r.Host()+"/"+repository, err)
	}
	return aws.ToString(out.LifecyclePolicyText), nil
}

// Create implements image.Keeper. A repository that was made by a process which died before it wrote the lifecycle policy gets the
// policy from the next: it has no image yet.
func (r *Registry) Create(ctx context.Context, repository string, s *image.Settings) (bool, error) {
	in := &ecr.CreateRepositoryInput{RegistryId: r.account, RepositoryName: &repository}
	if s != nil {
		in.ImageScanningConfiguration = &types.ImageScanningConfiguration{ScanOnPush: s.ScanOnPush}
		in.ImageTagMutability = types.ImageTagMutabilityMutable
		if s.Immutable {
			in.ImageTagMutability = types.ImageTagMutabilityImmutable
		}
	}
	_, err := r.client.CreateRepository(ctx, in)
	var there *types.RepositoryAlreadyExistsException
	exists := errors.As(err, &there)
	if err != nil && !exists {
		return false, classed("create", r.Host()+"/"+repository, err)
	}
	if s == nil || s.Lifecycle == "" {
		return !exists, nil
	}
	if exists {
		if unfinished, err := r.unfinished(ctx, repository); err != nil || !unfinished {
			return false, err
		}
	}
	_, err = r.client.PutLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{RegistryId: r.account, RepositoryName: &repository, LifecyclePolicyText: &s.Lifecycle})
	if err != nil {
		return !exists, classed("write the lifecycle policy of", r.Host()+"/"+repository, err)
	}
	return !exists, nil
}

// unfinished reports whether a repository has neither a lifecycle policy nor an image.
func (r *Registry) unfinished(ctx context.Context, repository string) (bool, error) {
	policy, err := r.lifecycle(ctx, repository)
	if err != nil || policy != "" {
		return false, err
	}
	out, err := r.client.DescribeImages(ctx, &ecr.DescribeImagesInput{RegistryId: r.account, RepositoryName: &repository, MaxResults: aws.Int32(1)})
	if err != nil {
		return false, classed("list images", r.Host()+"/"+repository, err)
	}
	return len(out.ImageDetails) == 0, nil
}

// classed sorts what ECR's API answered.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
func classed(op, target string, err error) error {
	f := &failure.Error{Class: failure.Network, Op: op, Target: target, Err: err}
	var status *smithyhttp.ResponseError
	if errors.As(err, &status) {
		f.Status = status.HTTPStatusCode()
		f.Class = failure.Server
	}
	var answer smithy.APIError
	switch {
	case errors.Is(err, context.Canceled):
		f.Class = failure.Canceled
	case errors.As(err, &answer):
		f.Code, f.Detail, f.Err = answer.ErrorCode(), answer.ErrorMessage(), nil
		f.Class = classOf(answer)
	}
	return f
}

func classOf(answer smithy.APIError) failure.Class {
	code := answer.ErrorCode()
	switch {
	case strings.HasSuffix(code, "NotFoundException"):
		return failure.NotFound
	case strings.Contains(code, "AccessDenied"), code == "UnauthorizedException", code == "OptInRequired":
		return failure.AccessDenied
	case strings.Contains(code, "Throttl"), strings.Contains(code, "TooManyRequests"), code == "RequestLimitExceeded":
		return failure.Throttled
	case strings.Contains(code, "Token"), strings.Contains(code, "Signature"), strings.Contains(code, "AccessKey"), code == "UnrecognizedClientException":
		return failure.BadCredentials
	case answer.ErrorFault() == smithy.FaultServer, code == "ServerException", code == "InternalFailure", code == "ServiceUnavailable":
		return failure.Server
	}
	return failure.DestinationRefuses
}
