package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/units"
)

const sampleBucket = "sample"

// sampleStores are two real S3 servers in child processes, each with an account of its own.
type sampleStores struct {
	dir                 string
	source, destination *sampleStore
	refused, blocker    string  // the object that fails on purpose, and what is in its way
	registries          []child // two, of the task that copies images; none when that cannot run here
}

type sampleStore struct {
	child
	name, access, secret string
}

// child is a server of the sample.
type child struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer // the child ends when this closes, also when this process is killed
}

// startSample starts both servers and fills them; with images two registries, too. A second start finds them filled.
func startSample(ctx context.Context, dir string, images bool, screen *screen) (*sampleStores, error) {
	helper, err := findHelper()
	if err != nil {
		return nil, err
	}
	s := &sampleStores{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the sample: %w", err)
	}
	for _, end := range []struct {
		to   **sampleStore
		name string
	}{{&s.source, "source"}, {&s.destination, "destination"}} {
		store, err := startStore(ctx, helper, dir, end.name)
		if err != nil {
			s.stop()
			return nil, err
		}
		*end.to = store
	}
	err = s.fill(ctx, helper, screen)
	if err == nil && images {
		err = s.startRegistries(ctx, helper, screen)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, s.writeCredentials()
}

// findHelper looks for the binary with the servers beside this one and on the PATH.
func findHelper() (string, error) {
	if given := os.Getenv("DTH_SAMPLE_BIN"); given != "" {
		return given, nil
	}
	own, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(own), "dth-sample")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	if path, err := exec.LookPath("dth-sample"); err == nil {
		return path, nil
	}
	return "", usageError(errors.New("the helper dth-sample, which carries the sample's servers, is neither beside dth nor on the PATH; `make build` makes both, and releases hold it beside dth"))
}

func startStore(ctx context.Context, helper, dir, name string) (*sampleStore, error) {
	st := &sampleStore{name: name, access: "sample-" + name}
	var err error
	if st.secret, err = keptSecret(filepath.Join(dir, name+".secret")); err != nil {
		return nil, err
	}
	st.child, err = startChild(ctx, helper, dir, name, "DTH_SAMPLE_SECRET="+st.secret, "s3", "--access", st.access)
	return st, err
}

// startChild starts a server of a kind over a folder of its name, at the address that it had before.
func startChild(ctx context.Context, helper, dir, name, env, kind string, args ...string) (child, error) {
	var c child
	c.cmd = exec.Command(helper, append([]string{"serve", kind, "--data", filepath.Join(dir, name), "--listen", keptAddress(filepath.Join(dir, name+".address"))}, args...)...)
	c.cmd.Env = append(os.Environ(), env)
	c.cmd.SysProcAttr = ownGroup()
	var said strings.Builder
	c.cmd.Stderr = &said
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return c, err
	}
	c.stdin = in
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return c, err
	}
	if err := c.cmd.Start(); err != nil {
		return c, fmt.Errorf("starting the sample's %s: %w", name, err)
	}
	ready := make(chan error, 1)
	go func() {
		var line struct{ URL string }
		err := json.NewDecoder(bufio.NewReader(out)).Decode(&line)
		c.url = line.URL
		ready <- err
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(30 * time.Second):
		err = errors.New("it did not answer within 30 s")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".address"), []byte(strings.TrimPrefix(c.url, "http://")), 0o600)
	}
	if err != nil {
		c.stop()
		return c, fmt.Errorf("starting the sample's %s: %w %s", name, err, strings.TrimSpace(said.String()))
	}
	return c, nil
}

func (st *child) stop() {
	_ = st.stdin.Close()
	gone := make(chan struct{})
	go func() { _ = st.cmd.Wait(); close(gone) }() // its exit code says nothing: it was told to end
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		_ = st.cmd.Process.Kill()
		<-gone
	}
}

func (s *sampleStores) stop() {
	for _, st := range []*sampleStore{s.source, s.destination} {
		if st != nil {
			st.stop()
		}
	}
	for i := range s.registries {
		s.registries[i].stop()
	}
}

// fill puts the sample's objects into the source, and what stands in the way of one of them into the destination.
func (s *sampleStores) fill(ctx context.Context, helper string, screen *screen) error {
	for _, st := range []*sampleStore{s.source, s.destination} {
		cmd := exec.CommandContext(ctx, helper, "fill", "--url", st.url, "--bucket", sampleBucket, "--access", st.access, "--part", st.name)
		cmd.Env = append(os.Environ(), "DTH_SAMPLE_SECRET="+st.secret)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("filling the sample's %s: %w %s", st.name, err, strings.TrimSpace(said.String()))
		}
		var result struct {
			Written, Kept    int
			WrittenBytes     int64
			Refused, Blocker string
			Seconds          float64
		}
		if err := json.Unmarshal(out, &result); err != nil {
			return fmt.Errorf("filling the sample's %s: %w", st.name, err)
		}
		s.refused, s.blocker = s.refused+result.Refused, s.blocker+result.Blocker
		if st == s.source {
			screen.line("sample source: %d objects written (%s in %.1f s), %d were there", result.Written, units.FormatSize(result.WrittenBytes), result.Seconds, result.Kept)
		}
	}
	return nil
}

// task describes the sample's transfer.
func (s *sampleStores) task(every time.Duration) (local.Task, error) {
	t := local.Task{Name: "sample", Events: local.Feed{Poll: every}, Parameters: map[string]string{
		"srcType": string(job.S3Compatible), "srcEndpoint": s.source.url, "srcBucket": sampleBucket, "srcCredentials": secretOf(s.source),
		"destType": string(job.S3Compatible), "destEndpoint": s.destination.url, "destBucket": sampleBucket, "destCredentials": secretOf(s.destination),
		"includeTags": "true", "giantThreshold": "64MiB", // so that the sample has a giant
	}}
	return t, t.Check()
}

// inputs describe the sample's tasks of a hub: one that follows its source and has an object which fails on purpose, one that
// is done once, and one that has a schedule.
func (s *sampleStores) inputs(every time.Duration) ([]task.CreateInput, error) {
	t, err := s.task(every)
	if err != nil {
		return nil, err
	}
	input := func(name, description string, parameters map[string]string) task.CreateInput {
		all := maps.Clone(t.Parameters)
		maps.Copy(all, parameters)
		return task.CreateInput{Name: name, Description: description, Type: "S3", Parameters: all, Start: true, ClientToken: name}
	}
	all := []task.CreateInput{
		input("sample", "The sample's source, copied to its destination as it changes. One object fails on purpose.",
			map[string]string{"pollEvery": every.String()}),
		input("sample-once", "Videos of the sample, copied once.",
			map[string]string{"srcPrefix": "videos/", "destPrefix": "once", "ec2CronExpression": ""}),
		input("sample-nightly", "Keys that are awkward, compared and copied every night at 03:00 UTC.",
			map[string]string{"srcPrefix": "awkward/", "destPrefix": "nightly", "ec2CronExpression": "0 3 * * ? *"}),
	}
	if len(s.registries) == 2 {
		all = append(all, s.imageInput())
	}
	return all, nil
}

func secretOf(st *sampleStore) string { return "sample-" + st.name }

func (s *sampleStores) has(secret string) bool {
	return secret == secretOf(s.source) || secret == secretOf(s.destination)
}

// Secret implements storeaws.SecretReader for the two accounts.
func (s *sampleStores) Secret(_ context.Context, name string) (string, error) {
	for _, st := range []*sampleStore{s.source, s.destination} {
		if secretOf(st) == name {
			text, err := json.Marshal(map[string]string{"access_key_id": st.access, "secret_access_key": st.secret})
			return string(text), err
		}
	}
	return "", fmt.Errorf("there is no secret %q", name)
}

func (s *sampleStores) credentialsFile() string { return filepath.Join(s.dir, "credentials") }

// writeCredentials makes profiles of both accounts, for the person's own tools.
func (s *sampleStores) writeCredentials() error {
	var b strings.Builder
	for _, st := range []*sampleStore{s.source, s.destination} {
		fmt.Fprintf(&b, "[dth-%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n\n", st.name, st.access, st.secret)
	}
	if err := os.WriteFile(s.credentialsFile(), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("profiles of the sample: %w", err)
	}
	return nil
}

// keptAddress returns the address that a server had before, so that tasks which name it go on, when nobody else has it now.
func keptAddress(path string) string {
	const free = "127.0.0.1:0"
	text, err := os.ReadFile(path)
	if err != nil {
		return free
	}
	l, err := net.Listen("tcp", string(text))
	if err != nil {
		return free
	}
	_ = l.Close() // it was only tried
	return string(text)
}

// keptSecret returns the secret in a file, which it makes at first.
func keptSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("secret of the sample: %w", err)
	}
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	secret := base64.RawURLEncoding.EncodeToString(raw)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		return "", fmt.Errorf("secret of the sample: %w", err)
	}
	return secret, nil
}
