package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/cmd/internal/doctor"
)

// What dth doctor says of a machine with a hub and two stores, and of one with a secret that is open to others.
func TestDoctor(t *testing.T) {
	h := newHubProcess(t)
	r := runDTH(t, "doctor", "--data", h.data, "--listen", "127.0.0.1:0", h.srcURL, h.dstURL)
	if r.code != 0 || !strings.Contains(r.stdout, "serves http://127.0.0.1:") || strings.Count(r.stdout, "answers in") != 2 || !strings.Contains(r.stdout, "from EnvConfigCredentials, region us-east-1") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	h.kill()
	cmd := dth("doctor", "--data", h.data, "--listen", "127.0.0.1:0", "--profile", "nobody", "--json")
	r = finish(t, cmd)
	var found []doctor.Finding
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil || r.code != 1 || doctor.Worst(found) != doctor.Problem {
		t.Fatalf("exit code %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	for _, f := range found {
		if f.Check == "AWS credentials" && !strings.Contains(f.Says, "nobody") {
			t.Errorf("the profile is not named: %+v", f)
		}
		if (f.Check == "AWS credentials") != (f.Result == doctor.Problem) || (f.Check == "hub" && !strings.Contains(f.Says, "none runs")) {
			t.Errorf("without a hub and with an unknown profile: %+v", f)
		}
	}
	if strings.Contains(r.stdout+r.stderr, "canary") {
		t.Error("a secret is shown")
	}
}
