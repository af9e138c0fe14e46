package imagetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Program is the registry that Server runs: Debian's docker-registry, which is the CNCF's distribution.
const Program = "docker-registry"

// Server is a real registry in a process of its own, on the loopback interface.
type Server struct {
	Host string // 127.0.0.1:PORT
	cmd  *exec.Cmd
	said *output
}

// output keeps what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Missing returns why no registry can be started on this machine; empty when one can.
func Missing() string {
	if _, err := exec.LookPath(Program); err != nil {
		return Program + " is not on this machine (Debian: apt-get install docker-registry)"
	}
	return ""
}

// Locks say who gets into a registry, and how. The zero value is anybody, without TLS.
type Locks struct {
	Certificate, Key string // files in PEM
	// Users is a line of htpasswd, whose password is a hash of bcrypt; empty: nobody signs in.
	Users string
	// Client trusts the certificate.
	Client *http.Client
}

// Start starts a registry over a folder, at an address such as 127.0.0.1:5000; with port 0 at a free one. Anybody may use it.
func Start(ctx context.Context, dir, listen string) (*Server, error) {
	return StartLocked(ctx, dir, listen, Locks{Client: http.DefaultClient})
}

// StartLocked starts a registry with locks.
func StartLocked(ctx context.Context, dir, listen string, l Locks) (*Server, error) {
	host, err := free(listen)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the registry: %w", err)
	}
	config, err := l.configure(dir, host)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configuration of the registry: %w", err)
	}
	s := &Server{Host: host, cmd: exec.Command(Program, "serve", path), said: &output{}}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the registry: %w", err)
	}
	if err := s.await(ctx, l); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// configure writes the configuration of a registry.
func (l Locks) configure(dir, host string) (string, error) {
	tls, auth := "", ""
	if l.Certificate != "" {
		tls = fmt.Sprintf(", tls: {certificate: %q, key: %q}", l.Certificate, l.Key)
	}
	if l.Users != "" {
		path := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(path, []byte(l.Users+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("users of the registry: %w", err)
		}
		auth = fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", path)
	}
	return fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q%s}\n%s",
		filepath.Join(dir, "data"), host, tls, auth), nil
}

func free(listen string) (string, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("address of the registry: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// await waits until the registry answers, to those who may come in and to others.
func (s *Server) await(ctx context.Context, l Locks) error {
	scheme := "http://"
	if l.Certificate != "" {
		scheme = "https://"
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+s.Host+"/v2/", nil)
		if err != nil {
			return err
		}
		if resp, err := l.Client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized && l.Users != "" {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the registry at %s does not answer: %s", s.Host, s.last())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// last is the last line that the process said.
func (s *Server) last() (line string) {
	for scan := bufio.NewScanner(bytes.NewBufferString(s.said.String())); scan.Scan(); {
		line = scan.Text()
	}
	return line
}

// Stop ends the process.
func (s *Server) Stop() {
	if s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it keeps nothing in memory
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		_ = s.cmd.Process.Release()
	}
}
