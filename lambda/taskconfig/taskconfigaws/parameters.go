// Package taskconfigaws keeps configuration documents in AWS Systems Manager's Parameter Store.
package taskconfigaws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Actions returns the IAM actions on the parameter.
func Actions() []string {
	return []string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"}
}

// Parameters implements taskconfig.Parameters.
type Parameters struct{ client *ssm.Client }

// Open returns the parameters of an account and region. It makes no call.
func Open(cfg aws.Config) *Parameters { return &Parameters{ssm.NewFromConfig(cfg)} }

// Get implements taskconfig.Parameters.
func (p *Parameters) Get(ctx context.Context, name string) (string, error) {
	out, err := p.client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	var gone *types.ParameterNotFound
	if errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the configuration in parameter %s: %w", name, err)
	}
	return aws.ToString(out.Parameter.Value), nil
}

// Put implements taskconfig.Parameters. Documents up to 4 KB cost nothing; longer ones are advanced parameters.
func (p *Parameters) Put(ctx context.Context, name, document string) error {
	_, err := p.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &name, Value: &document, Type: types.ParameterTypeString, Tier: types.ParameterTierIntelligentTiering, Overwrite: aws.Bool(true),
		Description: aws.String("Configuration of a Data Transfer Hub task"),
	})
	if err != nil {
		return fmt.Errorf("writing the configuration to parameter %s: %w", name, err)
	}
	return nil
}

// Delete implements taskconfig.Parameters.
func (p *Parameters) Delete(ctx context.Context, name string) error {
	_, err := p.client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &name})
	var gone *types.ParameterNotFound
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("deleting parameter %s: %w", name, err)
	}
	return nil
}
