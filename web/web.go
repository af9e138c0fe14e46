// Package web carries the built console, for the program that serves it on one machine. In an AWS account the same files are
// in a bucket.
package web

import (
	"embed"
	"io/fs"
)

// dist is what `make console` writes. The repository holds only the file .keep, so that Go code compiles before that.
//
//go:embed all:dist
var dist embed.FS

// Files returns the files of the console, index.html at the top. It returns false when this program was built without them,
// which `make build` does not do.
func Files() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, false
	}
	_, err = fs.Stat(files, "index.html")
	return files, err == nil
}
