package hostfile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path"
	"strings"

	"github.com/coo-runtime/coo/internal/environment"
)

// packagesOf returns the packages that have installed files, given by paths
// through which no link leads. Of other package managers than these three, and
// of what was installed without one but for Python itself, nothing is known.
func packagesOf(paths []string) map[string]*environment.Package {
	by := map[string]*environment.Package{}
	sites := map[string]map[string]*environment.Package{}
	modules := map[string]*environment.Package{}
	var rest []string
	for _, name := range paths {
		p := pythonPackage(sites, name)
		if p == nil {
			p = npmPackage(modules, name)
		}
		if p = tellable(p); p == nil {
			rest = append(rest, name)
			continue
		}
		by[name] = p
	}
	debian := debianPackages("/var/lib/dpkg", rest)
	interpreters := map[string]*environment.Package{}
	for _, name := range rest {
		p := debian[name]
		if p == nil {
			p = interpreterOf(interpreters, name)
		}
		if p = tellable(p); p != nil {
			by[name] = p
		}
	}
	return by
}

// tellable returns p, nil where a manifest cannot have it.
func tellable(p *environment.Package) *environment.Package {
	if p == nil || !environment.Tellable(p.Name) || !environment.Tellable(p.Version) ||
		strings.ContainsAny(p.Name+p.Version, "\n\t") {
		return nil
	}
	return p
}

// maxMetadata is how much of what a package says of itself is read, in bytes.
const maxMetadata = 16 << 20

func readMetadata(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMetadata))
}

// pythonPackage returns the package of a file below site-packages: one of the
// directories NAME-VERSION.dist-info there lists it in its RECORD.
func pythonPackage(sites map[string]map[string]*environment.Package, name string) *environment.Package {
	root := ""
	for _, dir := range []string{"/site-packages/", "/dist-packages/"} {
		if i := strings.LastIndex(name, dir); i+len(dir) > len(root) && i >= 0 {
			root = name[:i+len(dir)-1]
		}
	}
	if root == "" {
		return nil
	}
	site, ok := sites[root]
	if !ok {
		site = readSite(root)
		sites[root] = site
	}
	if p := site[name]; p != nil {
		return p
	}
	return site[sourceOf(name)]
}

// sourceOf returns the module that a file in __pycache__ was compiled from.
func sourceOf(name string) string {
	dir, file := path.Split(name)
	dir, ok := strings.CutSuffix(dir, "/__pycache__/")
	module, _, dotted := strings.Cut(file, ".")
	if !ok || !dotted {
		return ""
	}
	return dir + "/" + module + ".py"
}

// readSite returns the packages of the files in a directory of Python's.
func readSite(root string) map[string]*environment.Package {
	site := map[string]*environment.Package{}
	entries, err := os.ReadDir(root)
	if err != nil {
		return site
	}
	for _, e := range entries {
		dist, ok := strings.CutSuffix(e.Name(), ".dist-info")
		name, version, named := strings.Cut(dist, "-")
		if !ok || !named {
			continue
		}
		record, err := readMetadata(path.Join(root, e.Name(), "RECORD"))
		if err != nil {
			continue
		}
		p := &environment.Package{Name: name, System: "python", Version: version}
		r := csv.NewReader(bytes.NewReader(record))
		r.FieldsPerRecord, r.ReuseRecord = -1, true
		for {
			row, err := r.Read()
			if err != nil {
				break
			}
			site[path.Join(root, row[0])] = p
		}
	}
	return site
}

// npmPackage returns the package of a file below node_modules, which its
// package.json names.
func npmPackage(known map[string]*environment.Package, name string) *environment.Package {
	const dir = "/node_modules/"
	i := strings.LastIndex(name, dir)
	if i < 0 {
		return nil
	}
	elements := strings.SplitN(name[i+len(dir):], "/", 3)
	root := name[:i+len(dir)] + elements[0]
	if strings.HasPrefix(elements[0], "@") && len(elements) > 1 {
		root += "/" + elements[1]
	}
	p, ok := known[root]
	if !ok {
		p = readNPM(root)
		known[root] = p
	}
	return p
}

func readNPM(root string) *environment.Package {
	b, err := readMetadata(path.Join(root, "package.json"))
	if err != nil {
		return nil
	}
	var says struct{ Name, Version string }
	if json.Unmarshal(b, &says) != nil {
		return nil
	}
	return &environment.Package{Name: says.Name, System: "npm", Version: says.Version}
}

// formatPackage returns p as it is remembered with a file.
func formatPackage(p *environment.Package) string {
	if p == nil {
		return ""
	}
	return p.System + "\t" + p.Name + "\t" + p.Version
}

func parsePackage(s string) *environment.Package {
	f := strings.Split(s, "\t")
	if len(f) != 3 {
		return nil
	}
	return &environment.Package{System: f[0], Name: f[1], Version: f[2]}
}
