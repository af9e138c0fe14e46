// Command entry stands for the copier: it says which skopeo it would call, and whether it may write.
package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	out, err := exec.Command("skopeo", "--version").CombinedOutput()
	fmt.Printf("%s%v %v\n", out, err, os.WriteFile(os.Getenv("DTH_SCRATCH")+"/file", nil, 0o600))
}
