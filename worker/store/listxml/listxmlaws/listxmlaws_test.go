// Package listxmlaws holds the proof that pages are decoded as the AWS SDK decodes them.
package listxmlaws

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/listxml"
)

// canned answers every request with one document.
type canned []byte

func (c canned) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(bytes.NewReader(c)), ContentLength: int64(len(c)),
	}, nil
}

func client(doc []byte) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", HTTPClient: canned(doc), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RetryMaxAttempts: 1, Retryer: aws.NopRetryer{},
	})
}

// bySDK decodes a document with both list calls of the SDK, since one does not know the markers and the other
// does not know the tokens.
func bySDK(t testing.TB, doc []byte) (listxml.Result, error) {
	c := client(doc)
	v2, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	if err != nil {
		return listxml.Result{}, err
	}
	v1, err := c.ListObjects(t.Context(), &s3.ListObjectsInput{Bucket: aws.String("b")})
	if err != nil {
		return listxml.Result{}, err
	}
	plain := func(s *string) string {
		text := aws.ToString(s)
		if v2.EncodingType == types.EncodingTypeUrl {
			if u, err := url.QueryUnescape(text); err == nil {
				return u
			}
		}
		return text
	}
	res := listxml.Result{Truncated: aws.ToBool(v2.IsTruncated), NextMarker: plain(v1.NextMarker)}
	if res.Truncated {
		res.Page.Next = aws.ToString(v2.NextContinuationToken)
	}
	for _, o := range v2.Contents {
		object := store.Object{
			Key: plain(o.Key), Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag), Modified: aws.ToTime(o.LastModified), StorageClass: string(o.StorageClass),
		}
		if e := object.ETag; len(e) >= 2 && strings.HasPrefix(e, `"`) && strings.HasSuffix(e, `"`) {
			object.ETag = e[1 : len(e)-1]
		}
		if r := o.RestoreStatus; r != nil {
			object.Restored = r.RestoreExpiryDate != nil && !aws.ToBool(r.IsRestoreInProgress)
		}
		res.Page.Objects = append(res.Page.Objects, object)
	}
	for _, p := range v2.CommonPrefixes {
		res.Page.Prefixes = append(res.Page.Prefixes, plain(p.Prefix))
	}
	return res, nil
}

func recorded(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	pages := map[string][]byte{}
	for _, f := range files {
		if pages[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return pages
}

func TestPagesAreDecodedAsBySDK(t *testing.T) {
	for name, doc := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			want, err := bySDK(t, doc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := listxml.Decode(bytes.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzTexts puts arbitrary texts into a page in every way that XML has, and compares what comes out.
func FuzzTexts(f *testing.F) {
	f.Add("a key", "d41d8cd98f00b204e9800998ecf8427e", int64(1), true)
	f.Add("a+b%2B/😀\r\n&<>\"'", "", int64(1<<40), false)
	f.Add("]]>", "x-1", int64(0), false)
	f.Fuzz(func(t *testing.T, key, etag string, size int64, encoded bool) {
		if size < 0 {
			return
		}
		var b bytes.Buffer
		b.WriteString(`<ListBucketResult><IsTruncated>false</IsTruncated>`)
		if encoded {
			b.WriteString(`<EncodingType>url</EncodingType>`)
			key = url.QueryEscape(key)
		}
		for _, text := range []string{escaped(key), numeric(key), "<![CDATA[" + strings.ReplaceAll(key, "]]>", "]]]]><![CDATA[>") + "]]>", "<!-- - > -->" + escaped(key)} {
			b.WriteString(`<Contents><Key>` + text + `</Key><ETag>` + escaped(`"`+etag+`"`) + `</ETag><Size>` + strconv.FormatInt(size, 10) + `</Size></Contents>`)
		}
		b.WriteString(`</ListBucketResult>`)
		want, err := bySDK(t, b.Bytes())
		if err != nil {
			return // characters that XML cannot hold
		}
		got, err := listxml.Decode(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v in %s", err, b.Bytes())
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s\n%s", b.Bytes(), d)
		}
	})
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "\r", "&#13;").Replace(s)
}

// numeric writes every character as a reference to its number.
func numeric(s string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteString("&#x" + strconv.FormatInt(int64(c), 16) + ";")
	}
	return b.String()
}
