package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
)

// runner runs benches and writes the table.
type runner struct {
	bin     string
	scratch string
	scale   float64
	tools   bool
	out     io.Writer
	bench   *measurement
	before  figures // of the moment at which the measured program was started
}

func (r *runner) header() {
	fmt.Fprint(r.out, "| bench | program | objects | seconds | objects/s | CPU µs/object | MB per CPU-second | peak MiB | connections | requests |\n"+
		"|---|---|---:|---:|---:|---:|---:|---:|---:|---|\n")
}

// with runs one program against fresh stand-ins and writes a row.
func (r *runner) with(ctx context.Context, spec servers, program string, n int, run func(*bench) (usage, error)) error {
	b, err := open(ctx, spec)
	if err != nil {
		return err
	}
	defer b.close()
	r.before = figures{}
	u, err := run(b)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", r.bench.name, program, err)
	}
	f, err := b.figures()
	if err != nil {
		return err
	}
	r.row(program, n, u, &f)
	return nil
}

func (r *runner) row(program string, n int, u usage, f *figures) {
	connections := f.Source.Connections + f.Dest.Connections + f.AWS.Connections -
		r.before.Source.Connections - r.before.Dest.Connections - r.before.AWS.Connections
	rate := "" // of bytes, where bytes are what it is about
	if f.Dest.BytesIn > int64(n)*smallObject {
		rate = fmt.Sprintf("%.0f", float64(f.Dest.BytesIn)/1e6/u.cpu.Seconds())
	}
	fmt.Fprintf(r.out, "| %s | %s | %d | %.2f | %.0f | %.1f | %s | %.0f | %d | %s |\n",
		r.bench.name, program, n, u.wall.Seconds(), float64(n)/u.wall.Seconds(), float64(u.cpu.Microseconds())/float64(n), rate,
		float64(u.peak)/(1<<20), connections, r.requests(f))
}

// requests names the operations that were called, the most frequent first.
func (r *runner) requests(f *figures) string {
	count := map[string]int64{}
	for _, side := range []struct{ now, then map[string]int64 }{
		{f.Source.Operations, r.before.Source.Operations}, {f.Dest.Operations, r.before.Dest.Operations}, {f.AWS.Operations, r.before.AWS.Operations},
	} {
		for op, n := range side.now {
			count[op] += n - side.then[op]
		}
	}
	var ops []string
	for op, n := range count {
		if n > 0 {
			ops = append(ops, op)
		}
	}
	sort.Slice(ops, func(i, j int) bool {
		return count[ops[i]] > count[ops[j]] || count[ops[i]] == count[ops[j]] && ops[i] < ops[j]
	})
	for i, op := range ops {
		ops[i] = fmt.Sprintf("%s %d", op, count[op])
	}
	return strings.Join(ops, ", ")
}

func (r *runner) floor(b *bench, more ...string) program {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return program{argv: append([]string{self, "floor", "--src", b.Source, "--dst", b.Dest}, more...)}
}

// tool measures another tool where this machine has it.
func (r *runner) tool(ctx context.Context, t *tool, spec servers, n int) error {
	b, err := open(ctx, spec)
	if err != nil {
		return err
	}
	defer b.close()
	r.before = figures{}
	u, there, err := t.run(ctx, r, b)
	if !there {
		r.note(t.name + " is not on this machine's PATH")
		return nil
	}
	if err == nil {
		err = r.stored(b, n)
	}
	if err != nil {
		r.note(t.name + " failed: " + err.Error())
		return nil
	}
	f, err := b.figures()
	if err != nil {
		return err
	}
	r.row(t.name, n, u, &f)
	return nil
}

func (r *runner) note(text string) {
	fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().UTC().Format(time.TimeOnly), r.bench.name, text)
}

// missing tells that a program of the engine was not built.
func (r *runner) missing(name string) error {
	r.note("left out: there is no " + name + " in " + r.bin + "; make build makes it")
	return nil
}

func splitLines(b []byte) [][]byte { return bytes.Split(b, []byte("\n")) }
