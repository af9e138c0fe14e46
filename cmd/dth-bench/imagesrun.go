package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// measured is what one program came to.
type measured struct {
	program                  string
	took, cpu                time.Duration
	uploads, again, manifest int // layers, those of them that their repository had got before, and manifests
	starts                   int // of skopeo
	same                     int // references with the digest of the source
}

// measure runs both programs, each twice, each to a destination of its own.
func (b *images) measure(ctx context.Context) error {
	list, secrets := filepath.Join(b.scratch, "list"), filepath.Join(b.scratch, "secrets")
	login, err := json.Marshal(map[string]string{"username": "bench", "password": password})
	if err == nil {
		err = errors.Join(os.WriteFile(list, []byte(b.list.String()), 0o600), os.Mkdir(secrets, 0o700), os.WriteFile(filepath.Join(secrets, "bench.json"), login, 0o600), b.watch())
	}
	if err != nil {
		return err
	}
	for _, run := range []string{"dth images copy", "dth images copy, again"} {
		cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "dth"), "images", "copy", b.source, b.proxy.host()+"/dth",
			"--src-credential", "bench", "--dest-credential", "bench", "--secrets", secrets, "--src-image-list", "@"+list)
		if err := b.run(run, cmd, "dth/team/", false); err != nil {
			return err
		}
	}
	b.proxy = b.other
	return b.sync(ctx)
}

// watch puts a program in skopeo's place on the search path that writes down each start, and goes on as skopeo.
func (b *images) watch() error {
	real, err := exec.LookPath("skopeo")
	if err != nil {
		return err
	}
	dir := filepath.Join(b.scratch, "bin")
	b.starts = filepath.Join(b.scratch, "starts")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] || echo start >> %s\nexec %s \"$@\"\n", b.starts, real)
	return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "skopeo"), []byte(script), 0o700))
}

// started counts the starts of skopeo since it was last asked.
func (b *images) started() (int, error) {
	text, err := os.ReadFile(b.starts)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return bytes.Count(text, []byte("\n")), errors.Join(err, os.Remove(b.starts))
}

// run measures a program, and what it has brought below a prefix. Others may fail in part: what they have not brought is counted.
func (b *images) run(program string, cmd *exec.Cmd, prefix string, theirs bool) error {
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+b.cert, "HOME="+b.scratch, "XDG_DATA_HOME="+b.scratch, "PATH="+filepath.Join(b.scratch, "bin")+":"+os.Getenv("PATH"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	began := time.Now()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !(theirs && errors.As(err, &exit)) {
		return fmt.Errorf("%s: %w\n%s", program, err, said.String())
	}
	m := measured{program: program, took: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	m.uploads, m.again, m.manifest = b.proxy.take()
	var err error
	if m.starts, err = b.started(); err != nil {
		return err
	}
	if m.same, err = b.same(prefix); err != nil {
		return err
	}
	b.rows = append(b.rows, m)
	return nil
}

// same counts what the destination holds with the digest of the source.
func (b *images) same(prefix string) (n int, err error) {
	for at, digest := range b.want {
		repository, reference, _ := strings.Cut(at, " ")
		joint := ":"
		if strings.Contains(reference, ":") {
			joint = "@"
		}
		ref, err := name.ParseReference(b.proxy.host() + "/" + prefix + strings.TrimPrefix(repository, "team/") + joint + reference)
		if err != nil {
			return n, err
		}
		if d, err := remote.Head(ref, b.options(context.Background())...); err == nil && d.Digest.String() == digest {
			n++
		}
	}
	return n, nil
}

// sync has skopeo do what it can of the same: it knows no list of digests, and brings no referrers but those that have tags.
func (b *images) sync(ctx context.Context) error {
	var y strings.Builder
	fmt.Fprintf(&y, "%q:\n  tls-verify: true\n  credentials:\n    username: bench\n    password: %q\n  images:\n", b.source, password)
	for n := range b.repositories {
		fmt.Fprintf(&y, "    team/app-%02d: []\n", n)
	}
	file, auth := filepath.Join(b.scratch, "sync.yml"), filepath.Join(b.scratch, "auth.json")
	login, err := json.Marshal(map[string]any{"auths": map[string]any{b.proxy.host(): map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("bench:" + password))}}})
	if err == nil {
		err = errors.Join(os.WriteFile(file, []byte(y.String()), 0o600), os.WriteFile(auth, login, 0o600))
	}
	if err != nil {
		return err
	}
	for _, run := range []string{"skopeo sync", "skopeo sync, again"} {
		cmd := exec.CommandContext(ctx, filepath.Join(b.scratch, "bin", "skopeo"), "--insecure-policy", "sync", "--all", "--preserve-digests", "--keep-going", "--dest-authfile", auth, "--src", "yaml", "--dest", "docker", file, b.proxy.host()+"/sync")
		if err := b.run(run, cmd, "sync/", true); err != nil {
			return err
		}
	}
	return nil
}

// judge prints what was measured, and returns what is not as it has to be.
func (b *images) judge(out io.Writer) error {
	fmt.Fprintf(out, "%d repositories, %d tags, %d references in all; both registries with sign-in and TLS\n\n", b.repositories, b.tags+b.repositories, len(b.want))
	fmt.Fprint(out, "| program | seconds | CPU seconds | of those of skopeo sync | starts of skopeo | layers sent | of those again | manifests written | digests equal |\n|---|---:|---:|---|---:|---:|---:|---:|---:|\n")
	for n, m := range b.rows {
		beside := b.rows[len(b.rows)-2+n%2]
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.2f of the time, %.2f of the CPU | %d | %d | %d | %d | %d of %d |\n", m.program, m.took.Seconds(), m.cpu.Seconds(),
			m.took.Seconds()/beside.took.Seconds(), m.cpu.Seconds()/beside.cpu.Seconds(), m.starts, m.uploads, m.again, m.manifest, m.same, len(b.want))
	}
	first, second := b.rows[0], b.rows[1]
	var wrong error
	for what, got := range map[string][2]int{
		"digests equal after the first run":              {first.same, len(b.want)},
		"digests equal after the second run":             {second.same, len(b.want)},
		"layers sent to a repository that had got them":  {first.again, 0},
		"starts of skopeo in the second run":             {second.starts, 0},
		"layers and manifests written in the second run": {second.uploads + second.manifest, 0},
	} {
		if got[0] != got[1] {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %d, and %d were expected", what, got[0], got[1]))
		}
	}
	return wrong
}
