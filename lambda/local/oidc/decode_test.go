package oidc

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is decoded of a sessions file is what would be written again. (A whole provider is too slow to fuzz its files by.)
func FuzzSessions(f *testing.F) {
	f.Add(`[{"id":"a","cookie":"` + strings.Repeat("0", 64) + `","signedIn":"2026-01-02T03:04:05Z","grants":[{"id":"g","token":"","scope":"openid"}]}]`)
	f.Add(`[{"id":"a"}] x`)
	f.Add("null")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := decodeSessions([]byte(text))
		if err != nil {
			return
		}
		again, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := decodeSessions(again); err != nil || len(second) != len(list) {
			t.Errorf("%s is read, %s is not: %v", text, again, err)
		}
	})
}

// A file never gives a hash that is weaker than ours, or one that takes for ever.
func FuzzPassword(f *testing.F) {
	f.Add("pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("pbkdf2-sha256$1$AA$AA")
	f.Add("$$$")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := decodePassword(text); err == nil && (p.rounds < rounds || p.rounds > maxRounds || len(p.salt) < 16 || len(p.hash) != 32) {
			t.Errorf("%q is taken: %d rounds", text, p.rounds)
		}
	})
}
