package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// probeText is what the probe says to whoever finds it.
const probeText = "Data Transfer Hub looked whether it may write here. This object can be deleted.\n"

func (l *look) destination(ctx context.Context) {
	if !l.reach(ctx, l.Destination, l.rightsOfWriter()...) {
		return
	}
	l.list(ctx, l.Destination.List)
	if l.LookOnly {
		return
	}
	w := l.Job.Write
	plain := store.Attributes{SSE: w.SSE, KMSKeyID: w.KMSKeyID}
	wrote := l.write(ctx, plain)
	if wrote {
		l.try(ctx, Reading, func(ctx context.Context) error {
			_, err := l.Destination.Head(ctx, l.probe(), "")
			return err
		})
	}
	if l.Job.IncludeTags {
		tagged := plain
		tagged.Tags = map[string]string{"data-transfer-hub": "check"}
		wrote = l.try(ctx, WritingTags, func(ctx context.Context) error { return l.put(ctx, tagged) }) || wrote
	}
	if w.ACL != "" {
		owned := plain
		owned.ACL = w.ACL
		wrote = l.try(ctx, Ownership, func(ctx context.Context) error { return l.put(ctx, owned) }) || wrote
	}
	l.multipart(ctx, plain)
	l.remove(ctx, wrote)
}

// rightsOfWriter are those that the transfer needs at its destination.
func (l *look) rightsOfWriter() []Right {
	rights := []Right{Listing}
	if l.LookOnly {
		return rights
	}
	rights = append(rights, Writing, Reading, Multipart)
	for _, r := range []struct {
		right  Right
		needed bool
	}{
		{WritingTags, l.Job.IncludeTags},
		{Ownership, l.Job.Write.ACL != ""},
		{Deleting, l.Job.Deletes()},
		{KMS, strings.HasPrefix(l.Job.Write.SSE, "aws:kms")},
	} {
		if r.needed {
			rights = append(rights, r.right)
		}
	}
	return rights
}

func (l *look) probe() string { return l.keys + ProbeName }

func (l *look) put(ctx context.Context, a store.Attributes) error {
	_, err := l.Destination.Put(ctx, store.PutRequest{Key: l.probe(), Body: strings.NewReader(probeText), Size: int64(len(probeText)), Attributes: a})
	return err
}

// write writes the probe as objects are written, but for tags and ACL.
func (l *look) write(ctx context.Context, a store.Attributes) bool {
	err := l.call(ctx, func(ctx context.Context) error { return l.put(ctx, a) })
	if failure.Is(err, failure.KMS) {
		l.add(l.judge(KMS, err))
		l.add(Finding{Right: Writing, Result: Unknown, Message: "nothing can be written before the key can be used"})
		return false
	}
	l.add(l.judge(Writing, err))
	if err == nil && strings.HasPrefix(l.Job.Write.SSE, "aws:kms") {
		l.add(Finding{Right: KMS, Result: OK})
	}
	return err == nil
}

// multipart begins an upload, looks at it and aborts it.
func (l *look) multipart(ctx context.Context, a store.Attributes) {
	var id string
	err := l.call(ctx, func(ctx context.Context) (err error) {
		id, err = l.Destination.CreateUpload(ctx, l.probe(), a)
		return err
	})
	if err != nil {
		l.add(l.judge(Multipart, err))
		return
	}
	err = l.call(ctx, func(ctx context.Context) error {
		_, err := l.Destination.Parts(ctx, l.probe(), id)
		return err
	})
	if err == nil {
		err = l.call(ctx, func(ctx context.Context) error {
			_, err := l.Destination.Uploads(ctx, l.probe())
			return err
		})
	}
	f := l.judge(Multipart, err)
	// Also after a signal: an upload that is left open costs money.
	abort := l.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return l.Destination.AbortUpload(ctx, l.probe(), id) })
	if abort != nil {
		f = l.judge(Multipart, abort)
		f.Message += fmt.Sprintf("; the upload %s of %s stays open: abort it", id, l.probe())
	}
	l.add(f)
}

// remove deletes the probe, which also shows whether that is allowed. Where the transfer deletes nothing, it need not be.
func (l *look) remove(ctx context.Context, wrote bool) {
	if !wrote && !l.Job.Deletes() {
		return
	}
	f := l.judge(Deleting, l.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return l.Destination.Delete(ctx, l.probe()) }))
	if f.Result != OK && wrote {
		f.Message += "; the object " + l.probe() + " stays: delete it"
	}
	if f.Result == Denied && !l.Job.Deletes() {
		f.Result = Unknown
		f.Remedy = "none is needed: this task deletes nothing"
	}
	l.add(f)
}

// judge tells what an answer says of a right.
func (l *look) judge(right Right, err error) Finding {
	if err == nil {
		return Finding{Right: right, Result: OK}
	}
	f := Finding{Right: right, Result: Denied, Message: err.Error()}
	var known *failure.Error
	if !errors.As(err, &known) {
		f.Result = Unknown
		return f
	}
	switch known.Class {
	case failure.AccessDenied:
		f.Remedy = l.grant(right, known.Op)
	case failure.KMS:
		f.Right, f.Remedy = KMS, l.grantKey()
	case failure.BadCredentials, failure.NoSuchBucket, failure.WrongRegion:
		f.Remedy = advice(l.bucket(), l.names, err)
	case failure.DestinationRefuses:
		f.Remedy = l.change(right)
	case failure.NotFound:
		f.Result = Unknown
	default:
		f.Result, f.Remedy = Unknown, "it may pass: check once more"
	}
	return f
}

func (l *look) bucket() End {
	if l.end == "source" {
		return l.Source
	}
	return l.Destination
}

// change names the settings behind a request that the store does not take.
func (l *look) change(right Right) string {
	switch right {
	case Ownership:
		return fmt.Sprintf("set %s to none; or let the bucket take ACLs: its Object Ownership must be \"Bucket owner preferred\" for %s", l.names.ACL, l.Job.Write.ACL)
	case WritingTags, ReadingTags:
		return fmt.Sprintf("the store has no tags: set %s to false", l.names.Tags)
	}
	if l.end == "destination" && l.Job.Write.SSE != "" {
		return "look at " + l.names.Encryption
	}
	return ""
}

// grant says who has to be allowed what.
func (l *look) grant(right Right, op string) string {
	actions, place := actionsOf(right, op), l.at.Bucket
	own := l.at.Provider == job.AmazonS3
	if own {
		place = "arn:" + partitionOf(l.at.Region) + ":s3:::" + place
	}
	if !strings.Contains(actions, "Bucket") {
		place += "/" + l.keys + "*"
	}
	text := fmt.Sprintf("allow %s on %s to %s", actions, place, l.identity())
	switch {
	case !own:
		text = "in the policies of the store, in the words of Amazon S3: " + text
	case !l.at.Access.Anonymous:
		text += ", in a policy of that identity and, when the bucket is another account's, in the bucket policy (dth policy writes both)"
	}
	switch right {
	case ReadingTags, WritingTags:
		text += "; or set " + l.names.Tags + " to false"
	case Ownership:
		text += "; or set " + l.names.ACL + " to none"
	case Deleting:
		text += "; or set " + l.names.Delete
	}
	return text
}

// actionsOf names the IAM actions behind an operation.
func actionsOf(right Right, op string) string {
	switch right {
	case WritingTags:
		return "s3:PutObject and s3:PutObjectTagging"
	case Ownership:
		return "s3:PutObject and s3:PutObjectAcl"
	}
	return cmp.Or(ActionOf(op), op)
}

// ActionOf returns the IAM action behind an operation that Inspect makes, "" for others.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
func ActionOf(op string) string {
	return map[string]string{
		"HeadBucket": "s3:ListBucket", "ListObjects": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket",
		"ListMultipartUploads": "s3:ListBucketMultipartUploads", "GetObject": "s3:GetObject", "HeadObject": "s3:GetObject",
		"GetObjectTagging": "s3:GetObjectTagging", "PutObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject",
		"AbortMultipartUpload": "s3:AbortMultipartUpload", "ListParts": "s3:ListMultipartUploadParts", "DeleteObject": "s3:DeleteObject",
	}[op]
}

// grantKey says who has to be allowed to use the key.
func (l *look) grantKey() string {
	key, actions := "the key that its objects are encrypted with", "kms:Decrypt"
	other := ""
	if l.end == "destination" {
		key, actions = "the bucket's default key", "kms:GenerateDataKey and kms:Decrypt"
		if id := l.Job.Write.KMSKeyID; id != "" {
			key = "key " + id
		}
		other = "; or change " + l.names.Encryption
	}
	return fmt.Sprintf("allow %s on %s to %s, in a policy of that identity and in the key's policy, and see that the key is enabled and in the region of the bucket%s",
		actions, key, l.identity(), other)
}

// identity names who calls.
func (l *look) identity() string {
	a := l.at.Access
	switch {
	case a.Anonymous:
		return "everybody, in the bucket policy"
	case a.RoleARN != "":
		return "role " + a.RoleARN
	case a.Secret != "":
		return "the user whose access keys are in secret " + a.Secret
	case a.Profile != "":
		return "the identity of profile " + a.Profile
	}
	return "the task's own role"
}
