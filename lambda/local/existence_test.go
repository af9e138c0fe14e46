package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/local"
)

// What parameters name and is not there is told with its field, all at once; what is empty names nothing.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"nas": 0o600, "open": 0o644} {
		path := filepath.Join(dir, name+".json")
		if err := os.WriteFile(path, []byte("{}"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	e := local.Existence{
		Secret: local.Secrets{Dir: dir, Env: func(string) (string, bool) { return "", false }}.Secret,
		Profile: func(_ context.Context, name string) error {
			if name != "backup" {
				return errors.New("there is no such profile")
			}
			return nil
		},
	}
	for name, tt := range map[string]struct {
		parameters map[string]string
		want       []string // field, and what is said
	}{
		"all there": {map[string]string{"srcCredentials": "nas", "destCredentials": "", "destProfile": "backup", "srcBucket": "open"}, nil},
		"nothing":   {nil, nil},
		"some are not": {map[string]string{"srcCredentials": "other", "destCredentials": "open", "srcProfile": "x"}, []string{
			"parameters.destCredentials", "chmod 600", "parameters.srcCredentials", "there is neither", "parameters.srcProfile", "no such profile",
		}},
		"a name that is none": {map[string]string{"srcCredentials": "../nas"}, []string{"parameters.srcCredentials", "letters"}},
	} {
		wrong, err := e.Missing(t.Context(), "S3", tt.parameters)
		if err != nil || len(wrong) != len(tt.want)/2 {
			t.Errorf("%s: %+v, %v", name, wrong, err)
			continue
		}
		for i := range wrong {
			if w := &wrong[i]; w.Field != tt.want[2*i] || !strings.Contains(w.Message, tt.want[2*i+1]) {
				t.Errorf("%s: %+v, want %v", name, w, tt.want[2*i:2*i+2])
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if wrong, err := e.Missing(ctx, "S3", map[string]string{"srcCredentials": "other"}); !errors.Is(err, context.Canceled) || wrong != nil {
		t.Errorf("cut off: %v, %v", wrong, err)
	}
}
