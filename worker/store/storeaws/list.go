package storeaws

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/listxml"
)

// listQuery returns the parameters of one page. Version 1 calls the token a marker, and takes any key
// for it.
func (b *Bucket) listQuery(r store.ListRequest) url.Values {
	q := make(url.Values, 8)
	if r.Prefix != "" {
		q.Set("prefix", r.Prefix)
	}
	if r.Delimiter != "" {
		q.Set("delimiter", r.Delimiter)
	}
	if r.MaxKeys > 0 {
		q.Set("max-keys", strconv.Itoa(r.MaxKeys))
	}
	if b.caps.URLEncoding.Value {
		q.Set("encoding-type", "url") // XML 1.0 cannot express every key
	}
	if b.caps.ListVersion.Value == 1 {
		if marker := firstOf(r.Token, r.StartAfter); marker != "" {
			q.Set("marker", marker)
		}
		return q
	}
	q.Set("list-type", "2")
	if r.Token != "" {
		q.Set("continuation-token", r.Token)
	} else if r.StartAfter != "" {
		q.Set("start-after", r.StartAfter)
	}
	return q
}

// listOnce reads one page.
func (b *Bucket) listOnce(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	c := call{op: "ListObjectsV2", method: http.MethodGet, query: b.listQuery(r), header: make(http.Header, 4)}
	if b.caps.ListVersion.Value == 1 {
		c.op = "ListObjects"
	}
	if b.caps.Provider == job.AmazonS3 {
		// Tells archived objects that can be read from those that cannot.
		c.header["X-Amz-Optional-Object-Attributes"] = []string{"RestoreStatus"}
	}
	resp, err := b.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	result, err := listxml.Decode(resp.Body)
	if err != nil {
		return nil, b.listError(ctx, &c, err)
	}
	page := &result.Page
	for i := range page.Objects {
		o := &page.Objects[i]
		o.Restored = o.Restored || o.Archived() && !b.caps.NeedsRestore(o.StorageClass)
	}
	if !result.Truncated {
		page.Next = ""
		return page, nil
	}
	if b.caps.ListVersion.Value == 1 {
		page.Next = result.NextMarker
		if n := len(page.Objects); page.Next == "" && n > 0 && r.Delimiter == "" {
			page.Next = page.Objects[n-1].Key
		}
	}
	if page.Next == "" {
		after := r.StartAfter
		if n := len(page.Objects); n > 0 {
			after = page.Objects[n-1].Key
		}
		return nil, &store.ListTokenError{Bucket: b.name, After: after}
	}
	return page, nil
}

func (b *Bucket) listError(ctx context.Context, c *call, err error) error {
	var server *listxml.ServerError
	if errors.As(err, &server) {
		return b.newError(c, http.StatusInternalServerError, errorDocument{Code: server.Code, Message: server.Message})
	}
	var syntax *listxml.SyntaxError
	if errors.As(err, &syntax) {
		// Most often a body that broke off: worth another try.
		return &failure.Error{Class: failure.Server, Op: c.op, Target: b.name, Detail: err.Error(), Err: err}
	}
	return b.transportError(ctx, c, err)
}
