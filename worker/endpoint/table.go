package endpoint

import "github.com/datatransferhub/dth/worker/job"

func fact[T any](v T, source string) Fact[T] { return Fact[T]{v, source} }

const (
	s3API   = "https://docs.aws.amazon.com/AmazonS3/latest/API/"
	s3Guide = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
	assumed = "not documented by the provider; the careful value"
	// tolerated is said of a precondition that may be ignored: the ETag of every answer is compared.
	tolerated = "sent in any case: the ETag of every answer is compared, so that a store that ignores it does no harm"
	rclone    = "https://github.com/rclone/rclone/blob/master/backend/s3/provider/"
)

// partsOfFiveGiB is the largest object that 10,000 parts of 5 GiB make: 48.8 TiB.
const partsOfFiveGiB = 50_000 * job.GiB

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
		LargestObject:  fact(partsOfFiveGiB, s3Guide+"qfacts.html"),
		LargestPut:     fact(5*job.GiB, s3API+"API_PutObject.html"),
		MaxParts:       fact(10_000, s3Guide+"qfacts.html"),
		StorageClasses: fact([]string{
			"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
		}, s3Guide+"storage-class-intro.html"),
		ArchivedClasses: fact([]string{"GLACIER", "DEEP_ARCHIVE"}, s3Guide+"restoring-objects.html"),

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
	c.ArchivedClasses = fact([]string{
		"GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "COLD", "Archive", "ColdArchive", "DeepColdArchive",
	}, "differs between stores; every name that one of them uses")
	c.Host = fact("", "an endpoint address is required")
	c.LargestObject = fact(5*job.TiB, "the smallest of the common limits")
	c.TagCount = fact(false, "differs between stores")
	return c
}

func aliyunOSS() Capabilities {
	const (
		docs   = "https://www.alibabacloud.com/help/en/oss/"
		compat = docs + "developer-reference/compatibility-with-amazon-s3"
		get    = docs + "developer-reference/getobject"
		parts  = docs + "oss-reports-an-invalidpart-error-when-using-the-multipart-upload-method-to-upload-files"
	)
	c := thirdParty(job.AliyunOSS)
	c.ListVersion = fact(2, compat)
	c.ReadIfMatch = fact(true, docs+"developer-reference/get-object")
	c.Addressing = fact(VirtualHost, compat)
	c.ETagIsMD5 = fact(true, parts+": that of several parts is none")
	c.LargestObject = fact(48_800*job.GiB, docs+"user-guide/limits")
	c.MaxParts = fact(10_000, parts)
	c.ArchivedClasses = fact([]string{"Archive", "ColdArchive", "DeepColdArchive", "GLACIER", "DEEP_ARCHIVE"},
		get+"; the names of Amazon S3: "+rclone+"Alibaba.yaml")
	c.Host = fact("s3.oss-%s.aliyuncs.com", docs+"developer-reference/use-amazon-s3-sdks-to-access-oss")
	c.DefaultRegion = "cn-hangzhou"
	return c
}

func tencentCOS() Capabilities {
	const (
		docs = "https://www.tencentcloud.com/document/product/436/"
		list = docs + "30614"
		size = docs + "13324"
	)
	c := thirdParty(job.TencentCOS)
	// The documented listing is version 1: marker and NextMarker.
	c.ListVersion = fact(1, list+"; so does "+rclone+"TencentCOS.yaml")
	c.StartAfter, c.URLEncoding, c.ListsUTF8Order = fact(true, list), fact(true, list), fact(true, list)
	c.Addressing = fact(VirtualHost, docs+"32537")
	c.LargestObject = fact(partsOfFiveGiB, size)
	c.LargestPut = fact(5*job.GiB, size)
	c.MaxParts = fact(10_000, size)
	c.ArchivedClasses = fact([]string{"ARCHIVE", "DEEP_ARCHIVE"}, docs+"30933")
	c.Host = fact("cos.%s.myqcloud.com", docs+"32537")
	c.DefaultRegion = "ap-guangzhou"
	return c
}

func huaweiOBS() Capabilities {
	const (
		docs = "https://support.huaweicloud.com/intl/en-us/"
		list = docs + "api-obs/obs_04_0022.html"
	)
	c := thirdParty(job.HuaweiOBS)
	c.ListVersion = fact(1, list+"; version 2 gives no token: https://github.com/minio/minio-go/pull/1704")
	c.StartAfter, c.ListsUTF8Order = fact(true, list), fact(true, list)
	c.URLEncoding = fact(false, "with it, the marker does not move: "+rclone+"HuaweiOBS.yaml")
	c.Addressing = fact(PathStyle, "works for every bucket name; the documented style is virtual: "+list)
	c.LargestObject = fact(48_800*job.GiB, docs+"productdesc-obs/obs_03_0360.html")
	c.ArchivedClasses = fact([]string{"COLD", "GLACIER", "DEEP_ARCHIVE"},
		docs+"utiltg-obs/obs_11_0016.html; the names of Amazon S3: https://gobackup.github.io/configuration/storages/obs")
	c.Host = fact("obs.%s.myhuaweicloud.com", list)
	c.DefaultRegion = "cn-north-4"
	return c
}

func qiniuKodo() Capabilities {
	// Kodo's page was read in a copy, https://cmd8.com/post/1978.html.
	const docs = "https://developer.qiniu.com/kodo/4086/aws-s3-compatible"
	c := thirdParty(job.QiniuKodo)
	c.URLEncoding = fact(false, rclone+"Qiniu.yaml")
	c.Addressing = fact(PathStyle, docs+", which takes both styles")
	c.ETagIsMD5 = fact(false, "Kodo's own hash is no MD5: https://developer.qiniu.com/kodo/1231/appendix")
	c.ArchivedClasses = fact([]string{"GLACIER", "DEEP_ARCHIVE"}, docs+"; GLACIER_IR is read without a restore")
	c.Host = fact("s3.%s.qiniucs.com", docs)
	c.DefaultRegion = "cn-east-1"
	return c
}

func googleGCS() Capabilities {
	const (
		docs    = "https://cloud.google.com/storage/"
		list    = docs + "docs/xml-api/get-bucket-list"
		headers = docs + "docs/xml-api/reference-headers"
	)
	c := thirdParty(job.GoogleGCS)
	c.ListVersion, c.StartAfter, c.URLEncoding = fact(2, list), fact(true, list), fact(true, list)
	c.ListsUTF8Order = fact(true, list)
	c.ReadIfMatch = fact(true, headers)
	c.Addressing = fact(PathStyle, docs+"docs/request-endpoints")
	c.ETagIsMD5 = fact(true, headers+": that of several parts is none")
	c.LargestObject = fact(5*job.TiB, docs+"quotas")
	c.MaxParts = fact(10_000, docs+"quotas")
	c.ArchivedClasses = fact([]string(nil), docs+"docs/storage-classes: objects of the class ARCHIVE are read at once")
	c.Host = fact("storage.googleapis.com", docs+"docs/request-endpoints")
	c.DefaultRegion = "auto"
	return c
}

// thirdParty is a store of another vendor at its most careful: everything that is not documented as
// working like Amazon S3 is not relied on.
func thirdParty(p job.Provider) Capabilities {
	return Capabilities{
		Provider:       p,
		ListVersion:    fact(2, "the common choice; a page cut off without a token is an error"),
		StartAfter:     fact(true, "as in Amazon S3; a page that begins earlier is an error"),
		URLEncoding:    fact(true, "as in Amazon S3; the answer says whether it was done"),
		ListsUTF8Order: fact(true, assumed+": every page's order is checked"),
		ReadIfMatch:    fact(true, tolerated),
		WriteIf:        fact(NoConditions, assumed),
		Addressing:     fact(PathStyle, assumed),
		Checksums:      fact(ChecksumsNone, assumed),
		ETagIsMD5:      fact(true, "as in Amazon S3, where an ETag looks like one"),
		LargestObject:  fact(5*job.TiB, assumed),
		LargestPut:     fact(5*job.GiB, assumed),
		MaxParts:       fact(10_000, assumed),
		StorageClasses: fact([]string(nil), "used as a source only"),
		ACLs:           fact(false, "used as a source only"),
		Tags:           fact(false, assumed),
		TagCount:       fact(false, assumed),
	}
}
