package sandbox

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
)

// probeFrozen makes a box and ends it.
func probeFrozen() Finding {
	c := Command{Level: Frozen, Argv: []string{"-"}, Dir: "/"}
	box, err := startBest(c, true)
	if err != nil {
		if e, ok := errors.AsType[*LevelError](err); ok {
			return e.Finding
		}
		return Finding{Level: Frozen, Why: err.Error()}
	}
	box.control.Close()
	for _, f := range box.files {
		f.Close()
	}
	<-box.done
	f := Finding{Level: Frozen, OK: true}
	if box.shared != nil {
		f.Note = "processes are in the machine's own list, because one of their own is refused (" + box.shared.Error() + "): the program sees others, and has other process numbers each time"
	}
	return f
}

// diagnose says why a box could not be made, and what to do about it.
func diagnose(err error) Finding {
	f := Finding{Level: Frozen, Why: err.Error()}
	prepared, inside := errors.AsType[*prepareError](err)
	refused := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || inside && prepared.refused()
	switch {
	case inside && prepared.step == "network" && strings.Contains(prepared.msg, "nf_tables"):
		f.Why = "the kernel redirects no connections: " + prepared.msg
		f.Remedy = "load its modules: modprobe nf_tables nft_chain_nat nft_redir nft_ct nft_reject_ipv4 nft_reject_ipv6"
	case sysctl("/proc/sys/user/max_user_namespaces") == "0" || errors.Is(err, syscall.ENOSPC):
		f.Why = "user namespaces are switched off (user.max_user_namespaces)"
		f.Remedy = "sysctl -w user.max_user_namespaces=15000"
	case sysctl("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		f.Why = "user namespaces are for root only (kernel.unprivileged_userns_clone)"
		f.Remedy = "sysctl -w kernel.unprivileged_userns_clone=1"
	case refused && sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		f.Why = "AppArmor takes the privileges of user namespaces away (kernel.apparmor_restrict_unprivileged_userns)"
		f.Remedy = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give coo a profile with \"userns,\""
	case refused && inContainer():
		f.Why = "the container forbids namespaces: " + err.Error()
		f.Remedy = "start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged"
	case refused && seccompOn():
		f.Why = "a seccomp filter forbids namespaces: " + err.Error()
		f.Remedy = "start coo outside of what installed it"
	}
	return f
}

func sysctl(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func inContainer() bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return os.Getenv("container") != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

func seccompOn() bool {
	b, err := os.ReadFile("/proc/self/status")
	return err == nil && bytes.Contains(b, []byte("Seccomp:\t2"))
}
