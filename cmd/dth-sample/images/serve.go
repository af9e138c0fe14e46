// Package images runs one container registry, the CNCF's distribution, inside this process, and fills it with the sample's images.
package images

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"

	// The registry opens what its configuration names by these names.
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// Config says where a registry listens and keeps its images, and whom it lets in.
type Config struct {
	Dir          string // created when it is missing
	Listen       string // host:port on a loopback address; port 0 takes a free one
	User, Secret string // empty: anybody
	Certificate  string // with Key files in PEM; empty: without TLS
	Key          string
}

// Ready tells how to reach a registry that listens.
type Ready struct {
	URL  string `json:"url"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// Serve runs the registry until ctx ends. It calls ready once, when requests are answered.
func Serve(ctx context.Context, cfg Config, ready func(Ready)) error {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("making the registry's directory: %w", err)
	}
	config, err := configure(cfg)
	if err != nil {
		return err
	}
	listener, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	address, scheme := listener.Addr().String(), "http"
	if cfg.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Certificate, cfg.Key)
		if err != nil {
			return fmt.Errorf("the registry's certificate: %w", err)
		}
		listener, scheme = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), "https"
	}
	logrus.SetOutput(io.Discard) // it tells of every request, whatever its level is set to
	config.HTTP.Addr, config.HTTP.Secret = address, "of one process alone"
	server := &http.Server{Handler: handlers.NewApp(ctx, config), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close() // what is under way is begun again by its client
	}()
	ready(Ready{URL: scheme + "://" + address, Host: address, PID: os.Getpid()})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("running the registry on %s: %w", address, err)
	}
	return nil
}

func configure(cfg Config) (*configuration.Configuration, error) {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": configuration.Parameters{"rootdirectory": filepath.Join(cfg.Dir, "data")},
			"delete":     configuration.Parameters{"enabled": true},
			// Nothing is removed behind the sample's back.
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
		},
		Catalog: configuration.Catalog{MaxEntries: 1000},
	}
	config.Log.Level, config.Log.AccessLog.Disabled = "error", true
	if cfg.User == "" {
		return config, nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(cfg.Secret), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("the registry's password: %w", err)
	}
	path := filepath.Join(cfg.Dir, "htpasswd")
	if err := os.WriteFile(path, []byte(cfg.User+":"+string(hash)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("the registry's password: %w", err)
	}
	config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "sample", "path": path}}
	return config, nil
}

func listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w; write it as 127.0.0.1:5000", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen address %q: a sample server listens on loopback only, as in 127.0.0.1:5000", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; choose another port with --listen", address, err)
	}
	return listener, nil
}
