// Package gateway runs one versitygw, an S3 server over a local directory, inside this process. The
// server keeps global state and changes the working directory: one gateway a process.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/pkg/xattr"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Config says where a gateway listens and keeps its objects, and whom it lets in.
type Config struct {
	Dir    string // created when it is missing
	Listen string // host:port on a loopback address; port 0 takes a free one
	Access string
	Secret string
	Region string // empty: us-east-1
}

// Ready tells how to reach a gateway that listens.
type Ready struct {
	URL      string `json:"url"`
	Region   string `json:"region"`
	Access   string `json:"access"`
	Metadata string `json:"metadata"` // xattr, or sidecar where the file system has no extended attributes
	PID      int    `json:"pid"`
}

// The gateway sizes tables by these numbers; the sample's clients stay far below them.
const (
	maxConnections = 4096
	maxRequests    = 4096
	maxActions     = 512
	maxParts       = 10_000
)

// Serve runs the gateway until ctx ends. It calls ready once, when requests are answered.
func Serve(ctx context.Context, cfg Config, ready func(Ready)) error {
	if cfg.Access == "" || cfg.Secret == "" {
		return errors.New("a gateway needs an access key and a secret")
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	address, err := freeAddress(cfg.Listen)
	if err != nil {
		return err
	}
	cfg.Dir, err = filepath.Abs(cfg.Dir)
	if err != nil {
		return fmt.Errorf("finding the gateway's directory %s: %w", cfg.Dir, err)
	}
	storage, beside, kind, err := openMetadata(cfg.Dir)
	if err != nil {
		return err
	}
	options := posix.PosixOpts{Concurrency: maxActions}
	if kind == sidecar {
		options.SideCarDir = beside
	}
	backend, err := posix.New(filepath.Join(cfg.Dir, objects), storage, options)
	if err != nil {
		return fmt.Errorf("opening the gateway's directory %s: %w", cfg.Dir, err)
	}
	err = embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess:    cfg.Access,
		RootUserSecret:    cfg.Secret,
		Region:            cfg.Region,
		Ports:             []string{address},
		MaxConnections:    maxConnections,
		MaxRequests:       maxRequests,
		MultipartMaxParts: maxParts,
		KeepAlive:         true,
		Quiet:             true,
		S3Options: []s3api.Option{s3api.WithOnListen(func() {
			ready(Ready{
				URL: "http://" + address, Region: cfg.Region, Access: cfg.Access,
				Metadata: string(kind), PID: os.Getpid(),
			})
		})},
	})
	if err != nil {
		return fmt.Errorf("running the S3 gateway on %s: %w", address, err)
	}
	return nil
}

// freeAddress checks that the address is a loopback one that nobody holds, and fills in port 0. The
// gateway opens its own listener a moment later; should someone take the port in between, it says so.
func freeAddress(listen string) (string, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen address %q: %w; write it as 127.0.0.1:9000", listen, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("listen address %q: a sample server listens on loopback only, as in 127.0.0.1:9000", listen)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("listening on %s: %w; choose another port with --listen", listen, err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", fmt.Errorf("listening on %s: %w", listen, err)
	}
	return address, nil
}

// How a gateway keeps what belongs to an object beside its bytes.
type metadataKind string

const (
	extended metadataKind = "xattr"
	sidecar  metadataKind = "sidecar"
)

// Folders below Config.Dir. Each bucket is a folder below objects.
const (
	objects  = "objects"
	sidecars = "sidecar"
)

// openMetadata makes the folders and chooses extended attributes where the file system has them. A
// folder that was begun with sidecar files goes on with them, since the two do not read each other.
func openMetadata(dir string) (meta.MetadataStorer, string, metadataKind, error) {
	root, beside := filepath.Join(dir, objects), filepath.Join(dir, sidecars)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, "", "", fmt.Errorf("making the gateway's directory: %w", err)
	}
	_, err := os.Stat(beside)
	begun := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", "", fmt.Errorf("looking for sidecar metadata: %w", err)
	}
	if !begun && holdsAttributes(root) {
		return meta.XattrMeta{}, "", extended, nil
	}
	if err := os.MkdirAll(beside, 0o700); err != nil {
		return nil, "", "", fmt.Errorf("making the directory for sidecar metadata: %w", err)
	}
	storage, err := meta.NewSideCar(beside)
	if err != nil {
		return nil, "", "", fmt.Errorf("opening the directory for sidecar metadata: %w", err)
	}
	return storage, beside, sidecar, nil
}

// holdsAttributes writes and reads a user attribute: some file systems accept the question and
// refuse the write.
func holdsAttributes(dir string) bool {
	const name = "user.dth-sample"
	if err := xattr.Set(dir, name, []byte("1")); err != nil {
		return false
	}
	value, err := xattr.Get(dir, name)
	return err == nil && string(value) == "1" && xattr.Remove(dir, name) == nil
}
