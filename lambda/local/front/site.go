package front

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/siteconfig"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// site serves the console. Its files do not change while the hub runs.
type site struct {
	files fs.FS // nil: there are none

	mu    sync.Mutex
	known map[string]*served // by name; of those that are there
}

// served is a file as it goes out.
type served struct {
	siteconfig.File
	packed []byte // by gzip; nil: as it is
	tag    string // of the content
}

func newSite(files fs.FS) *site { return &site{files: files, known: map[string]*served{}} }

const page = "index.html"

// absent is what a hub without a console shows.
//
//go:embed absent.html
var absent []byte

// ServeHTTP answers a file of the console. The console tells its pages apart by their paths itself, so that those, which have
// no extension, are one file.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("%.200q is looked at; the API is at %s", r.URL.Path, pathAPI))
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if path.Ext(name) == "" {
		name = page
	}
	if s.files == nil && name == page {
		s.absent(w)
		return
	}
	f, err := s.open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.200q; the API is at %s, and dth task speaks to it", r.URL.Path, pathAPI))
	case err != nil:
		refuse(w, http.StatusInternalServerError, fmt.Sprintf("the console's file %.200q cannot be read: %v", name, err))
	default:
		f.answer(w, r)
	}
}

// open returns a file; fs.ErrNotExist. Hidden files, and those that were packed when the console was built, have no address.
func (s *site) open(name string) (*served, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.known[name]; f != nil {
		return f, nil
	}
	if s.files == nil || !fs.ValidPath(name) || strings.Contains("/"+name, "/.") || strings.HasSuffix(name, packedSuffix) {
		return nil, fs.ErrNotExist
	}
	content, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	f := &served{File: siteconfig.NewFile(name, content), tag: hex.EncodeToString(sum[:12])}
	if f.packed, err = fs.ReadFile(s.files, name+packedSuffix); err != nil {
		f.packed = pack(f.ContentType, content)
	}
	s.known[name] = f
	return f, nil
}

const packedSuffix = ".gz"

// pack compresses what becomes smaller by it; nil: it does not. Each file is packed once.
func pack(kind string, content []byte) []byte {
	text := strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "application/json") || strings.HasPrefix(kind, "image/svg") || strings.HasPrefix(kind, "application/manifest")
	if !text || len(content) < 512 {
		return nil
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that there is
	_, err := z.Write(content)
	if err = errors.Join(err, z.Close()); err != nil || b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

func (f *served) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("Cache-Control", f.CacheControl)
	h.Set("Content-Security-Policy", wiring.ContentSecurity)
	content, tag := f.Content, f.tag
	if f.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			content, tag = f.packed, f.tag+"-gzip"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, f.Key, time.Time{}, bytes.NewReader(content))
}

// takesGzip reads an Accept-Encoding header, RFC 9110, section 12.5.3.
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, more, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && name != "*" {
			continue
		}
		weight, given := strings.CutPrefix(strings.ToLower(strings.TrimSpace(more)), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !given || (err == nil && q > 0)
	}
	return false
}

// absent shows that this build has no console.
func (s *site) absent(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(absent) // a reader that went away needs no page
}
