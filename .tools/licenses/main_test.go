package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The list of what one of the tools is built from: each with a known licence, Go among them, twice the same.
func TestLicencesOfATool(t *testing.T) {
	var one, two bytes.Buffer
	for _, out := range []*bytes.Buffer{&one, &two} {
		if err := run(out, ".", []string{"gotest.tools/gotestsum"}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two lists differ")
	}
	for _, want := range []string{"BSD-3-Clause               Go and its standard library go1.", "Redistribution and use in source and binary forms", "Permission is hereby granted"} {
		if !strings.Contains(one.String(), want) {
			t.Errorf("the list lacks %q and begins with %.300s", want, one.String())
		}
	}
}

func TestLicenceThatIsNotKnownIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := licenceOf(dir); err == nil {
		t.Error("a module without licence was taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := licenceOf(dir)
	if err != nil || kindOf(text) != "" {
		t.Errorf("%q is %q, %v", text, kindOf(text), err)
	}
	for want, says := range map[string]string{
		"MIT": "Permission is hereby granted,\n free of charge", "Apache-2.0": "  Apache License\n  Version 2.0, January 2004", "BSD-2-Clause": "Redistributions in binary form must\nreproduce the above",
		"BSD-3-Clause": "Redistributions in binary form must reproduce it. Neither the names of",
	} {
		if got := kindOf(says); got != want {
			t.Errorf("%q is %q, want %s", says, got, want)
		}
	}
}
