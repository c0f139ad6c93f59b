package sandbox

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coo-runtime/coo/internal/box"
)

// startFrozen starts a box with a network of its own.
func (p *Process) startFrozen(c Command) error {
	c.Env = removeVariables(c.Env, proxyVariables...)
	if len(c.CA) > 0 {
		if err := p.trustInside(&c); err != nil {
			return err
		}
	}
	box, err := startBest(c, false)
	if err != nil {
		return err
	}
	p.box = box
	p.undo = append(p.undo, func() { box.control.Close() })
	return p.serveNames(box.files)
}

// trustInside names the run's CA to the clients that do not look at the
// machine's roots. The path is the same in every run on machines that have
// a directory of roots, where [orders.showTrust] shows the CA.
func (p *Process) trustInside(c *Command) error {
	for _, dir := range systemDirs {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		for _, name := range caVariables {
			c.Env = setVariable(c.Env, name, dir+"/"+caName)
		}
		if variable(c.Env, "SSL_CERT_FILE") == "" {
			c.Env = setVariable(c.Env, "SSL_CERT_FILE", systemBundle())
		}
		return nil
	}
	dir, err := p.writeTrust(c)
	if err != nil {
		return err
	}
	c.Env = trustVariables(c.Env, dir)
	return nil
}

// startBest starts a box with all of the isolation that this machine has:
// root needs no user namespace; where /proc cannot be mounted, processes are
// held without a namespace of their own. A trial box ends once it is prepared.
func startBest(c Command, trial bool) (*initBox, error) {
	o := ordersOf(c)
	o.Trial, o.Network, o.Own, o.IPv6 = trial, true, ownAddrs(), hasIPv6()
	privileged := os.Geteuid() == 0 && hasCapability(unix.CAP_SYS_ADMIN) && hasCapability(unix.CAP_NET_ADMIN)
	var last, why error
	for _, try := range []struct{ root, processes bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		if try.root && !privileged || !try.processes && why == nil {
			continue
		}
		o.Root, o.Processes = try.root, try.processes
		box, err := startBox(c, o)
		if err == nil {
			box.shared = why
			return box, nil
		}
		last, why = err, nil
		switch e, ok := errors.AsType[*prepareError](err); {
		case ok && e.step == "program":
			return nil, errors.New(e.msg)
		case ok && e.step == "processes":
			why = err
		}
	}
	return nil, &LevelError{diagnose(last)}
}

func ordersOf(c Command) orders {
	return orders{
		Argv: c.Argv, Name: cmp.Or(c.Exe, c.Argv[0]), Exe: c.exe, Dir: c.Dir, Env: c.Env,
		FirstPort: sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start"), Workspace: c.workspace(), Over: c.Over, Keep: c.Keep, Fresh: c.Fresh, Given: c.Given, CA: c.CA, Allow: c.Allow,
		Unlisted: inodes(c.Unlisted), Outside: c.Outside,
		Conducted: c.Level == Deterministic, Seed: sha256.Sum256([]byte(c.Seed)), Start: c.Clock * 1e6, Trace: c.Trace,
	}
}

func inodes(files []fs.FileInfo) (out []box.Inode) {
	for _, fi := range files {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			out = append(out, box.Inode{Dev: st.Dev, Ino: st.Ino})
		}
	}
	return out
}

// serveNames answers lookups at the box's listeners, and keeps the one for
// everything else.
func (p *Process) serveNames(files []*os.File) error {
	r := newResolver(p.names)
	var all []net.Listener
	for i, f := range files {
		defer f.Close() // what is made of it has a descriptor of its own
		if i%listenersPerFamily == 2 {
			c, err := net.FilePacketConn(f)
			if err != nil {
				return fmt.Errorf("listener: %w", err)
			}
			p.undo = append(p.undo, func() { c.Close() })
			go r.serveUDP(c)
			continue
		}
		l, err := net.FileListener(f)
		if err != nil {
			return fmt.Errorf("listener: %w", err)
		}
		p.undo = append(p.undo, func() { l.Close() })
		if i%listenersPerFamily == 0 {
			all = append(all, l)
		} else {
			go r.serveTCP(l)
		}
	}
	p.transparent = merge(all)
	p.undo = append(p.undo, func() { p.transparent.Close() })
	return nil
}

// Target returns what a connection accepted from [Process.Transparent] was
// meant for.
func (p *Process) Target(c net.Conn) (Target, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return Target{}, fmt.Errorf("a connection of %T was not redirected", c)
	}
	a, err := originalTarget(tcp)
	if err != nil {
		return Target{}, err
	}
	t := Target{Addr: a.Addr().Unmap(), Port: int(a.Port())}
	if t.Addr.IsLoopback() && t.Port == transparentPort {
		return t, errors.New("a connection to coo's own listener")
	}
	t.Host = p.names.name(t.Addr)
	t.Allowed = allows(p.allow, t)
	return t, nil
}
