package sandbox

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// showTrust shows the run's CA in every place where clients look for roots,
// so that a program trusts it without being told by variables.
func (o *orders) showTrust(s *scratch) error {
	if len(o.CA) == 0 {
		return nil
	}
	shown := map[string]bool{}
	for _, dir := range systemDirs {
		if err := o.trustDir(s, dir, shown); err != nil {
			return err
		}
	}
	// First those that the program is told of: they are bundles even with one
	// root in them, such as a company's own.
	for _, path := range o.namedBundles() {
		if err := o.trustFile(s, path, 1, shown); err != nil {
			return err
		}
	}
	for _, path := range slices.Concat(systemBundles, o.bundles()) {
		if err := o.trustFile(s, path, 2, shown); err != nil {
			return err
		}
	}
	return nil
}

// trustFile shows a bundle with the run's CA in it. A file with fewer roots
// than least is none.
func (o *orders) trustFile(s *scratch, path string, least int, shown map[string]bool) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || shown[real] {
		return nil
	}
	shown[real] = true
	old, err := os.ReadFile(real)
	if err != nil || bytes.Contains(old, o.CA) {
		return nil
	}
	b, ok := o.trusting(real, old, least)
	if !ok {
		return nil
	}
	return s.showFile(real, b, 0o644)
}

// trusting returns the content of a bundle with the run's CA in it; false
// when it is no bundle of at least so many roots. Java's newer kind of keystore is replaced by one of
// the older kind, which is read in its place.
func (o *orders) trusting(path string, old []byte, least int) ([]byte, bool) {
	if bytes.Count(old, []byte(beginCertificate)) >= least {
		return append(appendPEM(nil, old), o.CA...), true
	}
	block, _ := pem.Decode(o.CA)
	if block == nil {
		return nil, false
	}
	if b, ok := addToKeystore(old, block.Bytes); ok {
		return b, true
	}
	if filepath.Base(path) == "cacerts" && len(old) > 0 && old[0] == 0x30 {
		return newKeystore(append(systemRoots(nil), o.CA...)), true
	}
	return nil, false
}

// trustDir shows a directory of roots with the run's CA in it, also under the
// name by which OpenSSL looks for it.
func (o *orders) trustDir(s *scratch, dir string, shown map[string]bool) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || shown[real] {
		return nil
	}
	shown[real] = true
	hash, err := subjectHash(o.CA)
	if err != nil {
		return err
	}
	copied := s.path()
	if err := o.copyRoots(real, copied); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(copied, caName), o.CA, 0o644); err != nil {
		return err
	}
	if err := os.Symlink(caName, filepath.Join(copied, hash+".0")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	bundle := filepath.Join(copied, filepath.Base(systemBundles[0]))
	if _, err := os.Stat(systemBundle()); err != nil {
		// A machine without roots: clients look for the file all the same.
		if err := os.WriteFile(bundle, o.CA, 0o644); err != nil {
			return err
		}
	}
	return s.show(copied, real)
}

// maxRootFile bounds what is copied of a directory of roots.
const maxRootFile = 16 << 20

// copyRoots copies a directory of roots, and adds the run's CA to every
// bundle in it.
func (o *orders) copyRoots(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if err := o.copyEntry(e, src, dst); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// minLinkedBundle is the size from which on a file behind a link is looked
// into: most links are to single certificates.
const minLinkedBundle = 16 << 10

func (o *orders) copyEntry(e fs.DirEntry, src, dst string) error {
	switch e.Type() {
	case fs.ModeDir:
		return o.copyRoots(src, dst)
	case fs.ModeSymlink:
		if st, err := os.Stat(src); err != nil || !st.Mode().IsRegular() || st.Size() < minLinkedBundle {
			return copyLink(src, dst)
		}
		return o.copyRoot(src, dst)
	case 0:
		return o.copyRoot(src, dst)
	default:
		return nil
	}
}

func copyLink(src, dst string) error {
	text, err := os.Readlink(src)
	if err != nil {
		return err
	}
	return os.Symlink(text, dst)
}

func (o *orders) copyRoot(src, dst string) error {
	st, err := os.Stat(src)
	if err != nil || st.Size() > maxRootFile {
		return err
	}
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	if trusting, ok := o.trusting(src, b, 2); ok {
		b = trusting
	}
	return os.WriteFile(dst, b, 0o644)
}
