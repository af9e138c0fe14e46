package message

import (
	"errors"
	"testing"
	"time"

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
			VersionID: "v", Class: "GLACIER", Op: Copy, DestinationSeen: true, Again: 3, Sequencer: "0A1B", Look: true,
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
		got, err := Decode(text)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if d := cmp.Diff(Message(want), got); d != "" {
			t.Errorf("%q: %s", key, d)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
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
		{"a part without an upload", `{"v":1,"kind":"part","key":"a","etag":"e","n":1,"of":1,"length":1}`, false},
		{"a part beyond the last", `{"v":1,"kind":"part","key":"a","etag":"e","upload":"u","n":3,"of":2,"length":1}`, false},
		{"a part of too many", `{"v":1,"kind":"part","key":"a","etag":"e","upload":"u","n":3,"of":10001,"length":1}`, false},
		{"an empty part", `{"v":1,"kind":"part","key":"a","etag":"e","upload":"u","n":1,"of":1}`, false},
		{"a completion without a version", `{"v":1,"kind":"complete","key":"a","upload":"u"}`, false},
		{"bad time", `{"v":1,"kind":"object","key":"a","modified":"yesterday","op":"copy"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode(tt.body)
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

func TestUploadMessagesRoundTrip(t *testing.T) {
	for _, key := range []string{"a", `quo"te`, `back\slash`, "new\nline", "nul\x00", "😀\uffff", "$(reboot)"} {
		up := Upload{Run: "r", Key: key, ETag: `e"-3`, UploadID: "id+/=" + key}
		for _, want := range []Message{
			Complete{up},
			Abort{up},
			Part{Upload: up, VersionID: "v", Number: 3, Of: 16, Offset: 2 << 26, Length: 1 << 26, Checksums: true},
			Part{Upload: up, Number: 10000, Of: 10000, Offset: 1 << 45, Length: 1},
		} {
			text, err := want.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(text)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%q: %s", text, d)
			}
			if run, about := got.Names(); run != "r" || about != key {
				t.Errorf("%q names run %q and key %q", text, run, about)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"v":1,"kind":"object","run":"r","key":"k","size":1,"etag":"e","op":"copy","dest":"","again":2,"seq":"0A","look":true,"seen":true}`)
	f.Add(`{"v":1,"kind":"part","run":"r","key":"k","etag":"e","upload":"u","n":1,"of":16,"offset":0,"length":67108864,"crc":true,"seen":true}`)
	f.Add(`{"v":1,"kind":"abort","run":"r","key":"k\n\"\\","etag":"e","upload":"u"}`)
	f.Add(`{"Records":[{"s3":{"object":{"key":"a"}}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := Decode(body)
		if err != nil {
			return
		}
		if o, ok := m.(Object); ok {
			o.Modified = o.Modified.Truncate(time.Millisecond)
			if o.Modified.Year() > 9999 {
				return
			}
			m = o
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatalf("decoded but cannot be encoded: %v", err)
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if d := cmp.Diff(m, again); d != "" {
			t.Error(d)
		}
	})
}
