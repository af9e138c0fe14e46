// Package siteconfig brings the console into its bucket: the files of the release, and the configuration that tells them where
// the API is and who signs people in.
package siteconfig

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"path"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// ErrMissing says that an object is not there.
var ErrMissing = errors.New("no such object")

// File is one of the console's.
type File struct {
	Key          string
	Content      []byte
	ContentType  string
	CacheControl string
}

// Site is where the console lives.
type Site interface {
	// Get returns an object of a bucket; ErrMissing.
	Get(ctx context.Context, bucket, key string) ([]byte, error)
	// Put writes a file into a bucket.
	Put(ctx context.Context, bucket string, f File) error
	// Keys returns the keys of all objects of a bucket. One that is gone has none.
	Keys(ctx context.Context, bucket string) ([]string, error)
	// Remove deletes objects; those that are gone are no error.
	Remove(ctx context.Context, bucket string, keys []string) error
	// Invalidate has a distribution forget its copies. The same token asks for it once.
	Invalidate(ctx context.Context, distribution, token string) error
	// Secure sets the content security policy of a response headers policy.
	Secure(ctx context.Context, headers, policy string) error
}

// Resource is the custom resource.
type Resource struct{ Site Site }

var _ customresource.Resource = Resource{}

// properties are the resource's, by the names of package wiring.
type properties struct {
	Bucket          string
	Distribution    string
	ReleasesBucket  string
	Version         string
	Configuration   json.RawMessage
	HeadersPolicy   string
	ContentSecurity string
}

func read(raw json.RawMessage) (properties, error) {
	var p properties
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("the properties cannot be read: %w", err)
	}
	var missing []string
	for name, value := range map[string]string{
		wiring.PropBucket: p.Bucket, wiring.PropDistribution: p.Distribution, wiring.PropReleases: p.ReleasesBucket, wiring.PropVersion: p.Version,
	} {
		if value == "" {
			missing = append(missing, name)
		}
	}
	var document map[string]any
	if json.Unmarshal(p.Configuration, &document) != nil || len(document) == 0 {
		missing = append(missing, wiring.PropDocument)
	}
	if p.HeadersPolicy != "" && p.ContentSecurity == "" {
		missing = append(missing, wiring.PropContentSecurity)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return p, fmt.Errorf("properties are missing: %s", strings.Join(missing, ", "))
	}
	return p, nil
}

// Create implements customresource.Resource.
func (r Resource) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.write(ctx, e)
}

// Update implements customresource.Resource. Whatever changed, all is written anew: what somebody changed by hand comes right.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.write(ctx, e)
}

// Delete implements customresource.Resource: the bucket cannot be deleted before it is empty.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	p, err := read(e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	keys, err := r.Site.Keys(ctx, p.Bucket)
	if err != nil {
		return customresource.Result{}, fmt.Errorf("emptying the console's bucket: %w", err)
	}
	if err := r.Site.Remove(ctx, p.Bucket, keys); err != nil {
		return customresource.Result{}, fmt.Errorf("emptying the console's bucket: %w", err)
	}
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}

// write brings the site to what the properties say. New files come first and the page that names them after them; files of the
// version before stay, for people who have its page open, and go with the version after.
func (r Resource) write(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	p, err := read(e.ResourceProperties)
	if err != nil {
		return customresource.Result{}, err
	}
	files, note, err := r.console(ctx, p)
	if err != nil {
		return customresource.Result{}, err
	}
	document, err := json.MarshalIndent(p.Configuration, "", "  ")
	if err != nil {
		return customresource.Result{}, fmt.Errorf("writing the configuration: %w", err)
	}
	files = append(files, NewFile(wiring.ConfigKey, document))
	slices.SortStableFunc(files, func(a, b File) int { return rank(a.Key) - rank(b.Key) })
	for _, f := range files {
		if err := r.Site.Put(ctx, p.Bucket, f); err != nil {
			return customresource.Result{}, fmt.Errorf("writing %s to the console's bucket: %w", f.Key, err)
		}
	}
	if p.HeadersPolicy != "" {
		if err := r.Site.Secure(ctx, p.HeadersPolicy, p.ContentSecurity); err != nil {
			return customresource.Result{}, fmt.Errorf("setting the console's content security policy: %w", err)
		}
	}
	if err := r.Site.Invalidate(ctx, p.Distribution, e.RequestId); err != nil {
		return customresource.Result{}, fmt.Errorf("invalidating the distribution's copies: %w", err)
	}
	if note == "" {
		note = r.tidy(ctx, p, e.OldResourceProperties, files)
	}
	return customresource.Result{ID: p.Bucket + "/" + wiring.ConfigKey, Note: note}, nil
}

// tidy removes the files that neither the new version has nor the one before. It says what stays that should not: a console
// works with files that nobody asks for.
func (r Resource) tidy(ctx context.Context, p properties, old json.RawMessage, files []File) (note string) {
	var before struct{ ReleasesBucket, Version string }
	if len(old) == 0 || json.Unmarshal(old, &before) != nil || before.Version == "" || before.Version == p.Version {
		return ""
	}
	content, err := r.Site.Get(ctx, before.ReleasesBucket, Bundle(before.Version))
	if err != nil {
		return fmt.Sprintf("the console of version %s is not published any more, so its files and older ones stay in the console's bucket", before.Version)
	}
	kept, err := unpack(content)
	if err != nil {
		return fmt.Sprintf("the console of version %s cannot be read, so its files and older ones stay in the console's bucket", before.Version)
	}
	keep := map[string]bool{}
	for _, f := range slices.Concat(kept, files) {
		keep[f.Key] = true
	}
	there, err := r.Site.Keys(ctx, p.Bucket)
	if err == nil {
		err = r.Site.Remove(ctx, p.Bucket, slices.DeleteFunc(there, func(key string) bool { return keep[key] }))
	}
	if err != nil {
		return fmt.Sprintf("files of older versions stay in the console's bucket: %v", err)
	}
	return ""
}

// rank orders files: the configuration before the page that reads it, the page last.
func rank(key string) int {
	switch key {
	case page:
		return 2
	case wiring.ConfigKey:
		return 1
	}
	return 0
}

// console returns the files of the release. Without a bundle in the releases' bucket there is a page that says so: the API works
// all the same.
func (r Resource) console(ctx context.Context, p properties) (files []File, note string, err error) {
	key := Bundle(p.Version)
	content, err := r.Site.Get(ctx, p.ReleasesBucket, key)
	if errors.Is(err, ErrMissing) {
		there, err := r.Site.Keys(ctx, p.Bucket)
		if err != nil {
			return nil, "", fmt.Errorf("looking for a console: %w", err)
		}
		note := fmt.Sprintf("s3://%s/%s is not published, or not open to this account; ", p.ReleasesBucket, key)
		if slices.Contains(there, page) {
			return nil, note + "the console that was there stays", nil
		}
		return []File{NewFile(page, []byte(placeholder))}, note + "the API works, the console is missing", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the console from s3://%s/%s: %w", p.ReleasesBucket, key, err)
	}
	files, err = unpack(content)
	if err != nil {
		return nil, "", fmt.Errorf("unpacking the console from s3://%s/%s: %w", p.ReleasesBucket, key, err)
	}
	return files, "", nil
}

// Bundle is the key of the console's files in a bucket of releases.
func Bundle(version string) string { return path.Join("data-transfer-hub", version, "console.zip") }

const (
	page        = "index.html"
	placeholder = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Data Transfer Hub</title><p>The API of this hub is at work. " +
		"Its console was not published with this version: publish a release that has it, and update the stack.</p></html>\n"
)

// Bounds of a bundle, far above what a console has: a bundle that exceeds them is none.
const (
	maxFiles = 2000
	maxFile  = 32 << 20
	maxTotal = 256 << 20
)

// unpack reads a zip. Names that lead elsewhere, duplicates and the configuration's own name are refused.
func unpack(content []byte) ([]File, error) {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("%d files; allowed are %d", len(z.File), maxFiles)
	}
	var files []File
	seen, total := map[string]bool{}, 0
	for _, entry := range z.File {
		name := entry.Name
		if strings.HasSuffix(name, "/") {
			continue
		}
		if name == "" || name != path.Clean(name) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "..") || strings.Contains(name, "\\") || name == wiring.ConfigKey || seen[name] {
			return nil, fmt.Errorf("a file is named %q, which a console's cannot be", name)
		}
		seen[name] = true
		body, err := contentOf(entry)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", name, err)
		}
		if total += len(body); total > maxTotal {
			return nil, fmt.Errorf("more than %d bytes", maxTotal)
		}
		files = append(files, NewFile(name, body))
	}
	if !seen[page] {
		return nil, fmt.Errorf("there is no %s in it", page)
	}
	return files, nil
}

func contentOf(entry *zip.File) ([]byte, error) {
	body, err := entry.Open()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(body, maxFile+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("more than %d bytes", maxFile)
	}
	return content, nil
}

// types are those that a machine's table may lack or give otherwise.
var types = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json", ".woff": "font/woff", ".woff2": "font/woff2",
}

// NewFile returns a file of the console with the headers that it is served with, in the cloud and on one machine. The names of
// those below assets/ change with their content, so browsers keep them; all others are asked for each time.
func NewFile(key string, content []byte) File {
	f := File{Key: key, Content: content, ContentType: types[path.Ext(key)], CacheControl: "no-cache"}
	if f.ContentType == "" {
		f.ContentType = mime.TypeByExtension(path.Ext(key))
	}
	if f.ContentType == "" {
		f.ContentType = "application/octet-stream"
	}
	switch {
	case strings.HasPrefix(key, "assets/"):
		f.CacheControl = "public, max-age=31536000, immutable"
	case key == wiring.ConfigKey, key == page:
		f.CacheControl = "no-store"
	}
	return f
}
