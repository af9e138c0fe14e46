package storeaws

import "slices"

// Rights are the IAM actions that an identity needs at one bucket.
type Rights struct {
	Bucket  []string // on the bucket itself
	Objects []string // on its objects
}

// ReaderRights are those of a source. Listing is not bound to a prefix: without s3:ListBucket on the whole bucket, S3 answers
// HEAD of the bucket and reads of vanished keys with 403 instead of 200 and 404, and a deleted object would count as
// a refused one. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func ReaderRights() Rights {
	return Rights{
		Bucket:  []string{"s3:ListBucket", "s3:GetEncryptionConfiguration"},
		Objects: []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
	}
}

// ComparerRights are those of a finder at the destination: it lists, and reads an object to learn what its ETags are.
func ComparerRights() Rights {
	return Rights{Bucket: []string{"s3:ListBucket", "s3:GetEncryptionConfiguration"}, Objects: []string{"s3:GetObject"}}
}

// WriterRights are those of a worker at the destination.
func WriterRights() Rights {
	return Rights{
		Bucket: []string{"s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetEncryptionConfiguration"},
		Objects: []string{
			"s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
		},
	}
}

// Actions returns the rights that this package can need anywhere, sorted.
func Actions() []string {
	var all []string
	for _, r := range []Rights{ReaderRights(), ComparerRights(), WriterRights()} {
		all = append(all, r.Bucket...)
		all = append(all, r.Objects...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ActionOf returns the IAM action that allows an operation of the S3 API, "" for one that this package does not send.
// Versions, ACLs and tags of a request need the actions of that name beside it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
func ActionOf(operation string) string {
	return map[string]string{
		"HeadBucket": "s3:ListBucket", "ListObjects": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket",
		"GetBucketEncryption":  "s3:GetEncryptionConfiguration",
		"ListMultipartUploads": "s3:ListBucketMultipartUploads",
		"GetObject":            "s3:GetObject", "HeadObject": "s3:GetObject",
		"GetObjectTagging": "s3:GetObjectTagging",
		"PutObject":        "s3:PutObject", "CopyObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject",
		"UploadPartCopy": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
		"AbortMultipartUpload": "s3:AbortMultipartUpload", "ListParts": "s3:ListMultipartUploadParts",
		"DeleteObject": "s3:DeleteObject",
	}[operation]
}
