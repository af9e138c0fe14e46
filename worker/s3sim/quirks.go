package s3sim

import "fmt"

// Quirks are the ways in which a store differs from Amazon S3. The zero value is Amazon S3.
type Quirks struct {
	ListV2WithoutToken bool // a truncated version 2 page has no token for the next (Huawei OBS)
	IgnoresStartAfter  bool // version 2 listings begin at the beginning whatever start-after says
	HidesEnteredPrefix bool // a common prefix that sorts before start-after is not shown, whatever is in it
	NoURLEncoding      bool // encoding-type is ignored
	UTF16Order         bool // lists in the order of UTF-16 code units

	IgnoresReadIfMatch     bool // If-Match on GET and HEAD, ranges included
	IgnoresWriteConditions bool
	RefusesWriteConditions bool // 501 NotImplemented

	NoChecksums bool // neither verifies nor keeps nor echoes x-amz-checksum-*
	NoTrailers  bool // refuses aws-chunked bodies with 501
	NoTags      bool // tagging calls answer 501, and no read tells a tag count
	NoTagCount  bool // reads do not tell how many tags there are

	OpaqueETags bool   // ETags of written objects are 32 hex digits and no MD5
	ForeignETag bool   // ETags of written objects are no hex digits (Qiniu Kodo)
	DefaultSSE  string // written objects are encrypted so: AES256 or aws:kms; with aws:kms, ETags are no MD5
}

// Profile returns the quirks of a provider of the parameter contract, by its name there.
func Profile(provider string) (Quirks, error) {
	thirdParty := Quirks{IgnoresWriteConditions: true, NoChecksums: true, NoTagCount: true, NoTrailers: true}
	switch provider {
	case "Amazon_S3":
		return Quirks{DefaultSSE: "AES256"}, nil
	case "S3_Compatible":
		return Quirks{}, nil
	case "Huawei_OBS":
		thirdParty.ListV2WithoutToken = true
	case "Qiniu_Kodo":
		thirdParty.ForeignETag = true
	case "Google_GCS":
		thirdParty.NoTags = true
		thirdParty.IgnoresWriteConditions, thirdParty.RefusesWriteConditions = false, true
	case "Aliyun_OSS", "Tencent_COS":
	default:
		return Quirks{}, fmt.Errorf("no profile of provider %q", provider)
	}
	return thirdParty, nil
}
