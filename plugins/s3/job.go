package s3

import (
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
)

// Job checks parameters by the whole contract and returns the transfer that they describe. The error is
// contract.Errors.
func Job(parameters map[string]string) (*job.Job, error) {
	v, err := Contract().Validate(parameters)
	if err != nil {
		return nil, err
	}
	return FromValues(v), nil
}

// FromValues returns the job of checked values, of the whole contract or of the command line's.
func FromValues(v contract.Values) *job.Job {
	j := job.Defaults()
	j.Source = job.Endpoint{
		Provider: job.Provider(v["srcType"]), Bucket: v["srcBucket"], Prefix: v["srcPrefix"], Region: v["srcRegion"], URL: v["srcEndpoint"],
		Access:        job.Access{Secret: v["srcCredentials"], RoleARN: v["srcRoleArn"], ExternalID: v["srcExternalId"]},
		ExpectedOwner: v["srcAccountId"], RequesterPays: v.Is("isPayerRequest"),
	}
	j.Destination = job.Endpoint{
		Provider: job.Provider(v["destType"]), Bucket: v["destBucket"], Prefix: v["destPrefix"], Region: v["destRegion"], URL: v["destEndpoint"],
		Access: job.Access{Secret: v["destCredentials"], RoleARN: v["destRoleArn"], ExternalID: v["destExternalId"]},
	}
	j.Selection = selection(v)
	j.StripSourcePrefix = v.Is("stripSrcPrefix")
	j.SkipCompare = v.Is("srcSkipCompare")
	j.Compare = job.CompareMode(v["compareMode"])
	j.IncludeMetadata, j.IncludeTags = v.Is("includeMetadata"), v.Is("includeTags")
	j.Write = job.WriteOptions{
		StorageClass: unlessNone(v["destStorageClass"]), ACL: unlessNone(v["destAcl"]), SSE: sse(v["destPutObjectSSEType"]), KMSKeyID: v["destPutObjectSSEKmsKeyId"],
	}
	j.DeleteExtraneous = v.Is("deleteExtraneous")
	j.MaxDeleteShare = float64(v.Integer("maxDeleteShare")) / 100
	j.Mode = job.TransferMode(v["transferMode"])
	j.GiantThreshold, _ = v.Size("giantThreshold")
	j.BytesPerSecond = v.Rate("bandwidthLimit")
	j.Concurrency = int(v.Integer("workerConcurrency"))
	if e := v["srcEvent"]; e != "" {
		j.Events = job.EventMode(e)
	}
	j.ReportBucket, j.ReportPrefix = v["reportBucket"], v["reportPrefix"]
	j.ReportAll = v.Is("reportAll") && j.ReportBucket != ""
	return &j
}

func selection(v contract.Values) job.Selection {
	s := job.Selection{
		Prefixes: v.Lines("srcPrefixList"), PrefixFileBucket: v["srcPrefixListBucket"], PrefixFileKey: v["srcPrefixsListFile"],
		Include: v.List("include"), Exclude: v.List("exclude"),
		ModifiedAfter: v.Time("modifiedAfter"), ModifiedBefore: v.Time("modifiedBefore"),
	}
	if n, ok := v.Size("minSize"); ok {
		s.MinSize = &n
	}
	if n, ok := v.Size("maxSize"); ok {
		s.MaxSize = &n
	}
	return s
}

func unlessNone(s string) string {
	if s == "none" {
		return ""
	}
	return s
}

// sse returns the header value of an encryption choice.
func sse(choice string) string {
	switch choice {
	case "AES256":
		return "AES256"
	case "AWS_KMS":
		return "aws:kms"
	case "AWS_KMS_DSSE":
		return "aws:kms:dsse"
	}
	return ""
}
