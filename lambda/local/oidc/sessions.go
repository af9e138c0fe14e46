package oidc

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// session is one sign-in of one browser. Of secrets only hashes are kept.
type session struct {
	ID       string    `json:"id"`     // in tokens; opens nothing
	Cookie   string    `json:"cookie"` // hash of what the browser holds
	SignedIn time.Time `json:"signedIn"`
	Grants   []grant   `json:"grants,omitempty"`
}

func (s *session) ended(now time.Time) bool { return !now.Before(s.SignedIn.Add(sessionLife)) }

// grant is what a code was exchanged for: a family of refresh tokens, of which the latest holds.
type grant struct {
	ID    string    `json:"id"`
	Token string    `json:"token"` // hash of the latest token's secret
	Scope string    `json:"scope"`
	Last  string    `json:"last,omitempty"` // hash of the token before it
	Given time.Time `json:"given,omitzero"` // when the latest took its place
}

// late reports whether somebody shows the token that was replaced a moment ago: a tab that was duplicated and renews at the same
// second as the other, or one whose answer was lost.
func (g *grant) late(shown string, now time.Time) bool {
	return g.Last != "" && equal(g.Last, shown) && now.Sub(g.Given) < lateness
}

// sessions are kept in a file.
type sessions struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	list []session // the oldest first
}

// errNoGrant says that a refresh token is none that holds.
var errNoGrant = errors.New("the refresh token does not hold, or was used before; sign in again")

// errUsed says that a refresh token held once.
var errUsed = fmt.Errorf("a second time: %w", errNoGrant)

func openSessions(path string, now func() time.Time) (*sessions, error) {
	s := &sessions{path: path, now: now}
	text, err := readOwn(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if s.list, err = decodeSessions(text); err != nil {
		return nil, fmt.Errorf("%s cannot be read; remove it, which signs everybody out: %w", path, err)
	}
	return s, nil
}

// decodeSessions reads what encoding/json wrote of them.
func decodeSessions(text []byte) ([]session, error) {
	var list []session
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something follows the sessions")
	}
	for _, s := range list {
		if s.ID == "" || len(s.Cookie) != 2*sha256.Size || len(s.Grants) > maxGrants {
			return nil, fmt.Errorf("the session %.40q is incomplete", s.ID)
		}
	}
	return list, nil
}

// change makes a change to the sessions and keeps it. What cannot be kept does not happen.
func (s *sessions) change(do func(list []session) ([]session, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]session, 0, len(s.list)+1)
	for _, one := range s.list {
		if !one.ended(s.now()) {
			one.Grants = slices.Clone(one.Grants)
			list = append(list, one)
		}
	}
	list, refused := do(list)
	if list == nil {
		return refused
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := writeOwn(s.path, text); err != nil {
		return fmt.Errorf("keeping the sessions: %w", err)
	}
	s.list = list
	return refused
}

// begin makes a session, and returns what its cookie holds.
func (s *sessions) begin() (string, error) {
	secret := newSecret()
	err := s.change(func(list []session) ([]session, error) {
		if len(list) >= maxSessions {
			list = list[1:]
		}
		return append(list, session{ID: rand.Text(), Cookie: hash(secret), SignedIn: s.now().UTC().Truncate(time.Second)}), nil
	})
	return secret, err
}

// of returns the session whose cookie somebody shows.
func (s *sessions) of(cookie string) (session, bool) {
	shown := hash(cookie)
	return s.find(func(one *session) bool { return equal(one.Cookie, shown) })
}

// get returns the session with an id.
func (s *sessions) get(id string) (session, bool) {
	return s.find(func(one *session) bool { return one.ID == id })
}

func (s *sessions) alive(id string) bool {
	_, found := s.get(id)
	return found
}

func (s *sessions) find(is func(*session) bool) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if is(&s.list[i]) && !s.list[i].ended(s.now()) {
			return s.list[i], true
		}
	}
	return session{}, false
}

// end ends a session, and so whatever was given in it.
func (s *sessions) end(id string) error {
	return s.change(func(list []session) ([]session, error) {
		return slices.DeleteFunc(list, func(one session) bool { return one.ID == id }), nil
	})
}

// grant begins a family of refresh tokens, with an id that was chosen before, and returns the first.
func (s *sessions) grant(within, id, scope string) (string, error) {
	secret := newSecret()
	return id + "." + secret, s.change(func(list []session) ([]session, error) {
		i := slices.IndexFunc(list, func(one session) bool { return one.ID == within })
		if i < 0 {
			return nil, errNoGrant
		}
		list[i].add(grant{ID: id, Token: hash(secret), Scope: scope})
		return list, nil
	})
}

// refresh takes a refresh token and returns the next one. A token that was used before has come into other hands, or the next one
// has: none of its family holds any longer. Only one that was used a moment ago is let through, and begins a family of its own.
func (s *sessions) refresh(token string) (next string, of session, g grant, err error) {
	id, secret, _ := strings.Cut(token, ".")
	shown, fresh := hash(secret), newSecret()
	err = s.change(func(list []session) ([]session, error) {
		for i := range list {
			one := &list[i]
			j := slices.IndexFunc(one.Grants, func(g grant) bool { return g.ID == id })
			if j < 0 {
				continue
			}
			g = grant{ID: id, Token: hash(fresh), Scope: one.Grants[j].Scope, Last: shown, Given: s.now().UTC()}
			switch {
			case equal(one.Grants[j].Token, shown):
				one.Grants[j] = g
			case one.Grants[j].late(shown, s.now()):
				g.ID, g.Last = rand.Text(), ""
				one.add(g)
			default:
				one.Grants = slices.Delete(one.Grants, j, j+1)
				return list, errUsed
			}
			of = *one
			return list, nil
		}
		return nil, errNoGrant
	})
	return g.ID + "." + fresh, of, g, err
}

// add keeps a grant; the oldest makes room.
func (s *session) add(g grant) {
	if len(s.Grants) >= maxGrants {
		s.Grants = s.Grants[1:]
	}
	s.Grants = append(s.Grants, g)
}

// revoke ends a family of refresh tokens.
func (s *sessions) revoke(id string) error {
	return s.change(func(list []session) ([]session, error) {
		for i := range list {
			list[i].Grants = slices.DeleteFunc(list[i].Grants, func(g grant) bool { return g.ID == id })
		}
		return list, nil
	})
}

// newSecret has more than 256 bits that nobody can guess. Being so long, it needs no slow hash.
func newSecret() string { return rand.Text() + rand.Text() }

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
