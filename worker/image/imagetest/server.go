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

// Server is a real registry in a process of its own, on the loopback interface, without sign-in.
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

// Start starts a registry over a folder, at an address such as 127.0.0.1:5000; with port 0 at a free one.
func Start(ctx context.Context, dir, listen string) (*Server, error) {
	host, err := free(listen)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the registry: %w", err)
	}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), host)
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
	if err := s.await(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func free(listen string) (string, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("address of the registry: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Host+"/v2/", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
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
