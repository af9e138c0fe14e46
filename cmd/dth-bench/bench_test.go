package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/s3sim"
)

// The stand-ins and the floor are subcommands of this program: of the test's binary here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "floor") {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestFloorAndTable(t *testing.T) {
	ctx := context.Background()
	var out bytes.Buffer
	r := &runner{out: &out, scratch: t.TempDir(), bench: &measurement{name: "test"}}
	spec := servers{Source: storeSpec{Objects: 250, Size: 100}}
	err := r.with(ctx, spec, "floor", 250, func(b *bench) (usage, error) {
		u, err := measure(ctx, r.floor(b, "--count", "250", "--size", "100", "--concurrency", "8"))
		if err != nil {
			return u, err
		}
		if u.cpu <= 0 || u.peak <= 0 || u.wall <= 0 {
			t.Errorf("usage = %+v", u)
		}
		return u, r.stored(b, 250)
	})
	if err != nil {
		t.Fatal(err)
	}
	side := storeSpec{Synthetic: &s3sim.Synthetic{N: 2500, Size: 1}}
	err = r.with(ctx, servers{Source: side, Dest: side}, "list", 2500, func(b *bench) (usage, error) { return measure(ctx, r.floor(b, "--list")) })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| test | floor | 250 |", "GetObject 250, PutObject 250 |", "| test | list | 2500 |", "ListObjectsV2 6 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestFailuresAreTold(t *testing.T) {
	ctx := context.Background()
	r := &runner{out: &bytes.Buffer{}, scratch: t.TempDir(), bench: &measurement{name: "test"}}
	err := r.with(ctx, servers{}, "floor", 1, func(b *bench) (usage, error) {
		return measure(ctx, r.floor(b, "--count", "1", "--size", "100"))
	})
	if err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("error = %v", err)
	}
	if _, err := choose("copy-small,nothing"); err == nil {
		t.Error("an unknown bench was chosen")
	}
	if got, err := summaryOf([]byte("words\n{\"listedSource\":2,\"same\":1,\"other\":[]}\n")); err != nil || got != (summary{ListedSource: 2, Same: 1}) {
		t.Errorf("summary = %+v, %v", got, err)
	}
}
