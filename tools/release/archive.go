package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"maps"
	"slices"
	"strings"
	"time"
)

// epoch is the time of every file in an archive: the first that a zip file
// can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// A member is a file of an archive.
type member struct {
	name    string
	content []byte
	program bool
}

func (m member) mode() int64 {
	if m.program {
		return 0o755
	}
	return 0o644
}

func names(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// archiveOf returns the archive that is published for a system.
func archiveOf(s system, version string, coo []byte, extras map[string][]byte) (name string, b []byte, err error) {
	stem := "coo_" + strings.TrimPrefix(version, "v") + "_" + s.os + "_" + s.arch
	members := []member{{stem + "/" + s.binary(), coo, true}}
	for _, n := range names(extras) {
		members = append(members, member{stem + "/" + n, extras[n], false})
	}
	if s.os == "windows" {
		b, err = zipOf(members)
		return stem + ".zip", b, err
	}
	b, err = tarOf(members)
	return stem + ".tar.gz", b, err
}

func tarOf(members []member) ([]byte, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(zw)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: m.mode(), Size: int64(len(m.content)), ModTime: epoch, Format: tar.FormatUSTAR}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(m.content); err != nil {
			return nil, err
		}
	}
	if err := cmp.Or(tw.Close(), zw.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func zipOf(members []member) ([]byte, error) {
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, m := range members {
		// 3 is Unix: its modes are in the upper half of the attributes.
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: epoch, CreatorVersion: 3 << 8}
		h.ExternalAttrs = uint32(0o100000|m.mode()) << 16
		w, err := zw.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.content); err != nil {
			return nil, err
		}
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
