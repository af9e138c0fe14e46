package endpoint

import "github.com/datatransferhub/dth/worker/job"

func fact[T any](v T, source string) Fact[T] { return Fact[T]{v, source} }

const (
	s3API   = "https://docs.aws.amazon.com/AmazonS3/latest/API/"
	s3Guide = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
	assumed = "not documented by the provider; the careful value"
)

// table returns the rows. None of them but S3_Compatible has been tried on the real service; see
// docs/verification.md.
func table() []Capabilities {
	return []Capabilities{amazonS3(), s3Compatible(), aliyunOSS(), tencentCOS(), huaweiOBS(), qiniuKodo(), googleGCS()}
}

func amazonS3() Capabilities {
	return Capabilities{
		Provider:       job.AmazonS3,
		ListVersion:    fact(2, s3API+"API_ListObjectsV2.html"),
		StartAfter:     fact(true, s3API+"API_ListObjectsV2.html"),
		URLEncoding:    fact(true, s3API+"API_ListObjectsV2.html"),
		ListsUTF8Order: fact(true, s3Guide+"ListingKeysUsingAPIs.html"),
		ReadIfMatch:    fact(true, s3API+"API_GetObject.html"),
		WriteIf:        fact(AllConditions, s3Guide+"conditional-writes.html"),
		Addressing:     fact(ByHost, s3Guide+"VirtualHosting.html"),
		Checksums:      fact(ChecksumsKnown, s3Guide+"checking-object-integrity.html"),
		ETagIsMD5:      fact(true, s3API+"API_Object.html"),
		LargestObject:  fact(50*job.TiB, s3Guide+"upload-objects.html"),
		LargestPut:     fact(5*job.GiB, s3API+"API_PutObject.html"),
		MaxParts:       fact(10_000, s3Guide+"qfacts.html"),
		StorageClasses: fact([]string{
			"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
		}, s3Guide+"storage-class-intro.html"),
		ACLs:          fact(true, s3Guide+"acl-overview.html"),
		Tags:          fact(true, s3Guide+"object-tagging.html"),
		TagCount:      fact(true, s3API+"API_GetObject.html"),
		Host:          fact("", "resolved by the SDK's endpoint rules, for every partition"),
		DefaultRegion: "us-east-1",
	}
}

func s3Compatible() Capabilities {
	c := amazonS3()
	c.Provider = job.S3Compatible
	c.WriteIf = fact(ConditionsTried, "differs between stores")
	c.Checksums = fact(ChecksumsTried, "differs between stores")
	c.StorageClasses = fact([]string(nil), "differs between stores; any name is passed on")
	c.Host = fact("", "an endpoint address is required")
	c.LargestObject = fact(5*job.TiB, "the smallest of the common limits")
	c.TagCount = fact(false, "differs between stores")
	return c
}

func aliyunOSS() Capabilities {
	c := thirdParty(job.AliyunOSS, "https://www.alibabacloud.com/help/en/oss/developer-reference/compatibility-with-amazon-s3")
	c.Addressing = fact(VirtualHost, c.Host.Source)
	c.Host = fact("s3.oss-%s.aliyuncs.com", c.Host.Source)
	c.LargestObject = fact(48_800*job.GiB, "https://www.alibabacloud.com/help/en/oss/user-guide/limits")
	c.DefaultRegion = "cn-hangzhou"
	return c
}

func tencentCOS() Capabilities {
	c := thirdParty(job.TencentCOS, "https://www.tencentcloud.com/document/product/436/34688")
	c.Addressing = fact(VirtualHost, c.Host.Source)
	c.Host = fact("cos.%s.myqcloud.com", c.Host.Source)
	c.LargestObject = fact(48_800*job.GiB, "https://www.tencentcloud.com/document/product/436/14518")
	c.DefaultRegion = "ap-guangzhou"
	return c
}

func huaweiOBS() Capabilities {
	c := thirdParty(job.HuaweiOBS, "https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0001.html")
	c.ListVersion = fact(1, "version 2 is answered without a token for the next page")
	c.Host = fact("obs.%s.myhuaweicloud.com", c.Host.Source)
	c.LargestObject = fact(48_800*job.GiB, "https://support.huaweicloud.com/intl/en-us/productdesc-obs/obs_03_0360.html")
	c.DefaultRegion = "cn-north-4"
	return c
}

func qiniuKodo() Capabilities {
	c := thirdParty(job.QiniuKodo, "https://developer.qiniu.com/kodo/4086/aws-s3-compatible")
	c.Host = fact("s3.%s.qiniucs.com", c.Host.Source)
	c.ETagIsMD5 = fact(false, "Kodo's own hash is no MD5")
	c.DefaultRegion = "cn-east-1"
	return c
}

func googleGCS() Capabilities {
	c := thirdParty(job.GoogleGCS, "https://cloud.google.com/storage/docs/interoperability")
	c.Host = fact("storage.googleapis.com", c.Host.Source)
	c.LargestObject = fact(5*job.TiB, "https://cloud.google.com/storage/quotas")
	c.DefaultRegion = "auto"
	return c
}

// thirdParty is a store of another vendor at its most careful: everything that is not documented as
// working like Amazon S3 is not relied on.
func thirdParty(p job.Provider, doc string) Capabilities {
	return Capabilities{
		Provider:       p,
		ListVersion:    fact(2, doc),
		StartAfter:     fact(true, doc),
		URLEncoding:    fact(true, doc),
		ListsUTF8Order: fact(true, assumed+": every page's order is checked"),
		ReadIfMatch:    fact(true, doc),
		WriteIf:        fact(NoConditions, assumed),
		Addressing:     fact(PathStyle, doc),
		Checksums:      fact(ChecksumsNone, assumed),
		ETagIsMD5:      fact(true, doc),
		LargestObject:  fact(5*job.TiB, assumed),
		LargestPut:     fact(5*job.GiB, doc),
		MaxParts:       fact(10_000, doc),
		StorageClasses: fact([]string(nil), "used as a source only"),
		ACLs:           fact(false, "used as a source only"),
		Tags:           fact(false, assumed),
		TagCount:       fact(false, assumed),
		Host:           fact("", doc),
	}
}
