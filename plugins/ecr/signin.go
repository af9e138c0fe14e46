package ecr

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/image"
)

// SignIn is what a secret says about signing in to a registry that is no Amazon ECR.
type SignIn struct {
	Login    image.Login
	Registry string // host that it is for; empty: the one registry that images come from
}

// ParseSignIn reads a secret's text: a JSON object with username and password, or with a token, and, optionally, the registry that it
// is for. Its values are in no error.
func ParseSignIn(name, text string) (SignIn, error) {
	var s struct{ Username, Password, Token, Registry string }
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		// The decoder's message may quote the text, so it is not passed on.
		return SignIn{}, fmt.Errorf("secret %s is no JSON object with username and password, or token", name)
	}
	out := SignIn{Login: image.Login{User: s.Username, Password: s.Password}, Registry: strings.ToLower(s.Registry)}
	switch {
	case s.Token != "" && (s.Username != "" || s.Password != ""):
		return SignIn{}, errors.New("secret " + name + " has a token and a user; give one of the two")
	case s.Token != "":
		out.Login = image.Login{Password: s.Token}
	case s.Username == "" || s.Password == "":
		return SignIn{}, errors.New("secret " + name + " lacks username or password")
	}
	return out, nil
}

// For returns the sign-in as a registry takes it. A token goes in a password's place, beside the user that the registry's documents
// name for tokens.
func (s SignIn) For(host string) image.Login {
	l := s.Login
	if l.User == "" {
		l.User = tokenUser(host)
	}
	return l
}

// tokenUser is the user that goes with a token.
//
//	https://cloud.google.com/artifact-registry/docs/docker/authentication#token
//	https://docs.quay.io/glossary/access-token.html
//	https://learn.microsoft.com/azure/container-registry/container-registry-authentication#az-acr-login-with---expose-token
func tokenUser(host string) string {
	switch {
	case host == "gcr.io", strings.HasSuffix(host, ".gcr.io"), strings.HasSuffix(host, "-docker.pkg.dev"):
		return "oauth2accesstoken"
	case host == "quay.io":
		return "$oauthtoken"
	case strings.HasSuffix(host, ".azurecr.io"), strings.HasSuffix(host, ".azurecr.cn"):
		return "00000000-0000-0000-0000-000000000000"
	}
	return "token" // GitHub and GitLab take any
}
