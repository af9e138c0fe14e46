package s3sim

import (
	"encoding/xml"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
)

func (q *request) listBuckets() error {
	b := []byte(xmlHeader + "<ListAllMyBucketsResult" + xmlns + ">" + ownerXML + "<Buckets>")
	for _, name := range q.sim.bucketNames() {
		b = append(b, "<Bucket>"...)
		b = element(b, "Name", name)
		b = append(b, "<CreationDate>2024-01-01T00:00:00.000Z</CreationDate></Bucket>"...)
	}
	return q.respondXML(append(b, "</Buckets></ListAllMyBucketsResult>"...))
}

func (q *request) region() string {
	if q.sim.options.Region != "" {
		return q.sim.options.Region
	}
	return "us-east-1"
}

func (q *request) headBucket() error {
	q.w.Header().Set("X-Amz-Bucket-Region", q.region())
	q.respond(http.StatusOK)
	return nil
}

func (q *request) createBucket() error {
	if q.sim.lookup(q.call.Bucket) != nil {
		return refuse(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	q.sim.Bucket(q.call.Bucket)
	q.w.Header().Set("Location", "/"+q.call.Bucket)
	q.respond(http.StatusOK)
	return nil
}

// bucketLocation answers with an empty element for us-east-1, as Amazon S3 does.
func (q *request) bucketLocation() error {
	region := q.region()
	if region == "us-east-1" {
		region = ""
	}
	b := []byte(xmlHeader + "<LocationConstraint" + xmlns + ">" + region)
	return q.respondXML(append(b, "</LocationConstraint>"...))
}

func (q *request) bucketEncryption() error {
	sse := q.sim.quirks.DefaultSSE
	if sse == "" {
		return refuse(http.StatusNotFound, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found")
	}
	b := []byte(xmlHeader + "<ServerSideEncryptionConfiguration" + xmlns + "><Rule><ApplyServerSideEncryptionByDefault>")
	b = element(b, "SSEAlgorithm", sse)
	b = append(b, "</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>"...)
	return q.respondXML(append(b, "</ServerSideEncryptionConfiguration>"...))
}

type deleteDocument struct {
	Quiet  bool
	Object []struct{ Key, VersionId, ETag string }
}

func (q *request) deleteObjects() error {
	var doc deleteDocument
	if err := xml.NewDecoder(io.LimitReader(q.r.Body, 4<<20)).Decode(&doc); err != nil || len(doc.Object) == 0 || len(doc.Object) > 1000 {
		return errMalformedXML()
	}
	x := []byte(xmlHeader + "<DeleteResult" + xmlns + ">")
	q.bucket.mu.Lock()
	for _, o := range doc.Object {
		if o.VersionId != "" {
			q.bucket.removeVersion(o.Key, o.VersionId)
		} else {
			q.bucket.remove(o.Key)
		}
		if !doc.Quiet {
			x = append(x, "<Deleted>"...)
			x = element(x, "Key", o.Key)
			x = append(x, "</Deleted>"...)
		}
	}
	q.bucket.mu.Unlock()
	return q.respondXML(append(x, "</DeleteResult>"...))
}

type tagDocument struct {
	XMLName xml.Name                      `xml:"Tagging"`
	Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
}

func (q *request) getTagging() error {
	if q.sim.quirks.NoTags {
		return errNotImplemented("tagging")
	}
	o, err := q.bucket.version(q.call.Key, q.query.Get("versionId"))
	if err != nil {
		return err
	}
	names := make([]string, 0, len(o.Tags))
	for k := range o.Tags {
		names = append(names, k)
	}
	sort.Strings(names)
	x := []byte(xmlHeader + "<Tagging" + xmlns + "><TagSet>")
	for _, k := range names {
		x = append(x, "<Tag>"...)
		x = element(x, "Key", k)
		x = element(x, "Value", o.Tags[k])
		x = append(x, "</Tag>"...)
	}
	return q.respondXML(append(x, "</TagSet></Tagging>"...))
}

func (q *request) putTagging() error {
	if q.sim.quirks.NoTags {
		return errNotImplemented("tagging")
	}
	var doc tagDocument
	if err := xml.NewDecoder(io.LimitReader(q.r.Body, 1<<20)).Decode(&doc); err != nil {
		return errMalformedXML()
	}
	if len(doc.Tags) > 10 {
		return refuse(http.StatusBadRequest, "BadRequest", "Object tags cannot be greater than 10")
	}
	tags := map[string]string{}
	for _, t := range doc.Tags {
		tags[t.Key] = t.Value
	}
	q.bucket.mu.Lock()
	defer q.bucket.mu.Unlock()
	o := q.bucket.current(q.call.Key)
	if o == nil {
		return errNoSuchKey()
	}
	tagged := *o
	tagged.Tags = tags
	q.bucket.index.put(&tagged)
	q.respond(http.StatusOK)
	return nil
}

func (q *request) listUploads() error {
	prefix, after, afterID := q.query.Get("prefix"), q.query.Get("key-marker"), q.query.Get("upload-id-marker")
	limit := q.limit("max-uploads")
	urlKeys := rowStyle{urlKeys: q.query.Get("encoding-type") == "url" && !q.sim.quirks.NoURLEncoding}
	q.bucket.mu.RLock()
	all := sortedUploads(q.bucket.uploads)
	q.bucket.mu.RUnlock()
	var rows []byte
	var last *upload
	n, truncated := 0, false
	for _, u := range all {
		if !strings.HasPrefix(u.key, prefix) || u.key < after || u.key == after && after != "" && (afterID == "" || u.id <= afterID) {
			continue
		}
		if n == limit {
			truncated = true
			break
		}
		rows = append(rows, "<Upload>"...)
		rows = urlKeys.element(rows, "Key", u.key)
		rows = element(rows, "UploadId", u.id)
		rows = append(rows, "<Initiated>"...)
		rows = appendTime(rows, u.initiated)
		rows = append(rows, "</Initiated><StorageClass>"+class(u.object.StorageClass)+"</StorageClass></Upload>"...)
		n++
		last = u
	}
	b := []byte(xmlHeader + "<ListMultipartUploadsResult" + xmlns + ">")
	b = element(b, "Bucket", q.call.Bucket)
	b = urlKeys.element(b, "KeyMarker", after)
	b = element(b, "UploadIdMarker", afterID)
	if truncated && last != nil {
		b = urlKeys.element(b, "NextKeyMarker", last.key)
		b = element(b, "NextUploadIdMarker", last.id)
	}
	b = element(b, "MaxUploads", strconv.Itoa(limit))
	if urlKeys.urlKeys {
		b = append(b, "<EncodingType>url</EncodingType>"...)
	}
	b = element(b, "IsTruncated", strconv.FormatBool(truncated))
	b = append(b, rows...)
	return q.respondXML(append(b, "</ListMultipartUploadsResult>"...))
}

func (q *request) limit(name string) int {
	if n, err := strconv.Atoi(q.query.Get(name)); err == nil && n > 0 {
		return min(n, 1000)
	}
	return 1000
}

func (q *request) listParts() error {
	after, _ := strconv.Atoi(q.query.Get("part-number-marker")) // none: from the beginning
	limit := q.limit("max-parts")
	q.bucket.mu.RLock()
	defer q.bucket.mu.RUnlock()
	u, err := q.upload()
	if err != nil {
		return err
	}
	numbers := make([]int, 0, len(u.parts))
	for n := range u.parts {
		if n > after {
			numbers = append(numbers, n)
		}
	}
	sort.Ints(numbers)
	truncated := len(numbers) > limit
	if truncated {
		numbers = numbers[:limit]
	}
	b := []byte(xmlHeader + "<ListPartsResult" + xmlns + ">")
	b = element(b, "Bucket", q.call.Bucket)
	b = element(b, "Key", u.key)
	b = element(b, "UploadId", u.id)
	b = element(b, "PartNumberMarker", strconv.Itoa(after))
	if truncated {
		b = element(b, "NextPartNumberMarker", strconv.Itoa(numbers[limit-1]))
	}
	b = element(b, "MaxParts", strconv.Itoa(limit))
	b = element(b, "IsTruncated", strconv.FormatBool(truncated))
	for _, n := range numbers {
		p := u.parts[n]
		b = append(b, "<Part>"...)
		b = element(b, "PartNumber", strconv.Itoa(n))
		b = append(b, "<LastModified>"...)
		b = appendTime(b, p.modified)
		b = append(b, "</LastModified>"...)
		b = element(b, "ETag", `"`+p.etag+`"`)
		if p.sum.Algorithm != "" {
			b = element(b, "Checksum"+p.sum.Algorithm, p.sum.Value)
		}
		b = element(b, "Size", itoa(p.content.Size()))
		b = append(b, "</Part>"...)
	}
	return q.respondXML(append(b, "</ListPartsResult>"...))
}
