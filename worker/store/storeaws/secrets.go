package storeaws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// SecretsManager reads secrets from AWS Secrets Manager.
type SecretsManager struct{ client *secretsmanager.Client }

// NewSecretsManager returns a reader with the identity of cfg.
func NewSecretsManager(cfg aws.Config) *SecretsManager {
	return &SecretsManager{secretsmanager.NewFromConfig(cfg)}
}

// Secret returns the text of a secret.
func (s *SecretsManager) Secret(ctx context.Context, name string) (string, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}
