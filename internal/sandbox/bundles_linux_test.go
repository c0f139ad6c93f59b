package sandbox

import (
	"bytes"
	"crypto/sha1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Roots that Python packages bring along are shown with the run's CA, in the
// interpreter's installation, the virtual environment and the workspace.
func TestBundles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	other := string(newAuthority(t).pem)
	dir := t.TempDir()
	roots := other + other
	certifi := "/lib/python3.11/site-packages/certifi/cacert.pem"
	paths := []string{
		writeFile(t, dir+"/work/.venv"+certifi, roots, 0o644),
		writeFile(t, dir+"/work/sub/env/lib64/python3/site-packages/botocore/cacert.pem", roots, 0o644),
		writeFile(t, dir+"/venv/lib/python3.9/site-packages/pip/_vendor/certifi/cacert.pem", roots, 0o600),
		writeFile(t, dir+"/opt/lib/python3/dist-packages/httplib2/cacerts.txt", roots, 0o644),
		writeFile(t, dir+"/conda/ssl/cacert.pem", roots, 0o644),
		writeFile(t, dir+"/home/.pyenv/versions/3.8/"+certifi, roots, 0o644),
		writeFile(t, dir+"/corp.pem", roots, 0o644),
	}
	// With one root it would be no bundle, were there no variable to say so.
	single := writeFile(t, dir+"/single.pem", other, 0o644)
	not := writeFile(t, dir+"/work/cert.pem", other, 0o644)
	writeFile(t, dir+"/work/sub/env/pyvenv.cfg", "", 0o644)
	writeFile(t, dir+"/opt/bin/tool", "#!/bin/sh\ncat \"$@\"\n", 0o755)
	c := Command{
		Level: Frozen, CA: a.pem, Dir: dir + "/work", Argv: append([]string{dir + "/opt/bin/tool"}, append(paths, not, single)...),
		Env: []string{"PATH=/usr/bin:/bin", "HOME=" + dir + "/home", "VIRTUAL_ENV=" + dir + "/venv", "CONDA_PREFIX=" + dir + "/conda", "REQUESTS_CA_BUNDLE=" + dir + "/corp.pem", "SSL_CERT_FILE=" + single},
	}
	r := perform(t, c)
	want(t, "stdout", r.stdout, strings.Repeat(roots+string(a.pem), len(paths))+other+other+string(a.pem))
	for _, p := range paths {
		want(t, p, readFile(t, p), roots)
	}
}

// What a program finds of the run's CA is fixed: no path of one run.
func TestTrustVariables(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := sh(`env | grep -E 'PROXY|proxy|CERT|CA' | sort; cmp "$NODE_EXTRA_CA_CERTS" ca.pem && echo same; ls -l /etc/ssl/certs | grep -c coo-ca.pem`)
	c.CA, c.Dir = a.pem, t.TempDir()
	writeFile(t, c.Dir+"/ca.pem", string(a.pem), 0o644)
	c.Env = append(environment(t), "HTTPS_PROXY=http://corp:3128", "no_proxy=*", "NODE_EXTRA_CA_CERTS=/corp.pem", "npm_config_proxy=http://corp")
	want(t, "frozen", perform(t, c).stdout, "DENO_CERT=/etc/ssl/certs/coo-ca.pem\nNODE_EXTRA_CA_CERTS=/etc/ssl/certs/coo-ca.pem\nSSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\nsame\n2\n")

	c.Level = Proxied
	c.Argv[2] = `env | grep -iE 'proxy' | sed 's/coo:.*@.*:[0-9]*/U/' | sort; env | grep -E 'CERT|BUNDLE|CA' | sed 's/coo-[0-9]*/N/' | sort; tail -c 100 "$SSL_CERT_FILE" >a; tail -c 100 ca.pem | cmp - a && grep -c BEGIN "$REQUESTS_CA_BUNDLE" >n && [ $(cat n) -gt 20 ] && cmp "$NODE_EXTRA_CA_CERTS" ca.pem && echo fine`
	r := perform(t, c)
	contains(t, "proxied", r.stdout, "HTTPS_PROXY=http://U\n", "http_proxy=http://U\n", "NODE_USE_ENV_PROXY=1\n", "/N/coo-roots.pem\n", "NODE_EXTRA_CA_CERTS="+os.TempDir()+"/N/coo-ca.pem\n", "fine\n")
	if strings.Contains(r.stdout, "no_proxy") || strings.Contains(r.stdout, "corp") {
		t.Errorf("stdout %q", r.stdout)
	}
}

// OpenSSL finds the CA in a directory of roots.
func TestSubjectHash(t *testing.T) {
	a := newAuthority(t)
	file := writeFile(t, t.TempDir()+"/ca.pem", string(a.pem), 0o644)
	out, err := exec.Command("openssl", "x509", "-noout", "-hash", "-in", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := subjectHash(a.pem)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "hash", got+"\n", string(out))
	if _, err := subjectHash([]byte("x")); err == nil {
		t.Error("no error for what is no certificate")
	}
}

// A keystore gets one more entry, and its seal fits.
func TestKeystore(t *testing.T) {
	a := newAuthority(t)
	block, _ := pem.Decode(a.pem)
	store := newKeystore(append(a.pem, a.pem...))
	more, ok := addToKeystore(store, block.Bytes)
	if !ok || more[11] != 3 || bytes.Count(more, block.Bytes) != 3 {
		t.Fatalf("keystore: %v, % x", ok, more[:12])
	}
	body := more[:len(more)-sha1.Size]
	h := sha1.New()
	h.Write([]byte("\x00c\x00h\x00a\x00n\x00g\x00e\x00i\x00tMighty Aphrodite"))
	h.Write(body)
	if !bytes.Equal(h.Sum(nil), more[len(body):]) {
		t.Error("the seal does not fit")
	}
	if _, ok := addToKeystore([]byte("something else, of some length, that is no keystore"), nil); ok {
		t.Error("something else is taken for a keystore")
	}
}

// A directory of roots whose entries are links to a bundle elsewhere.
func TestCopyRoots(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	big := writeFile(t, dir+"/store/bundle", strings.Repeat(string(newAuthority(t).pem), 40), 0o644)
	writeFile(t, dir+"/certs/one.pem", "one", 0o644)
	writeFile(t, dir+"/certs/java/cacerts", "\x30\x82", 0o644)
	for link, to := range map[string]string{"bundle.crt": big, "hash.0": "one.pem", "lost.0": "nothing"} {
		if err := os.Symlink(to, filepath.Join(dir, "certs", link)); err != nil {
			t.Fatal(err)
		}
	}
	o := orders{CA: a.pem}
	if err := o.copyRoots(dir+"/certs", dir+"/copy"); err != nil {
		t.Fatal(err)
	}
	want(t, "one.pem", readFile(t, dir+"/copy/hash.0"), "one")
	if b := readFile(t, dir+"/copy/bundle.crt"); !strings.HasSuffix(b, string(a.pem)) {
		t.Error("the linked bundle has not the CA")
	}
	if b := readFile(t, dir+"/copy/java/cacerts"); !strings.HasPrefix(b, jksMagic) {
		t.Error("the keystore of the newer kind was not replaced")
	}
	if to, _ := os.Readlink(dir + "/copy/lost.0"); to != "nothing" {
		t.Errorf("lost.0 -> %q", to)
	}
	if st, err := os.Lstat(big); err != nil || st.Mode()&os.ModeSymlink != 0 {
		t.Error(err)
	}
}
