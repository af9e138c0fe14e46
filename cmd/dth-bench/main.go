// Command dth-bench measures the engine's binaries against simulated stores, queues and tables, and prints a
// table: objects a second, CPU an object, peak memory, connections and requests, next to what the
// requests cost in plain net/http and to other tools where they are on the PATH.
//
// Every program that is measured runs in a process of its own, and so do the stand-ins: the figures are
// those of the program alone. The clock of the wall, though, is shared by all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "dth-bench:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return runServe()
		case "floor":
			return runFloor(ctx, args[1:])
		case "images":
			return measureImages(ctx, args[1:])
		}
	}
	return measureAll(ctx, args)
}

func measureAll(ctx context.Context, args []string) error {
	r := &runner{out: os.Stdout}
	fs := flag.NewFlagSet("dth-bench", flag.ContinueOnError)
	fs.StringVar(&r.bin, "bin", besideSelf(), "folder with dth, jobfinder and jobworker")
	fs.Float64Var(&r.scale, "scale", 1, "share of the number of objects")
	fs.BoolVar(&r.tools, "tools", true, "measure rclone, s5cmd and the AWS CLI too, where they are")
	only := fs.String("only", "", "names of benches, separated by commas; all by default")
	list := fs.Bool("list", false, "print the names of the benches")
	if err := fs.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *list {
		for _, m := range chosen {
			fmt.Printf("%-20s %s\n", m.name, m.what)
		}
		return nil
	}
	if r.scratch, err = os.MkdirTemp("", "dth-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(r.scratch)
	r.header()
	for i := range chosen {
		r.bench = &chosen[i]
		if err := chosen[i].run(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func besideSelf() string {
	self, err := os.Executable()
	if err != nil {
		return "bin"
	}
	return filepath.Dir(self)
}

func choose(only string) ([]measurement, error) {
	all := benches()
	if only == "" {
		return all, nil
	}
	var chosen []measurement
	for _, name := range strings.Split(only, ",") {
		found := false
		for _, m := range all {
			if m.name == strings.TrimSpace(name) {
				chosen, found = append(chosen, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no bench is called %q; --list names them", name)
		}
	}
	return chosen, nil
}
