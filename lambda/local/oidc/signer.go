package oidc

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// algorithm signs all tokens: the one that every client of OpenID Connect has to know.
const algorithm = jose.RS256

// The types of tokens, in their headers: one cannot be taken for the other. RFC 7519, section 5.1; RFC 9068, section 2.1.
const (
	typeID     = "JWT"
	typeAccess = "at+jwt"
)

// claims are those of both kinds of token.
type claims struct {
	Issuer   string           `json:"iss"`
	Audience jwt.Audience     `json:"aud"`
	Issued   *jwt.NumericDate `json:"iat"`
	Expiry   *jwt.NumericDate `json:"exp"`
	Session  string           `json:"sid"`
	ID       string           `json:"jti,omitempty"`
	Client   string           `json:"client_id,omitempty"` // of access tokens
	Scope    string           `json:"scope,omitempty"`     // of access tokens
	SignedIn *jwt.NumericDate `json:"auth_time,omitempty"`
	Nonce    string           `json:"nonce,omitempty"`
	profile
}

// profile is what tokens and UserInfo say of a person.
type profile struct {
	Subject   string   `json:"sub"`
	Name      string   `json:"name,omitempty"`
	Preferred string   `json:"preferred_username,omitempty"`
	Email     string   `json:"email,omitempty"`
	Groups    []string `json:"groups,omitempty"`
}

func profileOf(person Person) profile {
	return profile{Subject: person.Subject, Name: person.Name, Preferred: person.Name, Email: person.Email, Groups: person.Groups}
}

// signer makes tokens and knows its own again.
type signer struct {
	key    *rsa.PublicKey
	public jose.JSONWebKeySet
	byType map[string]jose.Signer
}

func newSigner(key *rsa.PrivateKey) (*signer, error) {
	public := jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(algorithm), Use: "sig"}
	thumb, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	s := &signer{key: &key.PublicKey, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}, byType: map[string]jose.Signer{}}
	for _, kind := range []string{typeID, typeAccess} {
		options := (&jose.SignerOptions{}).WithType(jose.ContentType(kind))
		s.byType[kind], err = jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}}, options)
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *signer) sign(kind string, c claims) (string, error) {
	text, err := jwt.Signed(s.byType[kind]).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
}

// maxToken bounds what is decoded; tokens of ours are much shorter.
const maxToken = 8 << 10

// verify returns the claims of a token of one kind that was signed here. It does not look at times.
func (s *signer) verify(kind, text string) (claims, error) {
	if len(text) > maxToken {
		return claims{}, errors.New("the token is too long")
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		return claims{}, fmt.Errorf("the token cannot be read: %w", err)
	}
	if len(parsed.Headers) != 1 || parsed.Headers[0].ExtraHeaders[jose.HeaderType] != kind {
		return claims{}, errType
	}
	var c claims
	if err := parsed.Claims(s.key, &c); err != nil {
		return claims{}, fmt.Errorf("the token was not signed by this hub: %w", err)
	}
	return c, nil
}

// errType says that a token is of another kind than the one that was asked for.
var errType = errors.New("the token is of another type")

// identify returns the claims of a token of one kind that holds now.
func (p *Provider) identify(kind, text string) (claims, error) {
	c, err := p.signer.verify(kind, text)
	if err != nil {
		return claims{}, err
	}
	audience := ClientID
	if kind == typeAccess {
		audience = p.Issuer()
	}
	now := p.options.Now()
	switch {
	case c.Issuer != p.Issuer():
		return claims{}, fmt.Errorf("the token is of the issuer %.100q", c.Issuer)
	case len(c.Audience) != 1 || c.Audience[0] != audience:
		return claims{}, errors.New("the token is for somebody else")
	case c.Expiry == nil || !now.Before(c.Expiry.Time()):
		return claims{}, errors.New("the token has expired")
	case c.Issued == nil || c.Issued.Time().After(now.Add(time.Minute)):
		return claims{}, errors.New("the token is of the future; the clock was set back")
	case !p.sessions.alive(c.Session):
		return claims{}, errors.New("the session of the token has ended")
	}
	return c, nil
}

// Identify returns who holds an access token or an ID token of this provider: AppSync takes both, and so do the hubs. The error
// says what is wrong with the token, and nothing of its content.
func (p *Provider) Identify(token string) (Person, error) {
	c, err := p.identify(typeAccess, token)
	if errors.Is(err, errType) {
		c, err = p.identify(typeID, token)
	}
	if err != nil {
		return Person{}, err
	}
	return Person{Subject: c.Subject, Name: c.Name, Email: c.Email, Groups: c.Groups}, nil
}

// userInfo answers as OpenID Connect Core 1.0, section 5.3, has it.
func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	if _, err := p.identify(typeAccess, bearer(r)); err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token", err.Error())
		return
	}
	answer(w, http.StatusOK, profileOf(p.options.Person))
}
