package workspace

import "os/exec"

func asNobody(*exec.Cmd) {}
