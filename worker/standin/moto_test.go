package standin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerAnswersResetsAndEnds(t *testing.T) {
	s, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get(s.URL + "/moto-api/"); err == nil {
		resp.Body.Close()
		t.Error("it still answers after Stop")
	}
}

func TestMissingServerIsNamed(t *testing.T) {
	t.Setenv(standin.EnvServer, filepath.Join(t.TempDir(), "none"))
	_, err := standin.Start()
	if err == nil || !strings.Contains(err.Error(), "pip install") || !strings.Contains(err.Error(), standin.EnvServer) {
		t.Errorf("the error says %v", err)
	}
}

func TestServerThatDiesIsReported(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho no such module >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(standin.EnvServer, broken)
	_, err := standin.Start()
	if err == nil || !strings.Contains(err.Error(), "no such module") {
		t.Errorf("the error says %v", err)
	}
}
