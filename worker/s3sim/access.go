package s3sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sort"
	"strings"
	"time"
)

// Key is an access key that the store knows.
type Key struct {
	// Secret verifies signatures; with an empty one, only the key's id is looked at.
	Secret string
	// Token is the session token that has to come along, where it is not empty.
	Token string
	// Allow says what the key may do; nil is everything.
	Allow func(Call) bool
}

// maxSkew is how far the clock of a signed request may be off.
const maxSkew = 15 * time.Minute

func errAccessDenied() *Error { return refuse(http.StatusForbidden, "AccessDenied", "Access Denied") }

// authenticate refuses what the request's key may not do. Without known keys only the region is looked at.
func (s *Sim) authenticate(q *request) error {
	sig, signed := parseAuthorization(q.r.Header.Get("Authorization"))
	s.mu.RLock()
	open := len(s.keys) == 0
	key, known := s.keys[sig.keyID]
	s.mu.RUnlock()
	if !signed {
		if open || s.options.PublicRead && (q.r.Method == http.MethodGet || q.r.Method == http.MethodHead) {
			return nil
		}
		return errAccessDenied()
	}
	if s.options.Region != "" && sig.region != s.options.Region {
		return s.wrongRegion(sig.region)
	}
	if open {
		return nil
	}
	if !known {
		return refuse(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	}
	if key.Token != q.r.Header.Get("X-Amz-Security-Token") {
		return refuse(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	}
	if key.Secret != "" {
		if err := s.verify(q.r, sig, key.Secret); err != nil {
			return err
		}
	}
	if key.Allow != nil && !key.Allow(q.call) {
		return errAccessDenied()
	}
	return nil
}

func (s *Sim) wrongRegion(got string) error {
	if s.options.RedirectWrongRegion {
		return &Error{
			Status: http.StatusMovedPermanently, Code: "PermanentRedirect", region: s.options.Region, endpoint: s.options.Domain,
			Message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
		}
	}
	return &Error{
		Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed", region: s.options.Region,
		Message: "The authorization header is malformed; the region '" + got + "' is wrong; expecting '" + s.options.Region + "'",
	}
}

// signature is a parsed Authorization header of version 4.
type signature struct {
	keyID, date, region, service string
	headers                      []string
	value                        string
}

func parseAuthorization(header string) (signature, bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return signature{}, false
	}
	var g signature
	for _, field := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) < 5 {
				return signature{}, false
			}
			n := len(scope)
			g.keyID = strings.Join(scope[:n-4], "/")
			g.date, g.region, g.service = scope[n-4], scope[n-3], scope[n-2]
		case "SignedHeaders":
			g.headers = strings.Split(value, ";")
		case "Signature":
			g.value = value
		}
	}
	return g, true
}

func (s *Sim) verify(r *http.Request, g signature, secret string) error {
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil {
		return refuse(http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if d := s.now().Sub(at); d > maxSkew || d < -maxSkew {
		return refuse(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	scope := g.date + "/" + g.region + "/" + g.service + "/aws4_request"
	hashed := sha256.Sum256([]byte(canonical(r, g.headers)))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(hashed[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{g.date, g.region, g.service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(g.value)) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}

// canonical writes a request in the form that is signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func canonical(r *http.Request, signed []string) string {
	var b strings.Builder
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path == "" {
		path = r.URL.EscapedPath()
	}
	b.WriteString(r.Method + "\n" + path + "\n")
	var pairs []string
	for _, p := range strings.Split(r.URL.RawQuery, "&") {
		if p == "" {
			continue
		}
		if !strings.Contains(p, "=") {
			p += "="
		}
		pairs = append(pairs, p)
	}
	sort.Strings(pairs)
	b.WriteString(strings.Join(pairs, "&") + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + signedHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + r.Header.Get("X-Amz-Content-Sha256"))
	return b.String()
}

func signedHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return itoa(r.ContentLength)
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := append([]string(nil), r.Header.Values(name)...)
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}
