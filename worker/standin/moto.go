// Package standin runs moto_server, a stand-in for AWS services, as a child process of a package's tests.
package standin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// EnvServer names moto_server where it is not on PATH.
const EnvServer = "DTH_MOTO_SERVER"

// startWithin is how long the server may take to answer; a busy machine needs several seconds for its imports.
const startWithin = 90 * time.Second

// script runs the server and ends it when standard input does: then the process that started it is gone, whatever
// killed it. Background jobs of a shell read nothing, hence the copy of the descriptor.
const script = `exec 3<&0
"$0" -H 127.0.0.1 -p 0 3<&- &
server=$!
{ cat <&3; kill $server; } >/dev/null 2>&1 &
exec 3<&- </dev/null
wait $server`

// Server is a running moto_server.
type Server struct {
	// URL is the endpoint of every service.
	URL string

	process *exec.Cmd
	hold    io.Closer // the server lives for as long as this is open
	ended   chan error
	client  *http.Client
}

// Run starts a server for the tests of one package, hands it to use, and runs them. It returns the exit code for
// TestMain: that of the tests, or 1 when there is no server or goroutines were left behind.
func Run(m *testing.M, use func(*Server)) int {
	s, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(s)
	code := m.Run()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping moto_server:", err)
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests left goroutines behind:", err)
		return 1
	}
	return 0
}

// Start starts a server on a free loopback port and waits until it answers.
func Start() (*Server, error) { return start() }

func start(env ...string) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	out := &output{address: make(chan string, 1)}
	cmd := exec.Command("sh", "-c", script, program)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1", "MOTO_PORT=0")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 10 * time.Second
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	s := &Server{process: cmd, hold: hold, ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	go func() { s.ended <- cmd.Wait() }()
	select {
	case s.URL = <-out.address:
	case err := <-s.ended:
		_ = hold.Close() // the process is gone
		return nil, fmt.Errorf("%s ended at once (%w): %s", program, err, out.text())
	case <-time.After(startWithin):
		return nil, errors.Join(fmt.Errorf("%s named no address within %s: %s", program, startWithin, out.text()), s.Stop())
	}
	if err := s.ready(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func find() (string, error) {
	name := "moto_server"
	if named := os.Getenv(EnvServer); named != "" {
		name = named
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("these tests need moto_server and %s cannot be run: install it with `pip install 'moto[server]==5.2.1'`, "+
			"or name it in %s (`make test` does both): %w", name, EnvServer, err)
	}
	return program, nil
}

func (s *Server) ready() error {
	var err error
	for end := time.Now().Add(startWithin); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = s.Reset(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("moto_server does not answer: %w", err)
}

// Reset forgets everything that the server holds.
func (s *Server) Reset() error {
	resp, err := s.client.Post(s.URL+"/moto-api/reset", "application/json", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // only the status matters
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reset of moto_server: %s", resp.Status)
	}
	return nil
}

// Stop ends the server.
func (s *Server) Stop() error {
	s.client.CloseIdleConnections()
	err := s.hold.Close()
	select {
	case <-s.ended:
		// Being ended by a signal is what was asked for.
	case <-time.After(20 * time.Second):
		err = errors.Join(err, s.process.Process.Kill(), errors.New("moto_server had to be killed"))
		<-s.ended
	}
	return err
}

// output keeps the first lines of the server and finds the address in them.
type output struct {
	mu      sync.Mutex
	kept    bytes.Buffer
	found   bool
	address chan string
}

const keptOutput = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kept.Len() < keptOutput {
		o.kept.Write(p)
	}
	if !o.found {
		if a := addressIn(o.kept.Bytes()); a != "" {
			o.found = true
			o.address <- a
		}
	}
	return len(p), nil
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.kept.String())
}

// addressIn finds the line in which the server says where it listens.
func addressIn(text []byte) string {
	m := regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)\s`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	return string(m[1])
}
