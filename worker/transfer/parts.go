package transfer

import (
	"context"
	"crypto/md5" //nolint:gosec // the S3 protocol's own digest, for stores that know no other
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/store"
)

// partsAtOnce is how many parts of one object are on their way in one process.
const partsAtOnce = 4

// PartSizeFor returns the part size of an object in bytes: 64 MiB, or as much as keeps it within the parts
// that a store takes, rounded up to 1 MiB, but at most 5 GiB.
func PartSizeFor(size int64, maxParts int) int64 { return partSize(size, maxParts, PartSize) }

func partSize(size int64, maxParts int, least int64) int64 {
	if maxParts <= 0 {
		maxParts = 10_000
	}
	part := (size + int64(maxParts) - 1) / int64(maxParts)
	if part > least {
		part = (part + job.MiB - 1) / job.MiB * job.MiB
	}
	return min(max(part, least), 5*job.GiB)
}

// copyParts moves an object as ranged GETs into the parts of a multipart upload, and resumes an upload
// of the same version that an earlier process left behind. The parts of a giant are sent to the fleet.
func (c *Copier) copyParts(ctx context.Context, w *work, giant bool) Outcome {
	source, err := c.Source.Head(ctx, w.m.Key, w.m.VersionID)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	if w.m.ETag != "" && source.ETag != w.m.ETag {
		return c.again(ctx, w)
	}
	if store.ArchivedClass(source.StorageClass) && !source.Restored {
		return Outcome{Status: ledger.Skipped, Reason: "archived", Method: MethodNone}
	}
	a, err := c.attributes(ctx, w, source)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	if giant {
		return c.beginGiant(ctx, w, source, a)
	}
	return c.copyPartsFrom(ctx, w, source, a, false)
}

func (c *Copier) copyPartsFrom(ctx context.Context, w *work, source store.Info, a store.Attributes, serverSide bool) Outcome {
	up, done, err := c.adopt(ctx, w, source, a, false)
	if err != nil {
		return Outcome{Err: err}
	}
	p := &partCopy{c: c, w: w, source: source, up: up, serverSide: serverSide, parts: done}
	p.withCRC = up.Checksums
	if err := p.run(ctx); err != nil {
		return c.partsFailed(ctx, p, err)
	}
	return c.complete(ctx, p)
}

// adopt returns the recorded upload of this version with its finished parts, or creates and records one.
func (c *Copier) adopt(ctx context.Context, w *work, source store.Info, a store.Attributes, giant bool) (multipart.Upload, []multipart.Part, error) {
	up, found, err := c.Uploads.GetUpload(ctx, w.m.Key, source.ETag)
	if err != nil {
		return up, nil, fmt.Errorf("reading the recorded upload of %s: %w", w.m.Key, err)
	}
	if found && up.Failure != nil {
		// It waits to be aborted; whoever wants the object now begins anew.
		if err := c.discard(ctx, up); err != nil {
			return up, nil, err
		}
		found = false
	}
	if found {
		parts, err := c.Uploads.Parts(ctx, up)
		if err != nil {
			return up, nil, fmt.Errorf("reading the recorded parts of %s: %w", w.m.Key, err)
		}
		return up, parts, nil
	}
	return c.create(ctx, w, source, a, giant)
}

// create begins an upload: the intention is on record before the call, and the upload after it. The intention of an attempt
// whose answer was lost stays, whatever later attempts come to: its upload is looked for by giant.Sweep.
func (c *Copier) create(ctx context.Context, w *work, source store.Info, a store.Attributes, giant bool) (multipart.Upload, []multipart.Part, error) {
	var up multipart.Upload
	intent := multipart.Intent{DestinationKey: w.dest, ID: rand.Text(), At: time.Now().UTC(), Worker: c.Worker}
	if err := c.Uploads.PutIntent(ctx, intent); err != nil {
		return up, nil, fmt.Errorf("recording the intent to upload %s: %w", w.dest, err)
	}
	id, err := c.Destination.CreateUpload(ctx, w.dest, a)
	if err != nil {
		return up, nil, err
	}
	part := partSize(w.m.Size, c.DestCan.MaxParts.Value, c.PartSize)
	up = multipart.Upload{
		SourceKey: w.m.Key, SourceETag: source.ETag, DestinationKey: w.dest, ID: id, Size: w.m.Size, PartSize: part,
		Parts: int((w.m.Size + part - 1) / part), RunID: w.m.Run, Created: time.Now().UTC().Truncate(time.Millisecond), Checksums: c.Destination.Checksums(),
		Giant: giant, VersionID: w.m.VersionID, Modified: source.Modified, Again: w.m.Again,
		DestinationSeen: w.condition != store.Precondition{}, DestinationETag: w.condition.IfMatch,
	}
	recorded, err := c.Uploads.PutUpload(ctx, up)
	if errors.Is(err, multipart.ErrExists) {
		// Somebody else was faster: theirs is the one, ours goes.
		if err := c.Destination.AbortUpload(ctx, w.dest, id); err != nil {
			return up, nil, err
		}
		parts, err := c.Uploads.Parts(ctx, recorded)
		return recorded, parts, errors.Join(err, c.Uploads.DeleteIntent(ctx, intent))
	}
	if err != nil {
		return up, nil, fmt.Errorf("recording upload %s of %s: %w", id, w.dest, err)
	}
	return up, nil, c.Uploads.DeleteIntent(ctx, intent)
}

// partCopy is one multipart copy under way.
type partCopy struct {
	c          *Copier
	w          *work
	source     store.Info
	up         multipart.Upload
	serverSide bool
	withCRC    bool // the store keeps CRC64NVME for this upload

	mu     sync.Mutex
	parts  []multipart.Part
	byMD5  bool // some part was compared by MD5
	bySize bool // some part could not be compared at all
	unsaid bool // the store did not say the sum of some part
	moved  int64
}

func (p *partCopy) run(ctx context.Context) error {
	done := make(map[int]bool, len(p.parts))
	for _, part := range p.parts {
		done[part.Number] = true
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for n := 1; n <= p.up.Parts && gctx.Err() == nil; n++ {
		if done[n] {
			continue
		}
		g.Go(func() error { return p.part(gctx, n) })
	}
	return g.Wait()
}

// part copies one part, tried like a whole object would be, and records it.
func (p *partCopy) part(ctx context.Context, number int) error {
	offset := int64(number-1) * p.up.PartSize
	length := min(p.up.PartSize, p.up.Size-offset)
	var sent multipart.Part
	policy := retry.Policy{Attempts: p.c.Attempts, Base: p.c.Backoff, Cap: 20 * time.Second}
	err := policy.Do(ctx, func() error {
		var err error
		if p.serverSide {
			sent, err = p.copyPart(ctx, number, offset, length)
		} else {
			sent, err = p.sendPart(ctx, number, offset, length)
		}
		return err
	})
	if err != nil {
		return err
	}
	sent.At = time.Now().UTC()
	recorded, err := p.c.Uploads.PutPart(ctx, p.up, sent)
	if err != nil {
		return fmt.Errorf("recording part %d of %s: %w", number, p.w.dest, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts = append(p.parts, recorded.Part)
	if !p.serverSide {
		p.moved += length
	}
	return nil
}

func (p *partCopy) copyPart(ctx context.Context, number int, offset, length int64) (multipart.Part, error) {
	r := p.c.copyRequest(p.w, p.source, store.Attributes{})
	r.Offset, r.Length = offset, length
	part, err := p.c.Destination.CopyPart(ctx, r, p.up.ID, number)
	return multipart.Part{Number: number, ETag: part.ETag, CRC64NVME: part.CRC64NVME, Size: length}, err
}

func (p *partCopy) sendPart(ctx context.Context, number int, offset, length int64) (multipart.Part, error) {
	release, err := p.c.stream(ctx)
	if err != nil {
		return multipart.Part{}, err
	}
	defer release()
	get := store.GetRequest{Key: p.w.m.Key, VersionID: p.w.m.VersionID, IfMatch: p.source.ETag, Offset: offset, Length: length}
	in, err := openRange(ctx, p.c.Source, get, length, &p.w.retries)
	if err != nil {
		return multipart.Part{}, &sourceError{err}
	}
	defer in.Close()
	var trailer func() string
	if p.withCRC {
		trailer = in.sum
	} else {
		in.md5 = md5.New() //nolint:gosec // see above
	}
	part, err := p.c.Destination.UploadPart(ctx, p.w.dest, p.up.ID, number, p.c.Pace.reader(ctx, in), length, trailer)
	if in.err != nil {
		return multipart.Part{}, &sourceError{in.err}
	}
	if err != nil {
		return multipart.Part{}, err
	}
	out := multipart.Part{Number: number, ETag: part.ETag, Size: length}
	return out, p.provePart(in, part, &out)
}

// provePart compares a sent part with what the destination says of it.
func (p *partCopy) provePart(in *reader, part store.Part, out *multipart.Part) error {
	if p.withCRC {
		out.CRC64NVME = in.sum()
		if part.CRC64NVME == "" {
			p.mu.Lock()
			p.unsaid = true
			p.mu.Unlock()
		}
		if part.CRC64NVME != "" && part.CRC64NVME != out.CRC64NVME {
			return &failure.Error{
				Class: failure.Checksum, Op: "UploadPart", Target: p.w.dest,
				Detail: fmt.Sprintf("CRC64NVME of part %d sent is %s, the destination holds %s", part.Number, out.CRC64NVME, part.CRC64NVME),
			}
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.EqualFold(hex.EncodeToString(in.md5.Sum(nil)), part.ETag) {
		p.byMD5 = true
		p.c.md5Trusted.Store(true)
		return nil
	}
	if p.c.md5Trusted.Load() && store.HashETag(part.ETag) {
		return &failure.Error{
			Class: failure.Checksum, Op: "UploadPart", Target: p.w.dest,
			Detail: fmt.Sprintf("MD5 of part %d differs from its ETag %s", part.Number, part.ETag),
		}
	}
	p.bySize = true // a store that encrypts with KMS, for example, has ETags that say nothing
	return nil
}

// sourceError marks an error of the source, so that "not found" is not taken for a lost upload.
type sourceError struct{ error }

func (e *sourceError) Unwrap() error { return e.error }

// partsFailed settles a multipart copy that cannot go on: for good, with the upload aborted; for now,
// with the upload kept for the next try.
func (c *Copier) partsFailed(ctx context.Context, p *partCopy, err error) Outcome {
	w, up := p.w, p.up
	class := failure.ClassOf(err)
	if p.serverSide && (class == failure.NotFound || class == failure.Conflict) {
		// One request names both ends. A look at the source tells which of them its refusal speaks of.
		if cause := c.sourceOf(ctx, p); cause != nil {
			err = cause
		}
	}
	var source *sourceError
	if errors.As(err, &source) {
		out := c.sourceFailed(ctx, w, source.error)
		if out.Err == nil {
			return c.discarded(ctx, up, out)
		}
		return out
	}
	if class == failure.NotFound {
		// The upload is gone, or was completed by somebody whose record got lost.
		if forget := c.Uploads.DeleteUpload(ctx, up); forget != nil {
			return Outcome{Err: forget}
		}
		return Outcome{Err: &failure.Error{Class: failure.Conflict, Op: "UploadPart", Target: w.dest, Detail: "the upload is gone", Err: err}}
	}
	if !class.Retryable() && class != failure.Canceled && !class.Endpointwide() && class != failure.Conflict {
		return c.discarded(ctx, up, Outcome{Err: err})
	}
	return Outcome{Err: err}
}

// sourceOf returns what is wrong with the source of a copy, nil when it is as it was.
func (c *Copier) sourceOf(ctx context.Context, p *partCopy) error {
	now, err := c.Source.Head(ctx, p.w.m.Key, p.w.m.VersionID)
	switch {
	case err != nil:
		return &sourceError{err}
	case now.ETag != p.source.ETag:
		return &sourceError{&failure.Error{Class: failure.Changed, Op: "UploadPartCopy", Target: p.w.m.Key, Detail: "the source is another by now"}}
	}
	return nil
}

// complete makes the object of its parts, and compares it. The upload's record goes after the object's is written.
func (c *Copier) complete(ctx context.Context, p *partCopy) Outcome {
	sort.Slice(p.parts, func(i, j int) bool { return p.parts[i].Number < p.parts[j].Number })
	r := store.CompleteRequest{Key: p.w.dest, UploadID: p.up.ID, Condition: p.w.condition, CRC64NVME: p.combined()}
	for _, part := range p.parts {
		r.Parts = append(r.Parts, store.Part{Number: part.Number, ETag: part.ETag, Size: part.Size, CRC64NVME: part.CRC64NVME})
	}
	written, err := c.Destination.CompleteUpload(ctx, r)
	if err != nil {
		return c.completeFailed(ctx, p, err)
	}
	by, err := p.prove(ctx, &written)
	if err != nil {
		return c.anew(ctx, p, err) // the upload is over, and the object is not what was sent
	}
	return c.completed(ctx, p, written.ETag, by)
}

// anew is the outcome of a completion that only another upload can bring about.
func (c *Copier) anew(ctx context.Context, p *partCopy, cause error) Outcome {
	if !p.up.Giant {
		return c.discarded(ctx, p.up, Outcome{Err: cause})
	}
	// Whoever takes the message that follows must not adopt this upload, and whoever finds it after a crash must know why
	// it is over: so that is noted first.
	if err := c.fail(ctx, p.up, cause); err != nil {
		return Outcome{Err: err}
	}
	out := c.again(ctx, p.w)
	out.After = c.ending(p.up)
	return out
}

// completed is the outcome of an object that was made of its parts.
func (c *Copier) completed(ctx context.Context, p *partCopy, etag, by string) Outcome {
	forget := func(ctx context.Context) error {
		if err := c.Uploads.DeleteUpload(ctx, p.up); err != nil {
			return fmt.Errorf("forgetting the completed upload of %s: %w", p.w.dest, err)
		}
		return nil
	}
	if again := c.overtaken(ctx, p.w, p.source.ETag, etag); again != nil {
		again.After = forget
		return *again
	}
	return Outcome{
		Status: ledger.Done, Method: p.method(), Size: p.up.Size, Bytes: p.moved, SourceETag: p.source.ETag,
		DestinationETag: etag, Checksum: p.combined(), VerifiedBy: by, After: forget,
	}
}

func (p *partCopy) method() string {
	switch {
	case p.serverSide:
		return MethodServerSide
	case p.up.Giant:
		return MethodGiant
	}
	return MethodMultipart
}

// completeFailed handles the answers to a completion that need thought. An upload that is gone was either
// completed by a call whose answer got lost, or aborted by somebody: what lies at the destination tells.
func (c *Copier) completeFailed(ctx context.Context, p *partCopy, err error) Outcome {
	switch failure.ClassOf(err) {
	case failure.NotFound:
		there, headErr := c.Destination.Head(ctx, p.w.dest, "")
		if headErr == nil && there.Size == p.up.Size && p.holds(there) {
			return c.completed(ctx, p, there.ETag, "etag")
		}
		if headErr != nil && !failure.Is(headErr, failure.NotFound) {
			return Outcome{Err: headErr}
		}
		gone := &failure.Error{Class: failure.Server, Op: "CompleteMultipartUpload", Target: p.w.dest, Detail: "the upload is gone; it is begun anew", Err: err}
		return c.anew(ctx, p, gone)
	case failure.Conflict:
		return c.completeConflict(ctx, p, err)
	case failure.DestinationRefuses:
		if mended, listErr := c.mendParts(ctx, p); mended || listErr != nil {
			if listErr != nil {
				return Outcome{Err: listErr}
			}
			return c.complete(ctx, p)
		}
		if p.up.Giant {
			return c.giantFailed(p.up, err)
		}
		return c.anew(ctx, p, err)
	case failure.Checksum:
		return c.anew(ctx, p, err)
	}
	return Outcome{Err: err}
}

// mendParts looks at the parts that the destination holds when it does not know one that is on record. A part that was
// sent twice has the ETag of the last time, which is another where ETags are no hashes: then the content tells that it
// is the same part. It reports whether completing again makes sense.
func (c *Copier) mendParts(ctx context.Context, p *partCopy) (mended bool, err error) {
	there, err := c.Destination.Parts(ctx, p.up.DestinationKey, p.up.ID)
	if err != nil {
		if failure.Is(err, failure.NotFound) {
			return false, nil
		}
		return false, err
	}
	known := make(map[int]store.Part, len(there))
	for _, part := range there {
		known[part.Number] = part
	}
	for i := range p.parts {
		mine := &p.parts[i]
		part, found := known[mine.Number]
		if !found || part.Size != mine.Size || part.CRC64NVME != "" && mine.CRC64NVME != "" && part.CRC64NVME != mine.CRC64NVME {
			return false, nil
		}
		if part.ETag != mine.ETag {
			mine.ETag, mended = part.ETag, true
		}
	}
	return mended, nil
}

// completeConflict handles a destination object that is another than expected. The upload itself is sound: where the
// object has to be written all the same, it is completed upon what is there now.
func (c *Copier) completeConflict(ctx context.Context, p *partCopy, conflict error) Outcome {
	if p.w.conflicts++; p.w.conflicts > maxConflicts {
		if p.up.Giant {
			return c.giantFailed(p.up, conflict)
		}
		return c.discarded(ctx, p.up, Outcome{Err: conflict})
	}
	out, err := c.reconsider(ctx, p.w)
	if err != nil {
		return Outcome{Err: err}
	}
	if out == nil {
		return c.complete(ctx, p)
	}
	out.After = c.ending(p.up)
	return *out
}

// holds reports whether an object is what these parts make.
func (p *partCopy) holds(there store.Info) bool {
	if crc := crcOf(there.Checksum); crc != "" && p.combined() != "" {
		return crc == p.combined()
	}
	return there.ETag != "" && strings.EqualFold(there.ETag, p.expectedETag())
}

// combined returns the CRC64NVME of the whole object, base64, "" when a part's is not known.
func (p *partCopy) combined() string {
	sum := checksum.Of(nil)
	for _, part := range p.parts {
		crc, err := checksum.Decode(part.CRC64NVME)
		if err != nil {
			return ""
		}
		sum = checksum.Combine(sum, crc, part.Size)
	}
	return checksum.Encode(sum)
}

// expectedETag returns the ETag that S3 gives to an object of these parts: the MD5 of the parts' MD5s and
// their number. "" when a part's ETag is no MD5.
func (p *partCopy) expectedETag() string {
	all := make([]byte, 0, 16*len(p.parts))
	for _, part := range p.parts {
		sum, err := hex.DecodeString(part.ETag)
		if err != nil || len(sum) != md5.Size {
			return ""
		}
		all = append(all, sum...)
	}
	whole := md5.Sum(all) //nolint:gosec // see above
	return fmt.Sprintf("%x-%d", whole, len(p.parts))
}

// prove compares the completed object with what was sent.
func (p *partCopy) prove(ctx context.Context, written *store.Written) (string, error) {
	want := p.combined()
	if want != "" && written.Checksum.Value == "" {
		if there, err := p.c.Destination.Head(ctx, p.w.dest, ""); err == nil && there.ETag == written.ETag {
			written.Checksum = there.Checksum
		}
	}
	mismatch := func(what, got, want string) error {
		return &failure.Error{
			Class: failure.Checksum, Op: "CompleteMultipartUpload", Target: p.w.dest,
			Detail: fmt.Sprintf("%s is %s, should be %s", what, got, want),
		}
	}
	if said := crcOf(p.source.Checksum); said != "" && want != "" && said != want {
		return "", mismatch("CRC64NVME of what was read", want, said)
	}
	if said := crcOf(written.Checksum); said != "" && want != "" {
		if said != want {
			return "", mismatch("CRC64NVME of the object", said, want)
		}
		return "crc64nvme", nil
	}
	switch {
	case p.serverSide:
		return "server", nil
	case p.bySize || p.up.Giant && !p.withCRC && !strings.EqualFold(p.expectedETag(), written.ETag):
		return "size", nil
	case want != "" && !p.unsaid && strings.EqualFold(p.expectedETag(), written.ETag):
		return "crc64nvme of the parts", nil
	case (p.byMD5 || p.up.Giant) && strings.EqualFold(p.expectedETag(), written.ETag):
		return "md5", nil
	case strings.EqualFold(p.source.ETag, written.ETag):
		return "etag", nil
	}
	return "size", nil
}
