//go:build unix

package main

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from the children: they end after the transfer has drained.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
