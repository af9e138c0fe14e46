package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Secrets reads secrets of this machine: from the environment, or from files that only their owner may read.
type Secrets struct {
	Dir string // holds NAME.json
	Env func(name string) (value string, ok bool)
}

// secretName is what a secret may be called: it becomes the name of a file.
var secretName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

var notInVariables = regexp.MustCompile(`[^A-Z0-9]`)

// variable is the environment variable that may hold a secret.
func variable(name string) string {
	return "DTH_SECRET_" + notInVariables.ReplaceAllString(strings.ToUpper(name), "_")
}

// Secret implements the worker's secret reader. It reads anew at every call, so that a rotated key needs no restart.
func (s Secrets) Secret(_ context.Context, name string) (string, error) {
	if !secretName.MatchString(name) {
		return "", fmt.Errorf("secret %q: on one machine a secret's name has 1 to 128 letters, digits, dots, hyphens and underscores", name)
	}
	if value, ok := s.Env(variable(name)); ok {
		return value, nil
	}
	path := filepath.Join(s.Dir, name+".json")
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("secret %q: there is neither the file %s (mode 0600, {\"access_key_id\": ..., \"secret_access_key\": ...}) nor the environment variable %s", name, path, variable(name))
	}
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("secret %q: others on this machine may read %s (mode %04o); chmod 600 it", name, path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	return string(text), nil
}
