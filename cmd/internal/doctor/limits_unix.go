//go:build linux || darwin

package doctor

import "syscall"

// freeSpace returns how many bytes this user may still write to a folder's file system.
func freeSpace(path string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:gosec // no file system has more than 8 EiB
}

// fileLimit returns how many files this process may have open.
func fileLimit() (files uint64, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return l.Cur, true
}
