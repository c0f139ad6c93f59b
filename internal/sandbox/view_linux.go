package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/coo-runtime/coo/internal/box"
)

// showFiles shows the files by which programs find names and decide whom to
// trust as they must be inside.
func (o *orders) showFiles(s *scratch) error {
	for _, f := range o.editedFiles() {
		old, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.showFile(f.path, f.edit(old), 0o644); err != nil {
			return err
		}
	}
	for _, path := range hiddenSockets {
		if err := s.hideSocket(path); err != nil {
			return err
		}
	}
	for _, f := range o.Given {
		if !filepath.IsLocal(f.Path) {
			return fmt.Errorf("given %q: not inside the workspace", f.Path)
		}
		if err := s.showReadOnly(filepath.Join(o.Workspace, f.Path), f.Content); err != nil {
			return fmt.Errorf("given %q: %w", f.Path, err)
		}
	}
	return o.showTrust(s)
}

// An editedFile is shown with other content than it has.
type editedFile struct {
	path string
	edit func([]byte) []byte
}

func (o *orders) editedFiles() []editedFile {
	list := []editedFile{
		{"/etc/resolv.conf", func([]byte) []byte { return resolvConf() }},
		{"/etc/nsswitch.conf", nsswitchConf},
		{"/etc/hosts", o.hosts},
	}
	if !o.Conducted {
		return list
	}
	list[2].edit = always("127.0.0.1\tlocalhost " + box.HostName + "\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	return append(list,
		editedFile{"/etc/hostname", always(box.HostName + "\n")},
		editedFile{"/etc/machine-id", always(machineID)},
		editedFile{"/var/lib/dbus/machine-id", always(machineID)})
}

// machineID is that of every machine at level deterministic, machine-id(5).
const machineID = "c00c00c00c00c00c00c00c00c00c00c0\n"

func always(s string) func([]byte) []byte {
	return func([]byte) []byte { return []byte(s) }
}

// resolvConf names one server and no search domains: a name is looked up as
// it was written, whatever machine this is.
func resolvConf() []byte {
	return fmt.Appendf(nil, "nameserver %s\noptions ndots:0 timeout:5 attempts:2\n", serverAddr)
}

// nsswitchConf leaves two sources of host names: /etc/hosts and the resolver.
// Others (mdns, resolve, libvirt) ask services outside of the box.
func nsswitchConf(old []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(old) {
		if database, _, ok := bytes.Cut(line, []byte{':'}); ok && string(bytes.TrimSpace(database)) == "hosts" {
			line = []byte("hosts: files dns\n")
		}
		b.Write(line)
	}
	return b.Bytes()
}

// hosts keeps the names of /etc/hosts that mean this machine. Those of other
// machines get an address by which coo knows the name, and so do allowed
// ones: coo reaches them outside, where the file counts.
func (o *orders) hosts(old []byte) []byte {
	own := map[netip.Addr]bool{}
	for _, a := range o.Own {
		own[a] = true
	}
	allowed := map[string]bool{}
	for _, e := range o.Allow {
		allowed[e.Host] = !isLocalhost(e.Host)
	}
	var b strings.Builder
	for line := range strings.Lines(string(old)) {
		text, _, _ := strings.Cut(line, "#")
		f := strings.Fields(text)
		if len(f) < 2 {
			continue
		}
		a, err := netip.ParseAddr(f[0])
		if err != nil || !(a.Unmap().IsLoopback() || own[a.Unmap()]) {
			continue
		}
		kept := f[:1]
		for _, name := range f[1:] {
			if !allowed[strings.ToLower(name)] {
				kept = append(kept, name)
			}
		}
		if len(kept) > 1 {
			b.WriteString(strings.Join(kept, " ") + "\n")
		}
	}
	return []byte(b.String())
}

// hiddenSockets are services at paths, where a network of one's own ends no
// connection, that would look up names or do requests for the program.
var hiddenSockets = []string{
	"/run/nscd/socket", "/var/run/nscd/socket", "/run/docker.sock", "/var/run/docker.sock",
	"/run/podman/podman.sock", "/run/containerd/containerd.sock",
}

// hideSocket makes connecting to a socket fail as if nobody served it.
func (s *scratch) hideSocket(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // there is none
	}
	st, err := os.Lstat(real)
	if err != nil || st.Mode().Type() != fs.ModeSocket {
		return nil
	}
	return s.show("/dev/null", real)
}
