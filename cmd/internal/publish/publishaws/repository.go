package publishaws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// ImageActions are the rights that publishing an image needs on its repositories; the token takes no resource.
func ImageActions() (repositories, token []string) {
	return []string{
		"ecr:CreateRepository", "ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
		"ecr:PutImage", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
	}, []string{"ecr:GetAuthorizationToken"}
}

// Repository is a place for images: REGISTRY/NAME, and the sign-in of whoever pushes. The password is a secret for 12 hours.
type Repository struct{ Address, User, Password string }

// OpenRepository returns the repository of that name in the ECR of a region, which it makes when it is not there: with tags that
// nobody can move. write is false to look only; then a repository that is not there is not made. The address ends as the
// partition's do: ECR itself says how its registry is called.
func OpenRepository(ctx context.Context, cfg aws.Config, region, name string, write bool) (Repository, error) {
	client := ecr.NewFromConfig(cfg, func(o *ecr.Options) { o.Region = region })
	if write {
		_, err := client.CreateRepository(ctx, &ecr.CreateRepositoryInput{
			RepositoryName: &name, ImageTagMutability: types.ImageTagMutabilityImmutable,
			ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true},
		})
		var there *types.RepositoryAlreadyExistsException
		if err != nil && !errors.As(err, &there) {
			return Repository{}, fmt.Errorf("making repository %s in %s: %w", name, region, err)
		}
	}
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return Repository{}, fmt.Errorf("signing in to the ECR of %s: %w", region, err)
	}
	if len(out.AuthorizationData) == 0 {
		return Repository{}, fmt.Errorf("signing in to the ECR of %s: it gave no token", region)
	}
	data := out.AuthorizationData[0]
	token, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
	user, password, found := strings.Cut(string(token), ":")
	if err != nil || !found {
		return Repository{}, fmt.Errorf("signing in to the ECR of %s: its token is not of the form user:password", region)
	}
	registry := strings.TrimPrefix(aws.ToString(data.ProxyEndpoint), "https://")
	return Repository{Address: registry + "/" + name, User: user, Password: password}, nil
}
