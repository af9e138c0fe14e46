// Package awssimaws reaches the simulated queues and tables with the AWS SDK. Its tests hold the one against
// the other.
package awssimaws

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// SQS returns a client for queues at url.
func SQS(url string, with ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{BaseEndpoint: aws.String(url), Region: "us-east-1", Credentials: keys()}, with...)
}

// DynamoDB returns a client for tables at url.
func DynamoDB(url string, with ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(url), Region: "us-east-1", Credentials: keys()}, with...)
}

// Config is what adapters are opened with.
func Config(url string) aws.Config {
	return aws.Config{BaseEndpoint: aws.String(url), Region: "us-east-1", Credentials: keys()}
}

func keys() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider("AKSIM", "secret", "")
}
