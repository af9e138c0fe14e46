package storeaws

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// Copy makes the store copy an object of up to 5 GiB by itself.
func (b *Bucket) Copy(ctx context.Context, r store.CopyRequest) (store.Written, error) {
	h := make(http.Header, 16)
	b.setCopySource(h, r)
	b.setCondition(h, r.Condition)
	attributes := r.Attributes
	h["X-Amz-Metadata-Directive"] = []string{"REPLACE"}
	if r.KeepHeaders {
		h["X-Amz-Metadata-Directive"] = []string{"COPY"}
		redirect := attributes.Headers.WebsiteRedirect
		attributes.Headers = store.Headers{WebsiteRedirect: redirect} // the only one that COPY leaves behind
	}
	h["X-Amz-Tagging-Directive"] = []string{"REPLACE"}
	if r.KeepTags {
		h["X-Amz-Tagging-Directive"] = []string{"COPY"}
		attributes.Tags = nil
	}
	b.setAttributes(h, attributes)
	if b.Checksums() {
		h["X-Amz-Checksum-Algorithm"] = []string{"CRC64NVME"}
	}
	var out copyResult
	c := call{op: "CopyObject", method: http.MethodPut, key: r.Key, header: h, via: b.patient}
	answer, err := b.document(ctx, c, &out)
	if err != nil {
		return store.Written{}, b.learnRefusal(err)
	}
	w := written(answer)
	w.ETag, w.Checksum = strings.Trim(out.ETag, `"`), out.checksum()
	return w, nil
}

// CopyPart makes the store copy a range of an object into a part by itself.
func (b *Bucket) CopyPart(ctx context.Context, r store.CopyRequest, uploadID string, number int) (store.Part, error) {
	h := make(http.Header, 8)
	b.setCopySource(h, r)
	h["X-Amz-Copy-Source-Range"] = []string{rangeHeader(r.Offset, r.Length)}
	var out copyResult
	c := call{op: "UploadPartCopy", method: http.MethodPut, key: r.Key, header: h, query: partQuery(uploadID, number), via: b.patient}
	if _, err := b.document(ctx, c, &out); err != nil {
		return store.Part{}, err
	}
	return store.Part{Number: number, ETag: strings.Trim(out.ETag, `"`), Size: r.Length, CRC64NVME: crc64(out.ChecksumCRC64NVME)}, nil
}

type copyResult struct {
	ETag              string
	ChecksumCRC64NVME string
	ChecksumType      string
}

func (c *copyResult) checksum() store.Checksum {
	if crc64(c.ChecksumCRC64NVME) == "" {
		return store.Checksum{}
	}
	return store.Checksum{Algorithm: "CRC64NVME", Value: c.ChecksumCRC64NVME, Composite: c.ChecksumType == "COMPOSITE"}
}

func (b *Bucket) setCopySource(h http.Header, r store.CopyRequest) {
	source := "/" + r.SourceBucket + "/" + escapeKey(r.SourceKey)
	if r.SourceVersionID != "" {
		source += "?versionId=" + url.QueryEscape(r.SourceVersionID)
	}
	h["X-Amz-Copy-Source"] = []string{source}
	if r.SourceETag != "" {
		h["X-Amz-Copy-Source-If-Match"] = []string{`"` + r.SourceETag + `"`}
	}
}

// Shares reports whether this store could copy from the other bucket by itself, as far as addresses tell:
// both are Amazon S3 in one partition, or both are behind one address. Rights show only when it is tried.
func (b *Bucket) Shares(source *Bucket) bool {
	if b.endpoint.RequesterPays || source.endpoint.RequesterPays || source.credentials == nil {
		return false
	}
	if b.caps.Provider != source.caps.Provider {
		return false
	}
	own, other := b.serviceHost(), source.serviceHost()
	if own == other {
		return true
	}
	return b.caps.Provider == job.AmazonS3 && suffixOf(own) != "" && suffixOf(own) == suffixOf(other)
}

func (b *Bucket) serviceHost() string {
	return b.base.Scheme + "://" + strings.TrimPrefix(b.base.Host, b.name+".")
}

// suffixOf returns the part of an Amazon host that tells its partition.
func suffixOf(host string) string {
	_, suffix, ok := strings.Cut(host, ".amazonaws.")
	if !ok {
		return ""
	}
	region := ""
	for _, prefix := range []string{"us-gov-", "eusc-"} {
		if strings.Contains(host, "."+prefix) {
			region = prefix
		}
	}
	return region + suffix
}

// Tags returns an object's tags.
func (b *Bucket) Tags(ctx context.Context, key, versionID string) (map[string]string, error) {
	var out struct {
		TagSet struct {
			Tag []struct{ Key, Value string }
		}
	}
	q := url.Values{"tagging": {""}}
	if versionID != "" {
		q.Set("versionId", versionID)
	}
	if _, err := b.document(ctx, call{op: "GetObjectTagging", method: http.MethodGet, key: key, query: q}, &out); err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(out.TagSet.Tag))
	for _, t := range out.TagSet.Tag {
		tags[t.Key] = t.Value
	}
	return tags, nil
}

// UsesKMS reports whether the bucket encrypts new objects with KMS by default, which makes ETags useless
// for comparing. Without the right to ask, the answer is false: then a difference shows in the ETags.
func (b *Bucket) UsesKMS(ctx context.Context) bool {
	var out struct {
		Rule []struct {
			ApplyServerSideEncryptionByDefault struct{ SSEAlgorithm string }
		}
	}
	_, err := b.document(ctx, call{op: "GetBucketEncryption", method: http.MethodGet, query: url.Values{"encryption": {""}}}, &out)
	if err != nil {
		return false
	}
	for _, r := range out.Rule {
		if strings.HasPrefix(r.ApplyServerSideEncryptionByDefault.SSEAlgorithm, "aws:kms") {
			return true
		}
	}
	return false
}

// Reach asks for the bucket itself, to tell a wrong bucket, region, address or identity apart before any
// work is begun. HEAD has no error document, so a refusal is looked at again through a listing.
func (b *Bucket) Reach(ctx context.Context) error {
	resp, err := b.do(ctx, call{op: "HeadBucket", method: http.MethodHead})
	if err == nil {
		drain(resp.Body)
		return nil
	}
	if failure.Is(err, failure.Network) || failure.Is(err, failure.Canceled) {
		return err
	}
	if _, listErr := b.listOnce(ctx, store.ListRequest{MaxKeys: 1}); listErr == nil || failure.ClassOf(listErr) != failure.Other {
		return listErr
	}
	return err
}
