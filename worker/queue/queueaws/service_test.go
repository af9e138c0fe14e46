package queueaws_test

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// tenSent is the answer to a SendMessageBatch of ten.
func tenSent() string {
	var parts []string
	for i := range 10 {
		parts = append(parts, fmt.Sprintf(`{"Id":"%d","MessageId":"5fea7756-0ea4-451a-a703-a558b933e274","MD5OfMessageBody":"fafb00f5732ab283681e124bf8747ed1"}`, i))
	}
	return `{"Successful":[` + strings.Join(parts, ",") + `]}`
}

// serviceConfig is a configuration as a program loads it, for a service at url.
func serviceConfig(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AK", "secret", "")),
	}
}
