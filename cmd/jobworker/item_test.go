package main

import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

// text returns a string attribute.
func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
