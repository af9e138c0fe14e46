// Package preflight looks at both ends of a transfer before any work is begun, and says what is wrong with one of them in
// words that name the setting and the way out.
package preflight

import (
	"context"
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/partition"
)

// End is one end of a transfer.
type End interface {
	// Reach returns why the bucket cannot be used, classed.
	Reach(ctx context.Context) error
	Name() string
	Address() string
}

// Names are what the settings of an end are called where the person made them: flags, or parameters.
type Names struct {
	End         string // source, destination
	Region      string
	Endpoint    string
	Credentials string
	// Anonymous is the setting that reads a public bucket without credentials; empty where there is none.
	Anonymous string
	// Rights are what the identity needs beside listing.
	Rights string

	// What Inspect names beside them.
	PrefixFile, Tags, Events string
	ACL, Encryption          string
	Delete                   string // with the value that deletes nothing
}

// ParameterNames are the names of an end's settings in the contract of tasks.
func ParameterNames(end string) Names {
	prefix, rights := "src", "s3:GetObject"
	if end == "destination" {
		prefix, rights = "dest", "s3:GetObject, s3:PutObject and s3:AbortMultipartUpload"
	}
	return Names{
		End: end, Region: prefix + "Region", Endpoint: prefix + "Endpoint", Credentials: prefix + "Credentials or " + prefix + "RoleArn", Rights: rights,
		PrefixFile: "srcPrefixsListFile", Tags: "includeTags", Events: "srcEvent", ACL: "destAcl",
		Encryption: "destPutObjectSSEType and destPutObjectSSEKmsKeyId", Delete: "deleteExtraneous to No",
	}
}

// partitionOf is the partition of a region, aws for one that is not known.
func partitionOf(region string) string {
	if p, err := partition.Of(region); err == nil {
		return p.Name
	}
	return "aws"
}

// Error is a finding about an end.
type Error struct {
	End    string
	Advice string
	Err    error
}

func (e *Error) Error() string { return e.End + ": " + e.Advice }
func (e *Error) Unwrap() error { return e.Err }

// Check asks for the bucket. The error is *Error, or the context's.
func Check(ctx context.Context, b End, n Names) error {
	err := b.Reach(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{End: n.End, Advice: advice(b, n, err), Err: err}
}

func advice(b End, n Names, err error) string {
	var f *failure.Error
	if !errors.As(err, &f) {
		return err.Error()
	}
	public := ""
	if n.Anonymous != "" {
		public = ", or give " + n.Anonymous + " for a public bucket"
	}
	switch f.Class {
	case failure.NoSuchBucket:
		return fmt.Sprintf("bucket %s does not exist at %s; check the bucket's name, %s and %s", b.Name(), b.Address(), n.Region, n.Endpoint)
	case failure.WrongRegion:
		return fmt.Sprintf("bucket %s: %s; give %s", b.Name(), f.Detail, n.Region)
	case failure.BadCredentials:
		if f.Status == 0 {
			return fmt.Sprintf("no credentials could be had for %s (%s); check %s%s", b.Address(), cause(f), n.Credentials, public)
		}
		return fmt.Sprintf("%s does not accept these credentials (%s); check %s%s", b.Address(), first(f.Code, f.Detail), n.Credentials, public)
	case failure.AccessDenied:
		return fmt.Sprintf("these credentials may not list bucket %s (%s); grant s3:ListBucket and %s, or use others with %s",
			b.Name(), first(f.Code, "HTTP 403"), n.Rights, n.Credentials)
	case failure.Network:
		return fmt.Sprintf("%s cannot be reached: %s; check %s and %s, and the network", b.Address(), f.Detail, n.Endpoint, n.Region)
	}
	return f.Error()
}

// cause is the innermost reason, without the chain of those who pass it on.
func cause(f *failure.Error) string {
	err := f.Err
	for err != nil {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
	return f.Detail
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return "no reason given"
}
