package hostfile

import (
	"path"
	"regexp"
	"strings"

	"github.com/coo-runtime/coo/internal/environment"
)

// An interpreter that was installed without a package manager, as in pyenv and
// in the images of Docker's library, has its files at these places of a prefix,
// and says in a header which version it is.
var (
	ofInterpreter = regexp.MustCompile(`^(.*)/(?:lib|bin)/(?:lib)?(python3\.[0-9]+t?)(?:$|/|\.so)`)
	patchLevel    = regexp.MustCompile(`(?m)^#define\s+PY_VERSION\s+"([^"]+)"`)
)

// interpreterOf returns the Python to whose own files a file belongs. known
// remembers them by prefix and name.
func interpreterOf(known map[string]*environment.Package, name string) *environment.Package {
	m := ofInterpreter.FindStringSubmatch(name)
	if m == nil || strings.Contains(name, "/site-packages/") {
		return nil
	}
	header := path.Join(m[1], "include", m[2], "patchlevel.h")
	if m[1] == "" {
		header = "/" + header
	}
	p, ok := known[header]
	if ok {
		return p
	}
	if b, err := readMetadata(header); err == nil {
		if says := patchLevel.FindSubmatch(b); says != nil {
			p = &environment.Package{Name: "python", System: "cpython", Version: string(says[1])}
		}
	}
	known[header] = p
	return p
}
