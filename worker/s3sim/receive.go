package s3sim

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/minio/crc64nvme"
)

// largestPut is the protocol's limit for the body of one request.
const largestPut = 5 << 30

// algorithms are those of x-amz-checksum-*.
var algorithms = []string{"CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256"}

func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC64NVME":
		return crc64nvme.New()
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	}
	return nil
}

// received is a body that came in whole and passed every check.
type received struct {
	content Content
	md5     string // hex; empty when it was not computed
	crc     uint64 // CRC64NVME
	sum     Sum    // of the algorithm that the client chose, CRC64NVME by default
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// receive reads the body of a write and checks what the client said of it.
func (q *request) receive() (received, error) {
	length := q.r.ContentLength
	var body io.Reader = q.r.Body
	var trailer *chunked
	if strings.HasPrefix(q.r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		if q.sim.quirks.NoTrailers {
			return received{}, errNotImplemented("x-amz-content-sha256")
		}
		n, err := strconv.ParseInt(q.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil {
			return received{}, refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.")
		}
		trailer = &chunked{r: bufio.NewReader(q.r.Body)}
		length, body = n, trailer
	}
	if length < 0 {
		return received{}, refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if length > largestPut {
		return received{}, refuse(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	d := q.digests()
	got, err := q.read(body, length, d)
	if err != nil {
		return received{}, err
	}
	q.sim.counters.bytesIn.Add(length)
	var trailers http.Header
	if trailer != nil {
		trailers = trailer.trailers
	}
	return got, d.check(q, &got, trailers)
}

// read takes length bytes, no more and no less, through the digests.
func (q *request) read(body io.Reader, length int64, d *digests) (received, error) {
	var got received
	if q.sim.options.Keep == KeepBytes {
		var kept bytes.Buffer
		if length <= 64<<20 {
			kept.Grow(int(length)) // trusted up to here; beyond, memory grows with what really comes
		}
		n, err := io.CopyN(&kept, body, length)
		if err != nil {
			return got, brokenBody(err, n, length)
		}
		d.write(kept.Bytes())
		got.content = Bytes(kept.Bytes())
	} else {
		buf := copyBuffers.Get().(*[]byte)
		defer copyBuffers.Put(buf)
		n, err := io.CopyBuffer(onlyWriter{d}, io.LimitReader(body, length), *buf)
		if err == nil && n < length {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return got, brokenBody(err, n, length)
		}
		got.content = dropped(length)
	}
	var one [1]byte
	if n, err := body.Read(one[:]); n > 0 || err != nil && err != io.EOF {
		return got, brokenBody(errors.Join(err, errTooLong), length+int64(n), length)
	}
	return got, nil
}

var errTooLong = errors.New("more bytes than announced")

type onlyWriter struct{ io.Writer }

// brokenBody tells a client that sent wrong framing from one that has gone.
func brokenBody(err error, got, want int64) error {
	var f *framingError
	if errors.As(err, &f) || errors.Is(err, errTooLong) {
		return refuse(http.StatusBadRequest, "IncompleteBody", fmt.Sprintf("The request body terminated unexpectedly (%d of %d bytes)", got, want))
	}
	return &connectionError{err}
}

// digests are the sums that run along with a body.
type digests struct {
	md5    hash.Hash
	crc    hash.Hash64
	sha    hash.Hash // of the signed payload
	chosen hash.Hash // nil: crc is the chosen one, or there is none
	name   string    // of the chosen algorithm; empty: the client chose none
	listen []io.Writer
}

func (d *digests) write(p []byte) {
	for _, w := range d.listen {
		_, _ = w.Write(p) // hashes do not fail
	}
}

// Write implements io.Writer.
func (d *digests) Write(p []byte) (int, error) { d.write(p); return len(p), nil }

func (q *request) digests() *digests {
	h := q.r.Header
	d := &digests{crc: crc64nvme.New()}
	d.listen = append(d.listen, d.crc)
	if q.sim.options.Keep != KeepSize && !q.sim.opaqueETags(q.encryption()) || h.Get("Content-Md5") != "" {
		d.md5 = md5.New()
		d.listen = append(d.listen, d.md5)
	}
	if len(h.Get("X-Amz-Content-Sha256")) == 2*sha256.Size {
		d.sha = sha256.New()
		d.listen = append(d.listen, d.sha)
	}
	if q.sim.quirks.NoChecksums {
		return d
	}
	for _, a := range algorithms {
		if h.Get(sumHeader(a)) != "" || strings.EqualFold(h.Get("X-Amz-Trailer"), "x-amz-checksum-"+a) {
			d.name = a
		}
	}
	if d.name != "" && d.name != "CRC64NVME" {
		d.chosen = newHash(d.name)
		d.listen = append(d.listen, d.chosen)
	}
	return d
}

func errBadDigest(what string) *Error {
	return refuse(http.StatusBadRequest, "BadDigest", "The "+what+" you specified did not match what we received.")
}

// check compares the sums with what the client said, and fills them in.
func (d *digests) check(q *request, got *received, trailers http.Header) error {
	h := q.r.Header
	got.crc = d.crc.Sum64()
	got.sum = Sum{Algorithm: "CRC64NVME", Value: encodeCRC(got.crc)}
	if d.md5 != nil {
		sum := d.md5.Sum(nil)
		got.md5 = hex.EncodeToString(sum)
		if want := h.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(sum) {
			return errBadDigest("Content-MD5")
		}
	}
	if d.sha != nil && h.Get("X-Amz-Content-Sha256") != hex.EncodeToString(d.sha.Sum(nil)) {
		return refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if q.sim.quirks.NoChecksums {
		got.sum = Sum{}
		return nil
	}
	if d.name == "" {
		return nil
	}
	if d.chosen != nil {
		got.sum = Sum{Algorithm: d.name, Value: base64.StdEncoding.EncodeToString(d.chosen.Sum(nil))}
	}
	want := h.Get(sumHeader(d.name))
	if want == "" {
		want = trailers.Get(sumHeader(d.name))
	}
	if want == "" {
		return refuse(http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	}
	if want != got.sum.Value {
		return errBadDigest(d.name)
	}
	return nil
}
