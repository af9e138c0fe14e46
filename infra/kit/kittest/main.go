// Package kittest runs tests that write templates.
package kittest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/aws/jsii-runtime-go"
)

// inner is set in the process that runs the tests.
const inner = "DTH_KITTEST_INNER"

// Run runs the tests of a package and returns the exit code, with which TestMain ends. They share one jsii runtime, as starting
// one takes a second.
//
// They run in a process of their own, which ends without closing the runtime: jsii.Close touches the runtime's process from two
// goroutines at once, which the race detector takes for a failure of the tests. The runtime sees the end of its process and
// ends, too; the files that jsii would have removed are in a folder that is removed here.
func Run(m *testing.M) int {
	if os.Getenv(inner) != "" {
		return m.Run()
	}
	code, err := again()
	jsii.Close() // nothing was asked of this one, so nothing runs
	if err != nil {
		fmt.Fprintln(os.Stderr, "running the tests:", err)
		return 1
	}
	return code
}

// again runs this program once more, as the one that runs the tests.
func again() (code int, err error) {
	dir, err := os.MkdirTemp("", "dth-jsii-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inner+"=1", "TMPDIR="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}
