package skopeo

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderPrefix begins the names of folders that hold sign-ins; the number of the process follows.
const folderPrefix = "auth-"

// Folder makes a folder below scratch that only this user may read, for what must not outlive this process: Open removes those that a
// process has left which was killed.
func Folder(scratch string) (string, error) {
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return "", fmt.Errorf("folder of the copier: %w", err)
	}
	dir, err := os.MkdirTemp(scratch, fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("folder of sign-ins: %w", err)
	}
	return dir, nil
}

// sweep removes what a process has left which was killed. Folders of a process that lives stay.
func sweep(scratch string) {
	all, err := filepath.Glob(filepath.Join(scratch, folderPrefix+"*"))
	if err != nil {
		return // the pattern is wrong, which it is not
	}
	for _, dir := range all {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), folderPrefix), "-")
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
