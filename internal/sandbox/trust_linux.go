package sandbox

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	for _, path := range systemBundles {
		if err := o.trustFile(s, path, shown); err != nil {
			return err
		}
	}
	return nil
}

// trustFile shows a bundle with the run's CA at its end.
func (o *orders) trustFile(s *scratch, path string, shown map[string]bool) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || shown[real] {
		return nil
	}
	shown[real] = true
	pem, err := os.ReadFile(real)
	if err != nil || !bytes.Contains(pem, []byte(beginCertificate)) || bytes.Contains(pem, o.CA) {
		return nil
	}
	return s.showFile(real, append(appendPEM(nil, pem), o.CA...), 0o644)
}

// caName is the file of a directory of roots that holds the run's CA alone.
const caName = "coo-ca.pem"

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
	return bind(copied, real)
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
		switch e.Type() {
		case fs.ModeSymlink:
			err = copyLink(src, dst)
		case fs.ModeDir:
			err = o.copyRoots(src, dst)
		case 0:
			err = o.copyRoot(src, dst)
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
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
	if bytes.Count(b, []byte(beginCertificate)) > 1 {
		b = append(appendPEM(nil, b), o.CA...)
	}
	return os.WriteFile(dst, b, 0o644)
}
