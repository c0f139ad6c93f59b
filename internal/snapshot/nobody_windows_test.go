package snapshot

import "syscall"

func nobody() *syscall.SysProcAttr { return nil }
