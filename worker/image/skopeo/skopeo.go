// Package skopeo runs the program of that name, which copies images between registries.
// https://github.com/containers/skopeo/blob/main/docs/skopeo-copy.1.md
package skopeo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// Tool is skopeo on this machine.
type Tool struct {
	path    string
	scratch string
	version string
}

// acceptAll is the policy of each copy, whatever this machine's own is: what is copied is judged by its digest, not by signatures.
// https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md
const acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`

// Open looks for skopeo, by its path or under that name on the search path. It writes below scratch only, which is made when it is
// missing, and removes from there what processes that died have left. The error is of class image.NoSkopeo when there is none.
func Open(ctx context.Context, path, scratch string) (*Tool, error) {
	found, err := exec.LookPath(cmp.Or(path, "skopeo"))
	if err != nil {
		return nil, &failure.Error{Class: image.NoSkopeo, Op: "look for", Target: cmp.Or(path, "skopeo"), Detail: "images are copied by skopeo, and it is not on this machine; install it (Debian: apt-get install skopeo)", Err: err}
	}
	t := &Tool{path: found, scratch: scratch}
	for _, dir := range []string{scratch, t.home(), t.signatures()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("folder of the copier: %w", err)
		}
	}
	sweep(scratch)
	out, err := t.command(ctx, t.home(), "--version").Output()
	if err != nil {
		return nil, &failure.Error{Class: image.NoSkopeo, Op: "run", Target: found, Err: err}
	}
	t.version = strings.TrimSpace(strings.TrimPrefix(string(out), "skopeo version"))
	if err := os.WriteFile(t.policy(), []byte(acceptAll), 0o600); err != nil {
		return nil, fmt.Errorf("policy of the copier: %w", err)
	}
	return t, nil
}

// Version is skopeo's.
func (t *Tool) Version() string { return t.version }

func (t *Tool) home() string   { return filepath.Join(t.scratch, "home") }
func (t *Tool) policy() string { return filepath.Join(t.scratch, "policy.json") }

// signatures is a folder that stays empty. It stands in the place of this machine's settings of where signatures are kept beside
// registries: they are neither looked for nor written there.
// https://github.com/containers/image/blob/main/docs/containers-registries.d.5.md
func (t *Tool) signatures() string { return filepath.Join(t.scratch, "registries.d") }

// command prepares a call, whose own files are to be in a folder. Of the environment it is given what finds programs and the network: keys of clouds are not its
// business. What it learns of layers stays in the scratch folder, and saves later calls their uploads.
func (t *Tool) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Env = []string{"HOME=" + t.home(), "XDG_DATA_HOME=" + t.home(), "XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}
	for _, name := range []string{"PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// End is one side of a copy.
type End struct {
	Host, Repository, Reference string // a tag, or a digest
	Plain                       bool   // without TLS
	Login                       image.Login
}

func (e End) String() string {
	at := ":"
	if strings.Contains(e.Reference, ":") {
		at = "@"
	}
	return e.Host + "/" + e.Repository + at + e.Reference
}

// Copy copies one manifest with its layers, and with all an index lists. Digests are kept, or the copy fails with class
// image.DigestChanged. Sign-ins go by files that only this user may read, never by arguments.
func (t *Tool) Copy(ctx context.Context, from, to End) error {
	dir, err := Folder(t.scratch)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := []string{"--policy", t.policy(), "--registries.d", t.signatures(), "copy", "--quiet", "--all", "--preserve-digests"}
	for _, side := range []struct {
		flag string
		end  End
	}{{"src", from}, {"dest", to}} {
		path := filepath.Join(dir, side.flag+".json")
		if err := writeAuth(path, side.end); err != nil {
			return err
		}
		args = append(args, "--"+side.flag+"-authfile", path)
		if side.end.Plain {
			args = append(args, "--"+side.flag+"-tls-verify=false")
		}
	}
	cmd := t.command(ctx, dir, append(args, "docker://"+from.String(), "docker://"+to.String())...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return t.classed(ctx, from, to, said.String(), err)
	}
	return nil
}

// writeAuth writes who signs in at an end. Without a sign-in the file says so: one of the machine's is not to be taken.
// https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
func writeAuth(path string, e End) error {
	auths := map[string]any{}
	if !e.Login.Anonymous() {
		auths[e.Host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(e.Login.User + ":" + e.Login.Password))}
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("sign-in for %s: %w", e.Host, err)
	}
	return nil
}

// classed makes an error of what skopeo said. Nobody's password is in it.
func (t *Tool) classed(ctx context.Context, from, to End, said string, err error) error {
	if ctx.Err() != nil {
		return &failure.Error{Class: failure.Canceled, Op: "copy", Target: from.String(), Err: ctx.Err()}
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return &failure.Error{Class: image.NoSkopeo, Op: "run", Target: t.path, Err: err}
	}
	text := message(said)
	for _, l := range []image.Login{from.Login, to.Login} {
		if l.Password != "" {
			text = strings.ReplaceAll(text, l.Password, "***")
			text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte(l.User+":"+l.Password)), "***")
		}
	}
	f := &failure.Error{Class: classOf(text, from, to), Op: "copy", Target: from.String() + " to " + to.String(), Detail: text}
	if f.Class == image.DigestChanged {
		f.Detail = fmt.Sprintf("skopeo %s would write this index anew, with another digest, and was told to keep it: %s", t.version, text)
	}
	return f
}
