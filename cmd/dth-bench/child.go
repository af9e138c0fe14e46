package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// bench is where the stand-ins of one measurement run.
type bench struct {
	addresses
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// open starts the stand-ins.
func open(ctx context.Context, spec servers) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bench{cmd: exec.CommandContext(ctx, self, "serve")}
	b.cmd.Stderr = os.Stderr
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.out = bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the stand-ins: %w", err)
	}
	line, err := json.Marshal(spec)
	if err == nil {
		err = b.ask(line, &b.addresses)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) ask(line []byte, into any) error {
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask the stand-ins: %w", err)
	}
	answer, err := b.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("hear the stand-ins: %w", err)
	}
	return json.Unmarshal(answer, into)
}

func (b *bench) figures() (f figures, err error) {
	err = b.ask(nil, &f)
	return f, err
}

// close ends the stand-ins; they end with their input.
func (b *bench) close() {
	_ = b.in.Close()
	_ = b.cmd.Wait()
}

// usage is what a measured program took.
type usage struct {
	wall time.Duration
	cpu  time.Duration
	peak int64 // bytes of memory
	out  []byte
}

func (u *usage) add(o usage) {
	u.wall += o.wall
	u.cpu += o.cpu
	u.peak = max(u.peak, o.peak)
	u.out = o.out
}

// program is something to be measured.
type program struct {
	argv []string
	env  []string
	// until stops the program when it returns; nil lets it come to its own end.
	until func(ctx context.Context) error
	codes []int // exit codes that are as good as 0
}

// measure runs a program to its end. What it printed to standard error is told when it failed.
func measure(ctx context.Context, p program) (usage, error) {
	var u usage
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	stop := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, stop) }()
	var waited error
	if p.until != nil {
		waited = p.until(ctx)
		u.wall = time.Since(begun) // what comes after is the end of the program, not its work
		_ = cmd.Process.Signal(os.Interrupt)
	}
	err := cmd.Wait()
	if p.until == nil {
		u.wall = time.Since(begun)
	}
	close(stop)
	u.peak = <-peak
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.out = out.Bytes()
	if waited != nil {
		return u, waited
	}
	code := cmd.ProcessState.ExitCode()
	for _, good := range p.codes {
		if code == good {
			err = nil
		}
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w\n%s", strings.Join(p.argv, " "), err, tail(errs.Bytes()))
	}
	return u, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// watchMemory follows the peak of a process's resident memory. The figure of getrusage will not do: it begins
// with the memory of the process that started it.
func watchMemory(pid int, stop <-chan struct{}) int64 {
	var peak int64
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status"); err == nil {
			if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
				fields := strings.Fields(rest)
				if kib, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
					peak = max(peak, kib<<10)
				}
			}
		}
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}
