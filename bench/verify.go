package main

import (
	"net/http/httptest"
	"os/exec"
	"path/filepath"

	"github.com/coo-runtime/coo/internal/store"
)

// verify measures coo verify against sha256sum on the files that it reads.
func (b *bench) verify() error {
	large, err := b.largeRun()
	if err != nil {
		return err
	}
	if b.long == "" {
		srv := httptest.NewServer(&server{})
		defer srv.Close()
		if _, _, err := b.recordHistory(srv); err != nil {
			return err
		}
	}
	for _, r := range []struct{ what, dir string }{
		{"verify 10,000 calls", large},
		{"verify 200 turns of a growing history", b.long},
	} {
		ours, err := medianOf(3, func() error { return b.command(r.dir, "verify", "@last") })
		if err != nil {
			return err
		}
		size, _, err := sizeOf(r.dir)
		if err != nil {
			return err
		}
		sums, err := medianOf(3, func() error { return sha256sum(filepath.Join(r.dir, store.Name)) })
		if err != nil {
			return err
		}
		b.rows.add(r.what+": the files, "+megabytes(size), short(ours), short(sums)+" sha256sum", ratio(ours, sums), "")
		plain, err := b.export(r.dir)
		if err != nil {
			return err
		}
		if size, _, err = sizeOf(plain); err != nil {
			return err
		}
		if sums, err = medianOf(3, func() error { return sha256sum(plain) }); err != nil {
			return err
		}
		b.rows.add("  what they hold, unpacked, "+megabytes(size), short(ours), short(sums)+" sha256sum", ratio(ours, sums), "")
	}
	return nil
}

// export writes the newest run of the store in dir as plain files.
func (b *bench) export(dir string) (string, error) {
	_, _, r, err := lastRun(dir)
	if err != nil {
		return "", err
	}
	plain, err := b.subdir("plain")
	if err != nil {
		return "", err
	}
	return plain, r.Export(plain)
}

// sha256sum sums every file below dir.
func sha256sum(dir string) error {
	cmd := exec.Command("sh", "-c", "find . -type f -print0 | xargs -0 sha256sum >/dev/null")
	cmd.Dir = dir
	return cmd.Run()
}
