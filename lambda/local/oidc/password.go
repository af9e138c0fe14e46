package oidc

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Password knows a password again that it does not know: a hash by PBKDF2 with HMAC-SHA-256.
type Password struct {
	rounds int
	salt   []byte
	hash   []byte
}

// Bounds of passwords and their hashes. The rounds are those that OWASP's Password Storage Cheat Sheet names for
// PBKDF2-HMAC-SHA256.
const (
	MinPassword = 12 // bytes
	MaxPassword = 1024
	rounds      = 600_000
	maxRounds   = 10_000_000 // a file that asks for more would stop the sign-in
	hashKind    = "pbkdf2-sha256"
)

// WritePassword keeps the hash of a password in a file that its owner alone may read. Passwords have 12 to 1024 bytes.
func WritePassword(path, password string) error {
	if n := len(password); n < MinPassword || n > MaxPassword {
		return fmt.Errorf("the password has %d bytes; allowed are %d to %d", n, MinPassword, MaxPassword)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	sum, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return fmt.Errorf("hashing the password: %w", err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	text := strings.Join([]string{hashKind, strconv.Itoa(rounds), encode(salt), encode(sum)}, "$")
	if err := writeOwn(path, []byte(text+"\n")); err != nil {
		return fmt.Errorf("keeping the password's hash: %w", err)
	}
	return nil
}

// OpenPassword reads the file that WritePassword made. Files that others may read are refused, and so is a password itself.
func OpenPassword(path string) (*Password, error) {
	text, err := readOwn(path)
	if err != nil {
		return nil, fmt.Errorf("the password's hash: %w", err)
	}
	p, err := decodePassword(string(text))
	if err != nil {
		return nil, fmt.Errorf("the password's hash in %s: %w", path, err)
	}
	return p, nil
}

func decodePassword(text string) (*Password, error) {
	parts := strings.Split(strings.TrimSpace(text), "$")
	if len(parts) != 4 || parts[0] != hashKind {
		return nil, errors.New("this is no hash of ours; set the password anew")
	}
	n, err := strconv.Atoi(parts[1])
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[2])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[3])
	if errors.Join(err, saltErr, sumErr) != nil || n < rounds || n > maxRounds || len(salt) < 16 || len(sum) != sha256.Size {
		return nil, errors.New("the hash is damaged or too weak; set the password anew")
	}
	return &Password{rounds: n, salt: salt, hash: sum}, nil
}

func (p *Password) is(shown string) bool {
	if len(shown) > MaxPassword {
		return false
	}
	sum, err := pbkdf2.Key(sha256.New, shown, p.salt, p.rounds, len(p.hash))
	return err == nil && subtle.ConstantTimeCompare(sum, p.hash) == 1
}
