package ecraws

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/datatransferhub/dth/worker/failure"
)

// Delete implements image.Deleter. ECR removes a tag by itself, and the image with its last tag; what has no tag goes by its digest. An
// image that an index lists is refused, whatever its tags.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
func (r *Registry) Delete(ctx context.Context, repository, reference string) error {
	target := r.Host() + "/" + repository + " " + reference
	id := types.ImageIdentifier{ImageTag: &reference}
	if strings.Contains(reference, ":") {
		id = types.ImageIdentifier{ImageDigest: &reference}
	}
	out, err := r.client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RegistryId: r.account, RepositoryName: &repository, ImageIds: []types.ImageIdentifier{id}})
	if err != nil {
		return classed("delete", target, err)
	}
	if len(out.Failures) == 0 {
		return nil
	}
	f := out.Failures[0] // one was asked for
	class := failure.DestinationRefuses
	if f.FailureCode == types.ImageFailureCodeImageNotFound {
		class = failure.NotFound
	}
	return &failure.Error{Class: class, Op: "delete", Target: target, Code: string(f.FailureCode), Detail: aws.ToString(f.FailureReason)}
}
