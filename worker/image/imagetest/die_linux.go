package imagetest

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends a child whose parent was killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
