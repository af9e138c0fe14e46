// Package standin starts stand-ins for AWS for tests: real programs in child processes, on loopback.
package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// Moto is a running moto server: the meaning of SQS, DynamoDB, S3 and others, at some 75 calls a second.
type Moto struct {
	URL string

	cmd  *exec.Cmd
	said bytes.Buffer
	gone chan struct{}
}

// StartMoto starts a server on a free port and waits until it answers. It is found on the PATH, or where the environment
// variable DTH_MOTO_SERVER says; `make test` installs it.
func StartMoto() (*Moto, error) {
	program := os.Getenv("DTH_MOTO_SERVER")
	if program == "" {
		program = "moto_server"
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m := &Moto{URL: "http://127.0.0.1:" + port, gone: make(chan struct{})}
	m.cmd = exec.Command(program, "-H", "127.0.0.1", "-p", port)
	m.cmd.Stdout, m.cmd.Stderr = &m.said, &m.said
	// Credentials of the person who runs the tests are nothing for a stand-in.
	m.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "MOTO_S3_DEFAULT_MAX_KEYS=1000")
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started (%w); install moto[server]==5.2.1 with pip, or run make test, which does", program, err)
	}
	go func() { _ = m.cmd.Wait(); close(m.gone) }()
	if err := m.ready(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// startUp is how long a server may take to answer on a busy machine.
const startUp = 90 * time.Second

func (m *Moto) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startUp)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/moto-api/data.json", nil)
		if err != nil {
			return err
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			return nil
		}
		select {
		case <-m.gone:
			return errors.New("moto server ended at once: " + m.said.String())
		case <-ctx.Done():
			return errors.New("moto server does not answer: " + m.said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Close ends the server.
func (m *Moto) Close() {
	_ = m.cmd.Process.Kill()
	<-m.gone
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
