package imagelist

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Forty spellings that are right: registry, repository, kind and text of each.
func TestGood(t *testing.T) {
	for _, c := range []struct {
		text, registry, repository string
		kind                       Kind
		chosen                     string
	}{
		{"app", "", "app", Literal, "latest"},
		{"app:1.0", "", "app", Literal, "1.0"},
		{"team/app:1.0", "", "team/app", Literal, "1.0"},
		{"a/b/c/d:x", "", "a/b/c/d", Literal, "x"},
		{"my-app_x.y:_x", "", "my-app_x.y", Literal, "_x"},
		{"a__b:1", "", "a__b", Literal, "1"},
		{"a--b:1", "", "a--b", Literal, "1"},
		{"app:V1.0-RC_1", "", "app", Literal, "V1.0-RC_1"},
		{"app:latest", "", "app", Literal, "latest"},
		{"app:semver", "", "app", Literal, "semver"},
		{"app:" + strings.Repeat("x", 128), "", "app", Literal, strings.Repeat("x", 128)},
		{"library/alpine:3", "", "library/alpine", Literal, "3"},
		{"docker.io/library/alpine", "docker.io", "library/alpine", Literal, "latest"},
		{"ghcr.io/org/app:main", "ghcr.io", "org/app", Literal, "main"},
		{"localhost/app:1", "localhost", "app", Literal, "1"},
		{"localhost:5000/app", "localhost:5000", "app", Literal, "latest"},
		{"localhost:5000/a/b:1", "localhost:5000", "a/b", Literal, "1"},
		{"host:65535/a:1", "host:65535", "a", Literal, "1"},
		{"127.0.0.1:5000/app:1", "127.0.0.1:5000", "app", Literal, "1"},
		{"[::1]:5000/app:1", "[::1]:5000", "app", Literal, "1"},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "app", Literal, "1"},
		{"Registry.Example.com/app:1", "Registry.Example.com", "app", Literal, "1"},
		{"app@sha256:" + hex64, "", "app", Digest, "sha256:" + hex64},
		{"ghcr.io/o/app@sha256:" + hex64, "ghcr.io", "o/app", Digest, "sha256:" + hex64},
		{"app@sha512:" + hex64 + hex64, "", "app", Digest, "sha512:" + hex64 + hex64},
		{"app:ALL_TAGS", "", "app", Every, ""},
		{"quay.io/o/app:ALL_TAGS", "quay.io", "o/app", Every, ""},
		{"app:v1.*", "", "app", Glob, "v1.*"},
		{"app:*", "", "app", Glob, "*"},
		{"app:{a,b}-[0-9]?", "", "app", Glob, "{a,b}-[0-9]?"},
		{"app:[!a-c]*", "", "app", Glob, "[!a-c]*"},
		{"team/*:ALL_TAGS", "", "team/*", Every, ""},
		{"**:1.0", "", "**", Literal, "1.0"},
		{"{a,b}/app:1", "", "{a,b}/app", Literal, "1"},
		{"registry:5000/team/**:ALL_TAGS", "registry:5000", "team/**", Every, ""},
		{`app:/v[0-9]+(\.[0-9]+)?/`, "", "app", Regexp, `v[0-9]+(\.[0-9]+)?`},
		{`app:/a{1,3}|b/`, "", "app", Regexp, `a{1,3}|b`},
		{"app:semver(>=1.2 <2)", "", "app", Versions, ">=1.2 <2"},
		{"app:semver(^1, !=1.3 || ~3.4)", "", "app", Versions, "^1, !=1.3 || ~3.4"},
		{"ghcr.io/o/app:semver(1.x)", "ghcr.io", "o/app", Versions, "1.x"},
	} {
		all, err := Parse(c.text)
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d entries, %v", c.text, len(all), err)
			continue
		}
		e := all[0]
		if e.Registry != c.registry || e.Repository != c.repository || e.Kind != c.kind || e.Text != c.chosen {
			t.Errorf("%s: %q %q %s %q", c.text, e.Registry, e.Repository, e.Kind, e.Text)
		}
	}
}

// Twenty-two that are refused, each at its place and with its reason.
func TestBad(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		says   string
	}{
		{":1.0", 1, "name of a repository is missing"},
		{"ghcr.io/:1.0", 9, "name of a repository is missing"},
		{"App:1", 1, "small letters only"},
		{"team//app", 1, "between them"},
		{"/app:1", 1, "between them"},
		{"app/", 1, "between them"},
		{"a b:1", 1, "between them"},
		{"-app", 1, "between them"},
		{strings.Repeat("a", 257), 1, "at most 256"},
		{"app:", 5, "the tag is missing"},
		{"app:-x", 5, "begins with none of"},
		{"app:ä", 5, "begins with none of"},
		{"app:" + strings.Repeat("x", 129), 5, "at most 128"},
		{"app:1@sha256:" + hex64, 5, "not both"},
		{"app@sha256:abc", 5, "64"},
		{"app@sha256:" + strings.ToUpper(hex64), 5, "small letters"},
		{"app:[a", 5, "no pattern of tags"},
		{"{a:1", 1, "no pattern of repositories"},
		{"app:/(/", 5, "no regular expression"},
		{"app:/abc", 5, "between two slashes"},
		{"app:semver(>=)", 5, "no range of versions"},
		{"app:semver(1", 5, "semver(RANGE)"},
		{"https://ghcr.io/app", 1, "leave https:// away"},
		{"host:0/app", 1, "1 to 65535"},
		{"host:99999/app", 1, "1 to 65535"},
		{"-x.example.com/app", 1, "host's name"},
		{"a\xff:1", 1, "not UTF-8"},
	} {
		_, err := Parse("good:1\n  " + c.text + " , good")
		var errs Errors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if e := errs[0]; e.Line != 2 || e.Column != c.column+2 || !strings.Contains(e.Reason, c.says) {
			t.Errorf("%s: %v; want column %d and %q", c.text, e, c.column+2, c.says)
		}
	}
}

func TestLists(t *testing.T) {
	all, err := Parse("# remark, with: comma\r\na:1, b:{x,y} ,\n\n,c:/p{1,2},q/, d:semver(>1, <3)\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, e.String())
	}
	if d := cmp.Diff([]string{"a:1", "b:{x,y}", "c:/p{1,2},q/", "d:semver(>1, <3)"}, got); d != "" {
		t.Error(d)
	}
	if all[2].Line != 4 || all[2].Column != 2 || all[1].Column != 6 {
		t.Errorf("places: %+v", all)
	}
	if all, err := Parse(" \n,\n# x"); err != nil || len(all) != 0 {
		t.Errorf("an empty list: %v %v", all, err)
	}
	_, err = Parse("A, b, C:")
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every error is told: %v", err)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		entry     string
		yes, none string
	}{
		{"a:1", "1", "2 1.0"},
		{"a:ALL_TAGS", "1 x y", ""},
		{"a:v1.*", "v1.0 v1.2.3", "v2 xv1.0"},
		{"a:{x,y}-[0-9]?", "x-10 y-2a", "z-10 x-1"},
		{"a:/v[0-9]+|x/", "v1 v22 x", "xv1 v1x xx"},
		{"a:semver(>=1.2 <2)", "1.2 v1.9.9 1.2.0", "1.1 2.0.0 latest 1.5.0-rc1 1.5-alpine"},
		{"a:semver(~1.4-0)", "1.4.0 1.4.1-rc1", "1.5.0"},
		{"a@sha256:" + hex64, "", "latest sha256:" + hex64},
	} {
		all, err := Parse(c.entry)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range strings.Fields(c.yes) {
			if !all[0].MatchTag(tag) {
				t.Errorf("%s does not choose %s", c.entry, tag)
			}
		}
		for _, tag := range strings.Fields(c.none) {
			if all[0].MatchTag(tag) {
				t.Errorf("%s chooses %s", c.entry, tag)
			}
		}
	}
	all, err := Parse("team/*, team/**, app")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]bool{"team/a": {true, true, false}, "team/a/b": {false, true, false}, "app": {false, false, true}} {
		for i, w := range want {
			if all[i].MatchRepository(name) != w {
				t.Errorf("%s and %s: want %v", all[i].Repository, name, w)
			}
		}
	}
}

// What is read can be written, and read again as the same.
func FuzzParse(f *testing.F) {
	f.Add("a:1, b:{x,y}\n# c\nd:/x,y/, e:semver(>1, <3)\nh.io:50/f@sha256:" + hex64)
	f.Add("a:/")
	f.Add("[::1]:9/x")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 || all != nil {
				t.Fatalf("%q: %v %v", text, all, err)
			}
			for _, e := range errs {
				if e.Line < 1 || e.Column < 1 || e.Reason == "" {
					t.Fatalf("%q: %+v", text, e)
				}
			}
			return
		}
		for _, e := range all {
			again, err := Parse(e.String())
			if err != nil || len(again) != 1 {
				t.Fatalf("%q was read as %q, which is %v, %v", text, e.String(), again, err)
			}
			a := again[0]
			if a.Registry != e.Registry || a.Repository != e.Repository || a.Kind != e.Kind || a.Text != e.Text {
				t.Fatalf("%q: %+v, then %+v", text, e, a)
			}
			e.MatchTag("v1.2.3")
			e.MatchRepository("team/app")
		}
	})
}
