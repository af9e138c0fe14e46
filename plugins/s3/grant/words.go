package grant

import (
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/job"
)

// vendor is how a vendor calls the rights that a source needs, and where it says so. Nobody has tried them on the real
// service.
type vendor struct{ bucket, objects, resource, source string }

func vendors() map[job.Provider]vendor {
	return map[job.Provider]vendor{
		job.AliyunOSS: {
			"oss:ListObjects and oss:GetBucketInfo", "oss:GetObject", "acs:oss:*:*:BUCKET and acs:oss:*:*:BUCKET/KEYS",
			"https://www.alibabacloud.com/help/en/oss/user-guide/ram-policy-overview/",
		},
		job.TencentCOS: {
			"name/cos:GetBucket and name/cos:HeadBucket", "name/cos:GetObject and name/cos:HeadObject", "qcs::cos:REGION:uid/APPID:BUCKET/KEYS",
			"https://www.tencentcloud.com/document/product/436/30580",
		},
		job.HuaweiOBS: {
			"obs:bucket:ListBucket and obs:bucket:HeadBucket", "obs:object:GetObject", "OBS:*:*:bucket:BUCKET and OBS:*:*:object:BUCKET/KEYS",
			"https://support.huaweicloud.com/intl/en-us/perms-cfg-obs/obs_40_0041.html",
		},
		job.QiniuKodo: {
			"listing", "reading", "bucket BUCKET", "https://developer.qiniu.com/kodo/4086/aws-s3-compatible",
		},
		job.GoogleGCS: {
			"storage.buckets.get and storage.objects.list", "storage.objects.get",
			"bucket BUCKET, for the service account whose HMAC key is used (role Storage Legacy Bucket Reader with Storage Legacy Object Reader)",
			"https://cloud.google.com/storage/docs/access-control/iam-roles",
		},
	}
}

// inWords says what an end of another vendor has to allow.
func inWords(e *end) string {
	keys := strings.Join(e.keys, ", ")
	v, known := vendors()[e.at.Provider]
	if !known {
		return fmt.Sprintf("In the store's own policies, which mostly use the names of Amazon S3: %s on bucket %s; %s on its objects %s. Rights that the store does not know are not needed.",
			listed(e.bucket), e.at.Bucket, listed(e.objects), keys)
	}
	resource := strings.NewReplacer("BUCKET", e.at.Bucket, "KEYS", keys).Replace(v.resource)
	return fmt.Sprintf("%s on the bucket, %s on the objects %s: %s (%s; not tried on the real service).", v.bucket, v.objects, keys, resource, v.source)
}

func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
