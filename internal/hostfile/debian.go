package hostfile

import (
	"bytes"
	"os"
	"path"
	"strings"

	"github.com/coo-runtime/coo/internal/environment"
)

// debianPackages returns the packages of files by what dpkg keeps in the
// directory admin: info/NAME.list or info/NAME:ARCH.list, a path a line, and
// the versions in status (deb-control(5)).
func debianPackages(admin string, paths []string) map[string]*environment.Package {
	if len(paths) == 0 {
		return nil
	}
	versions := debianVersions(path.Join(admin, "status"))
	entries, err := os.ReadDir(path.Join(admin, "info"))
	if err != nil || len(versions) == 0 {
		return nil
	}
	wanted := map[string]string{} // as dpkg has it, to the path
	for _, name := range paths {
		wanted[name] = name
		// A package may have been made when /lib was not yet a link to /usr/lib.
		if old, ok := strings.CutPrefix(name, "/usr"); ok && merged(old) {
			wanted[old] = name
		}
	}
	by := map[string]*environment.Package{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".list")
		version := versions[name]
		if !ok || version == "" {
			continue
		}
		list, err := readMetadata(path.Join(admin, "info", e.Name()))
		if err != nil {
			continue
		}
		plain, _, _ := strings.Cut(name, ":")
		for line := range bytes.Lines(list) {
			if file, ok := wanted[string(bytes.TrimSuffix(line, []byte{'\n'}))]; ok {
				by[file] = &environment.Package{Name: plain, System: "debian", Version: version}
			}
		}
	}
	return by
}

// merged reports whether a path is below one of the directories that are links
// into /usr today.
func merged(name string) bool {
	return strings.HasPrefix(name, "/lib") || strings.HasPrefix(name, "/bin/") || strings.HasPrefix(name, "/sbin/")
}

// debianVersions returns the versions of what is installed, by the names that
// the lists of files have: NAME, and NAME:ARCH.
func debianVersions(status string) map[string]string {
	b, err := readMetadata(status)
	if err != nil {
		return nil
	}
	versions := map[string]string{}
	for stanza := range strings.SplitSeq(string(b), "\n\n") {
		field := map[string]string{}
		for line := range strings.Lines(stanza) {
			name, value, ok := strings.Cut(line, ": ")
			if ok && !strings.HasPrefix(name, " ") {
				field[name] = strings.TrimSpace(value)
			}
		}
		name, version := field["Package"], field["Version"]
		if name == "" || version == "" {
			continue
		}
		versions[name] = version
		versions[name+":"+field["Architecture"]] = version
	}
	return versions
}
