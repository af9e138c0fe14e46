package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/hub"
	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/local/front"
	"github.com/datatransferhub/dth/lambda/local/oidc"
	"github.com/datatransferhub/dth/lambda/task"
)

// Files below the data folder. The first three tell dth task how to speak to the hub.
const (
	tokenFile       = "token"
	addressFile     = "address"
	certificateFile = "certificate.pem" // that the hub shows; there with TLS alone
	signInFolder    = "signin"          // the key that signs tokens, and the sessions
	passwordFile    = "password"        // hash of it, in the folder of the sign-in
)

// front opens the hub's HTTP side, and writes down how dth task reaches it.
func (m *machine) front(door *front.Door, password *oidc.Password, service *task.Service, log *slog.Logger) (http.Handler, *oidc.Provider, error) {
	token, err := front.Token(filepath.Join(m.dir, tokenFile))
	if err != nil {
		return nil, nil, err
	}
	if err := m.writeAddress(door); err != nil {
		return nil, nil, fmt.Errorf("address of the hub: %w", err)
	}
	owner := owner()
	if door.Certificate == nil {
		password = nil // never in the clear: without TLS the link alone signs in
	}
	signIn, err := oidc.New(oidc.Options{
		Origin: door.Origin, Redirects: []string{door.Origin + "/"}, Folder: filepath.Join(m.dir, signInFolder), Person: owner, Password: password, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return front.New(front.Options{
		Origin: door.Origin, Hosts: door.Hosts, Token: token, Owner: owner.Name, GraphQL: api.New(service), SignIn: signIn, Console: m.console, Version: version,
	}), signIn, nil
}

// owner is who the hub belongs to: the person that the process runs for, who may do everything.
func owner() oidc.Person {
	who := oidc.Person{Subject: "owner", Name: "the owner of this machine", Groups: []string{string(task.Admin)}}
	if u, err := user.Current(); err == nil {
		who.Subject, who.Name = u.Uid, u.Username
	}
	return who
}

func (m *machine) writeAddress(door *front.Door) error {
	if err := os.WriteFile(filepath.Join(m.dir, addressFile), []byte(door.Origin+"\n"), 0o600); err != nil {
		return err
	}
	path := filepath.Join(m.dir, certificateFile)
	if door.Certificate != nil {
		return os.WriteFile(path, door.Certificate, 0o600)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (m *machine) announceHub(door *front.Door, signIn *oidc.Provider) {
	link, ends := signIn.NewLink()
	data := ""
	if m.options.data != "" {
		data = " --data " + m.options.data
	}
	m.screen.line("the hub serves %s; records are kept in %s", door.Origin, m.dir)
	m.screen.line("sign in:  %s\n          once, until %s; %s%s gives another", link, ends.Local().Format("15:04"), oidc.NewLinkCommand, data)
	m.screen.line("tasks:    dth task list%s     (dth task --help says what else)", data)
	if m.sample != nil {
		m.announce()
	}
}

func newLocalLink(o *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "link",
		Short: "Print a link that signs you in at the console of the hub on this machine",
		Long: `Link asks the hub that runs with the data folder for a sign-in link. It can be used once, within an hour, by whoever opens it
first: do not pass it on.`,
		Example: `  dth local link
  xdg-open "$(dth local link)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := askForLink(cmd, o.data)
			if err != nil {
				return hubError(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), link)
			return nil
		},
	}
}

// askForLink asks the running hub, which knows its links alone.
func askForLink(cmd *cobra.Command, data string) (string, error) {
	flags := hubFlags{data: data}
	c, err := flags.client()
	if err != nil {
		return "", err
	}
	address := strings.TrimSuffix(c.URL, "/graphql") + front.PathLink
	r, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, address, nil)
	if err != nil {
		return "", fmt.Errorf("address of the hub: %w", err)
	}
	if err := c.Authorize(r, nil); err != nil {
		return "", err
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return "", fmt.Errorf("%w; start it with dth local: %w", hub.ErrUnreachable, err)
	}
	defer resp.Body.Close()
	var got struct{ Link string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&got); err != nil || got.Link == "" {
		return "", fmt.Errorf("%w: at %s there is another program: HTTP %d", hub.ErrUnreachable, address, resp.StatusCode)
	}
	return got.Link, nil
}

func newLocalPassword(o *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "password",
		Short: "Set the password that signs you in over the network",
		Long: `Password reads a password from standard input, and keeps its hash in the data folder. A hub that is served with TLS takes it in
place of a link. One that runs takes the new password when it starts again; sessions of before stay.`,
		Example: `  dth local password
  dth local --listen 0.0.0.0:8443 --tls-cert hub.pem --tls-key hub.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := dataFolder(o.data)
			if err != nil {
				return usageError(err)
			}
			password, err := readPassword(cmd)
			if err != nil {
				return usageError(fmt.Errorf("reading the password: %w", err))
			}
			if err := setPassword(dir, password); err != nil {
				return usageError(err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "the password is set; a hub that runs knows it after its next start\n")
			return nil
		},
	}
}

// readPassword reads a line. On a terminal it is not shown, and asked for twice.
func readPassword(cmd *cobra.Command) (string, error) {
	in := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 2*oidc.MaxPassword+16))
	if !isatty.IsTerminal(os.Stdin.Fd()) {
		return line(in)
	}
	if err := echo("-echo"); err != nil {
		return "", fmt.Errorf("the terminal would show it; give it by a pipe: %w", err)
	}
	defer echo("echo") //nolint:errcheck // nothing is left to do
	var given [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		var err error
		given[i], err = line(in)
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", err
		}
	}
	if given[0] != given[1] {
		return "", errors.New("the two are not the same")
	}
	return given[0], nil
}

func line(in *bufio.Reader) (string, error) {
	text, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) && text != "" {
		err = nil
	}
	return strings.TrimRight(text, "\r\n"), err
}

// echo turns what a terminal shows of the keys on or off.
func echo(how string) error {
	stty := exec.Command("stty", how)
	stty.Stdin = os.Stdin
	return stty.Run()
}

func setPassword(dir, password string) error {
	folder := filepath.Join(dir, signInFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	return oidc.WritePassword(filepath.Join(folder, passwordFile), password)
}

// ownersPassword returns the password of a data folder; nil: none is set.
func ownersPassword(dir string) (*oidc.Password, error) {
	p, err := oidc.OpenPassword(filepath.Join(dir, signInFolder, passwordFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return p, err
}
