package message

import (
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestObjectRoundTrip(t *testing.T) {
	keys := []string{
		"a", "a/b", "a//b", "/lead", "trail/", "plus+plus", "%2F", "sp ace", `quo"te`, `back\slash`,
		"new\nline", "nul\x01", "del\x7f", "emoji😀", "\ufffe", "\uffff", "s3:TestEvent", `{"Records":[]}`, "$(reboot)",
	}
	for _, key := range keys {
		want := Object{
			Run: "r1", Key: key, Size: 5 << 40, ETag: "abc-3", Modified: time.UnixMilli(1700000000123).UTC(),
			VersionID: "v", Class: "GLACIER", Op: Copy, DestinationSeen: true,
		}
		text, err := want.Encode()
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		for _, r := range text {
			if r < 0x20 || r == 0xfffe || r == 0xffff {
				t.Errorf("%q: encoded text has %U, which SQS refuses", key, r)
			}
		}
		got, err := DecodeObject(text)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", key, d)
		}
	}
}

func TestDecodeObjectRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		unknown    bool
	}{
		{"no JSON", "hello", false},
		{"empty", "", false},
		{"a notification", `{"Event":"s3:TestEvent","Bucket":"b"}`, false},
		{"no operation", `{"v":1,"kind":"object","key":"a"}`, false},
		{"newer version", `{"v":2,"kind":"object","key":"a","op":"copy"}`, true},
		{"other kind", `{"v":1,"kind":"rocket","key":"a","op":"copy"}`, true},
		{"other operation", `{"v":1,"kind":"object","key":"a","op":"rename"}`, true},
		{"no key", `{"v":1,"kind":"object","op":"copy"}`, false},
		{"negative size", `{"v":1,"kind":"object","key":"a","size":-1,"op":"copy"}`, false},
		{"bad time", `{"v":1,"kind":"object","key":"a","modified":"yesterday","op":"copy"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeObject(tt.body)
			if err == nil {
				t.Fatal("decoded without an error")
			}
			if errors.Is(err, ErrUnknown) != tt.unknown {
				t.Errorf("ErrUnknown is %v, want %v: %v", !tt.unknown, tt.unknown, err)
			}
		})
	}
}

func TestEncodeRefusesInvalidUTF8(t *testing.T) {
	o := Object{Key: "a\xff", Op: Copy}
	if _, err := o.Encode(); err == nil {
		t.Error("a key that JSON cannot carry was encoded")
	}
}

func FuzzDecodeObject(f *testing.F) {
	f.Add(`{"v":1,"kind":"object","run":"r","key":"k","size":1,"etag":"e","op":"copy","dest":""}`)
	f.Add(`{"Records":[{"s3":{"object":{"key":"a"}}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		o, err := DecodeObject(body)
		if err != nil || !utf8.ValidString(o.Key) || o.Modified.Year() > 9999 {
			return
		}
		text, err := o.Encode()
		if err != nil {
			t.Fatalf("decoded but cannot be encoded: %v", err)
		}
		again, err := DecodeObject(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		o.Modified, again.Modified = o.Modified.Truncate(time.Millisecond), again.Modified.Truncate(time.Millisecond)
		if d := cmp.Diff(o, again); d != "" {
			t.Error(d)
		}
	})
}
