package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// link is a sign-in link that nobody has used.
type link struct {
	hash string
	ends time.Time
}

// NewLink returns an address that signs in whoever opens it first, within an hour, and when that hour ends. It is a secret: show
// it to the owner of the machine alone, and write it into no log.
func (p *Provider) NewLink() (address string, ends time.Time) {
	secret := newSecret()
	ends = p.options.Now().Add(linkLife)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) >= maxLinks {
		p.links = p.links[1:]
	}
	p.links = append(p.links, link{hash(secret), ends})
	return p.options.Origin + PathSignIn + "?link=" + secret, ends
}

// useLink reports whether a link holds, which it does once.
func (p *Provider) useLink(secret string) bool {
	want := hash(secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.links, func(l link) bool { return equal(l.hash, want) })
	if i < 0 {
		return false
	}
	holds := p.options.Now().Before(p.links[i].ends)
	p.links = slices.Delete(p.links, i, i+1)
	return holds
}

// signInByLink begins a session for whoever opens a link first.
func (p *Provider) signInByLink(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		refuse(w, http.StatusForbidden, "invalid_request", "a sign-in link is used by opening it")
		return
	}
	if !p.useLink(r.URL.Query().Get("link")) {
		if _, signedIn := p.signedIn(r); signedIn {
			p.welcome(w, r, "/")
			return
		}
		p.options.Log.Warn("a sign-in link was refused: it is not known, was used, or has expired")
		p.askToSignIn(w, r, http.StatusForbidden, "link")
		return
	}
	p.begin(w, r, "link", "/")
}

// signInByPassword begins a session for whoever knows the password.
func (p *Provider) signInByPassword(w http.ResponseWriter, r *http.Request) {
	if p.options.Password == nil {
		refuse(w, http.StatusForbidden, "invalid_request", "this hub takes no password; open the sign-in link that it has printed")
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body cannot be read")
		return
	}
	wait := p.mayGuess()
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		p.askToSignIn(w, r, http.StatusTooManyRequests, "wait")
		return
	}
	right := p.options.Password.is(r.PostForm.Get("password"))
	p.guessed(right)
	if !right {
		p.options.Log.Warn("a password was refused")
		p.askToSignIn(w, r, http.StatusForbidden, "password")
		return
	}
	to := "/"
	if next := r.PostForm.Get("next"); next != "" {
		to = PathAuthorize + "?" + next
	}
	p.begin(w, r, "password", to)
}

// guesses slow down those who try passwords: one at a time, and longer and longer pauses after the third that is wrong.
type guesses struct {
	busy  bool
	wrong int
	next  time.Time
}

const longestPause = time.Minute

// mayGuess returns how long one has to wait before the next password is looked at; 0: it is one's turn, until guessed is called.
func (p *Provider) mayGuess() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.guesses
	if wait := g.next.Sub(p.options.Now()); wait > 0 {
		return wait
	}
	if g.busy {
		return time.Second
	}
	g.busy = true
	return 0
}

func (p *Provider) guessed(right bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.guesses
	g.busy = false
	if right {
		g.wrong = 0
		return
	}
	g.wrong++
	if over := g.wrong - 3; over >= 0 {
		g.next = p.options.Now().Add(min(time.Second<<min(over, 10), longestPause))
	}
}

// begin makes a session and leads on. The session of before, if there was one, is no longer known to the browser.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, by, to string) {
	if before, ok := p.signedIn(r); ok {
		if err := p.sessions.end(before.ID); err != nil {
			p.failed(w, err)
			return
		}
	}
	secret, err := p.sessions.begin()
	if err != nil {
		p.failed(w, err)
		return
	}
	p.options.Log.Info("somebody signed in", "by", by)
	http.SetCookie(w, p.cookie(secret, int(sessionLife.Seconds())))
	p.welcome(w, r, to)
}

func (p *Provider) failed(w http.ResponseWriter, err error) {
	p.options.Log.Error("the sign-in failed", "error", err)
	refuse(w, http.StatusInternalServerError, "server_error", "the sessions could not be kept; the hub's log says why")
}

func (p *Provider) welcome(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// cookie names a session. It is sent to this provider's paths alone; cookies do not tell ports apart, so its name does.
func (p *Provider) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: p.cookieName, Value: value, Path: Path, MaxAge: age, HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteStrictMode,
	}
}

func cookieName(origin *url.URL) string {
	name := "dth-session"
	if port := origin.Port(); port != "" {
		name += "-" + port
	}
	if origin.Scheme == "https" {
		return "__Secure-" + name
	}
	return name
}

// signedIn returns the session that a request's cookie names.
func (p *Provider) signedIn(r *http.Request) (session, bool) {
	c, err := r.Cookie(p.cookieName)
	if err != nil {
		return session{}, false
	}
	return p.sessions.of(c.Value)
}

// signOut ends a session: that of a client's id_token_hint (OpenID Connect RP-Initiated Logout 1.0), or, when the person says so on
// our own page, that of the browser.
func (p *Provider) signOut(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the request cannot be read")
		return
	}
	to := r.Form.Get("post_logout_redirect_uri")
	if to != "" && !p.redirect[to] {
		refuse(w, http.StatusBadRequest, "invalid_request", "post_logout_redirect_uri: allowed is exactly "+strings.Join(p.options.Redirects, ", "))
		return
	}
	id := ""
	hint, err := p.signer.verify(typeID, r.Form.Get("id_token_hint")) // may have expired
	of, signedIn := p.signedIn(r)
	switch {
	case err == nil && hint.Issuer == p.Issuer():
		id = hint.Session
	case r.Method == http.MethodPost && signedIn:
		id = of.ID
	case signedIn:
		p.askToSignOut(w, r)
		return
	}
	if id != "" {
		if err := p.sessions.end(id); err != nil {
			p.failed(w, err)
			return
		}
		p.options.Log.Info("somebody signed out")
	}
	if id != "" && (!signedIn || of.ID == id) { // the browser may have begun another session since
		http.SetCookie(w, p.cookie("", -1))
	}
	if to == "" {
		p.show(w, r, http.StatusOK, page{Kind: "out"})
		return
	}
	back := url.Values{}
	if state := r.Form.Get("state"); state != "" && len(state) <= maxParameter {
		back.Set("state", state)
	}
	if len(back) == 0 {
		p.welcome(w, r, to)
		return
	}
	lead(w, r, to, back)
}
