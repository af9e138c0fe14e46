package skopeo

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// authPrefix begins the names of folders that hold sign-ins; the number of the process follows.
const authPrefix = "auth-"

// sweep removes sign-ins that a process has left which was killed. Those of a process that lives stay.
func sweep(scratch string) {
	all, err := filepath.Glob(filepath.Join(scratch, authPrefix+"*"))
	if err != nil {
		return // the pattern is wrong, which it is not
	}
	for _, dir := range all {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), authPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid == os.Getpid() || alive(pid) {
			continue
		}
		_ = os.RemoveAll(dir) // what cannot be removed is tried again by the next process
	}
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}
