package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// systemBundles and systemDirs are where the roots of trust of this machine
// are looked for, as crypto/x509 does; the first bundle found counts.
var (
	systemBundles = []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine, macOS
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
	}
	systemDirs = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
)

// bundleVariables are the environment variables by which clients are told a
// file of roots that replaces their own. docs/programs.md says which client
// reads which.
var bundleVariables = []string{
	"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT",
	"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CARGO_HTTP_CAINFO", "NIX_SSL_CERT_FILE", "HTTPLIB2_CA_CERTS",
	"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CODEX_CA_CERTIFICATE",
}

// caVariables name a file of roots that is added to a client's own.
var caVariables = []string{"NODE_EXTRA_CA_CERTS", "DENO_CERT"}

// writeTrust makes a directory with two files: all roots and the run's CA, and
// the latter alone. It goes with the process.
func (p *Process) writeTrust(c *Command) (dir string, err error) {
	if dir, err = privateDir(c.workspace()); err != nil {
		return "", err
	}
	p.undo = append(p.undo, func() { os.RemoveAll(dir) })
	if err = os.WriteFile(filepath.Join(dir, caName), c.CA, 0o600); err == nil {
		err = os.WriteFile(filepath.Join(dir, rootsName), append(systemRoots(c.Env), c.CA...), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("CA: %w", err)
	}
	return dir, nil
}

// The files of a directory that writeTrust makes. The first is also what
// the run's CA is called in a directory of roots.
const (
	caName    = "coo-ca.pem"
	rootsName = "coo-roots.pem"
)

// trustVariables sets the variables by which clients find whom to trust.
func trustVariables(env []string, dir string) []string {
	for _, name := range bundleVariables {
		env = setVariable(env, name, filepath.Join(dir, rootsName))
	}
	for _, name := range caVariables {
		env = setVariable(env, name, filepath.Join(dir, caName))
	}
	return env
}

// systemBundle returns the first of the machine's bundles that is there, or
// would be the first.
func systemBundle() string {
	for _, path := range systemBundles {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return systemBundles[0]
}

// systemRoots returns the roots of this machine: those of the first bundle
// found, and those that variables of the program's environment name, which
// are what its clients would trust without coo.
func systemRoots(env []string) []byte {
	b, err := os.ReadFile(systemBundle())
	if err != nil {
		b = rootsOfDirs()
	}
	b = appendPEM(nil, b)
	var seen []string
	for _, name := range slices.Concat(bundleVariables, caVariables) {
		path := variable(env, name)
		if path == "" || slices.Contains(seen, path) || slices.Contains(systemBundles, path) {
			continue
		}
		seen = append(seen, path)
		if pem, err := os.ReadFile(path); err == nil {
			b = appendPEM(b, pem)
		}
	}
	return b
}

// rootsOfDirs collects the certificates of the first directory that has any.
func rootsOfDirs() []byte {
	for _, dir := range systemDirs {
		var b []byte
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if pem, err := os.ReadFile(f); err == nil && bytes.Contains(pem, []byte(beginCertificate)) {
				b = appendPEM(b, pem)
			}
		}
		if len(b) > 0 {
			return b
		}
	}
	return nil
}

const beginCertificate = "-----BEGIN CERTIFICATE-----"

// appendPEM appends a bundle to a bundle, each certificate on its own lines.
func appendPEM(b, pem []byte) []byte {
	b = append(b, pem...)
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return b
}

// variable returns the value of an environment variable: the last one counts.
func variable(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// setVariable replaces an environment variable, at its place.
func setVariable(env []string, name, value string) []string {
	set := false
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if !strings.HasPrefix(kv, name+"=") {
			out = append(out, kv)
		} else if !set {
			set = true
			out = append(out, name+"="+value)
		}
	}
	if !set {
		out = append(out, name+"="+value)
	}
	return out
}

// removeVariables removes environment variables.
func removeVariables(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}
