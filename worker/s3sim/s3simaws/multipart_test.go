package s3simaws

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/s3sim"
)

func TestMultipart(t *testing.T) {
	ctx := context.Background()
	parts := [][]byte{bytes.Repeat([]byte("a1"), 3<<19), bytes.Repeat([]byte("b22"), 1<<20), []byte("end")}
	whole := bytes.Join(parts, nil)
	for _, algorithm := range []types.ChecksumAlgorithm{"", "CRC64NVME", "CRC32", "SHA256"} {
		t.Run(string(algorithm), func(t *testing.T) {
			sim, c := open(t, s3sim.Options{MinPartSize: 1 << 20})
			b := sim.Bucket("b")
			up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
				Bucket: aws.String("b"), Key: aws.String("k"), ChecksumAlgorithm: algorithm, Metadata: map[string]string{"m": "1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			var done []types.CompletedPart
			for i, p := range parts {
				out, err := c.UploadPart(ctx, &s3.UploadPartInput{
					Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)),
					Body: bytes.NewReader(p), ChecksumAlgorithm: algorithm,
				})
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, types.CompletedPart{
					PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32,
					ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA256: out.ChecksumSHA256,
				})
			}
			if list, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String("b")}); err != nil || len(list.Uploads) != 1 {
				t.Fatalf("uploads = %+v, %v", list, err)
			}
			listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, MaxParts: aws.Int32(2)})
			if err != nil || len(listed.Parts) != 2 || !aws.ToBool(listed.IsTruncated) || aws.ToInt64(listed.Parts[1].Size) != int64(len(parts[1])) {
				t.Fatalf("parts = %+v, %v", listed, err)
			}
			complete := s3.CompleteMultipartUploadInput{
				Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
			}
			out, err := c.CompleteMultipartUpload(ctx, &complete)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Trim(aws.ToString(out.ETag), `"`); got != partedETag(parts) {
				t.Errorf("ETag = %s, want %s", got, partedETag(parts))
			}
			if algorithm == "" || algorithm == "CRC64NVME" {
				if aws.ToString(out.ChecksumCRC64NVME) != checksum.Encode(checksum.Of(whole)) {
					t.Errorf("checksum = %v", aws.ToString(out.ChecksumCRC64NVME))
				}
			} else if out.ChecksumType != types.ChecksumTypeComposite {
				t.Errorf("checksum type = %s", out.ChecksumType)
			}
			get, err := c.GetObject(ctx, &s3.GetObjectInput{
				Bucket: aws.String("b"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled, Range: aws.String("bytes=1572860-1572870"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(get.Body); !bytes.Equal(body, whole[1572860:1572871]) || get.Metadata["m"] != "1" {
				t.Errorf("range over parts = %q, %+v", body, get.Metadata)
			}
			if b.OpenUploads() != 0 {
				t.Error("the upload is still open")
			}
			_, err = c.CompleteMultipartUpload(ctx, &complete)
			wantCode(t, err, "NoSuchUpload", 404)
		})
	}
}

func partedETag(parts [][]byte) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum(p)
		h.Write(sum[:])
	}
	return fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts))
}

func TestMultipartRefusals(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	b := sim.Bucket("b")
	b.PutBytes("k", []byte("old"))
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("b"), Key: aws.String("k"), ChecksumAlgorithm: "CRC64NVME"})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for i := range int32(2) {
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, PartNumber: aws.Int32(i + 1), Body: strings.NewReader("tiny"),
			ChecksumAlgorithm: "CRC64NVME",
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(i + 1), ETag: out.ETag})
	}
	complete := func(with func(*s3.CompleteMultipartUploadInput)) error {
		in := &s3.CompleteMultipartUploadInput{
			Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done[:1]},
		}
		with(in)
		_, err := c.CompleteMultipartUpload(ctx, in)
		return err
	}
	type in = s3.CompleteMultipartUploadInput
	wantCode(t, complete(func(i *in) { i.MultipartUpload.Parts = done }), "EntityTooSmall", 400)
	wantCode(t, complete(func(i *in) { i.MultipartUpload.Parts = []types.CompletedPart{done[1], done[0]} }), "InvalidPartOrder", 400)
	wantCode(t, complete(func(i *in) {
		i.MultipartUpload.Parts = []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String("other")}}
	}), "InvalidPart", 400)
	wantCode(t, complete(func(i *in) { i.IfNoneMatch = aws.String("*") }), "PreconditionFailed", 412)
	wantCode(t, complete(func(i *in) { i.ChecksumCRC64NVME = aws.String("AAAAAAAAAAA=") }), "BadDigest", 400)
	wantCode(t, complete(func(i *in) { i.UploadId = aws.String("none") }), "NoSuchUpload", 404)
	if _, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId}); err != nil {
		t.Fatal(err)
	}
	if b.OpenUploads() != 0 || string(b.Get("k").Content.(s3sim.Bytes)) != "old" {
		t.Error("an aborted upload left something behind")
	}
}

// What no memory could hold is copied part by part on the side of the store; its sum is known without its bytes.
func TestPartCopiesOfGeneratedContent(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	const size, partSize = int64(128)<<30 + 12345, int64(5) << 30
	src := sim.Bucket("src").PutPattern("huge", size, 42)
	sim.Bucket("b")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("b"), Key: aws.String("k"), ChecksumAlgorithm: "CRC64NVME"})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for off := int64(0); off < size; off += partSize {
		n := aws.Int32(int32(len(done) + 1))
		out, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, PartNumber: n, CopySource: aws.String("src/huge"),
			CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", off, min(off+partSize, size)-1)), CopySourceIfMatch: aws.String(src.ETag),
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.CopyPartResult.ETag, ChecksumCRC64NVME: out.CopyPartResult.ChecksumCRC64NVME})
	}
	out, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: aws.String("b"), Key: aws.String("k"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.ChecksumCRC64NVME) != src.Sum.Value {
		t.Errorf("checksum of the copy = %s, of the source %s", aws.ToString(out.ChecksumCRC64NVME), src.Sum.Value)
	}
}

func TestCopyObject(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	sim.Bucket("b").Put(s3sim.Object{
		Key: "from é", Content: s3sim.Bytes("data"), Metadata: map[string]string{"a": "1"}, Tags: map[string]string{"t": "1"},
		Headers: map[string]string{"Content-Type": "text/css"},
	})
	for _, replace := range []bool{false, true} {
		in := s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("to"), CopySource: aws.String("b/from%20%C3%A9")}
		if replace {
			in.MetadataDirective, in.Metadata = types.MetadataDirectiveReplace, map[string]string{"b": "2"}
			in.TaggingDirective, in.Tagging = types.TaggingDirectiveReplace, aws.String("u=2")
		}
		out, err := c.CopyObject(ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		o := sim.Bucket("b").Get("to")
		if strings.Trim(aws.ToString(out.CopyObjectResult.ETag), `"`) != md5Hex([]byte("data")) || out.CopyObjectResult.ChecksumCRC64NVME == nil {
			t.Errorf("result = %+v", out.CopyObjectResult)
		}
		if replace != (o.Metadata["b"] == "2") || replace != (o.Tags["u"] == "2") || replace == (o.Headers["Content-Type"] == "text/css") {
			t.Errorf("replace %v: %+v", replace, o)
		}
	}
}
