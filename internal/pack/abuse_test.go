package pack_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// An entry is a file of a zip archive that somebody makes who keeps to no
// rules: every field of its headers can be set.
type entry struct {
	name, localName  string // the second is the first unless it is set
	text             string
	flags, method    uint16
	needs, made      uint16
	time, date       uint16
	crc              *uint32
	size, stored     *uint32
	attributes       *uint32
	extra, lextra    string
	comment          string
	offset           *uint32
	noData, noHeader bool
}

func ptr(n uint32) *uint32 { return &n }

func or(p *uint32, v uint32) uint32 {
	if p != nil {
		return *p
	}
	return v
}

// build writes entries as an archive, and after their directory what end makes
// of the number of entries, its size and its place.
func build(entries []entry, end func(n, size, at int) []byte) []byte {
	var b, dir []byte
	le := binary.LittleEndian
	for _, e := range entries {
		local := e.name
		if e.localName != "" {
			local = e.localName
		}
		if e.made == 0 {
			e.made = 3<<8 | 20
		}
		if e.needs == 0 {
			e.needs = 10
		}
		if e.date == 0 {
			e.date = 33
		}
		common := func(b []byte, extra, name string) []byte {
			b = le.AppendUint16(le.AppendUint16(le.AppendUint16(b, e.needs), e.flags), e.method)
			b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, e.time), e.date), or(e.crc, crc32.ChecksumIEEE([]byte(e.text))))
			b = le.AppendUint32(le.AppendUint32(b, or(e.stored, uint32(len(e.text)))), or(e.size, uint32(len(e.text))))
			return le.AppendUint16(le.AppendUint16(b, uint16(len(name))), uint16(len(extra)))
		}
		at := uint32(len(b))
		if !e.noData {
			b = common(le.AppendUint32(b, 0x04034b50), e.lextra, local)
			b = append(append(append(b, local...), e.lextra...), e.text...)
		}
		if e.noHeader {
			continue
		}
		dir = common(le.AppendUint16(le.AppendUint32(dir, 0x02014b50), e.made), e.extra, e.name)
		dir = le.AppendUint16(le.AppendUint16(le.AppendUint16(dir, uint16(len(e.comment))), 0), 0)
		dir = le.AppendUint32(le.AppendUint32(dir, or(e.attributes, 0o100644<<16)), or(e.offset, at))
		dir = append(append(append(dir, e.name...), e.extra...), e.comment...)
	}
	n := 0
	for _, e := range entries {
		if !e.noHeader {
			n++
		}
	}
	if end == nil {
		end = endRecord
	}
	return append(append(b, dir...), end(n, len(dir), len(b))...)
}

func endRecord(n, size, at int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x06054b50)
	b = le.AppendUint16(le.AppendUint16(le.AppendUint16(le.AppendUint16(b, 0), 0), uint16(n)), uint16(n))
	return le.AppendUint16(le.AppendUint32(le.AppendUint32(b, uint32(size)), uint32(at)), 0)
}

// zip64End is an end record with a zip64 one before it that says what tell says.
func zip64End(tell func(n, size, at int) (files, length, start uint64)) func(n, size, at int) []byte {
	return func(n, size, at int) []byte {
		le := binary.LittleEndian
		files, length, start := tell(n, size, at)
		b := le.AppendUint64(le.AppendUint32(nil, 0x06064b50), 44)
		b = le.AppendUint16(le.AppendUint16(b, 3<<8|20), 45)
		b = le.AppendUint32(le.AppendUint32(b, 0), 0)
		b = le.AppendUint64(le.AppendUint64(b, files), files)
		b = le.AppendUint64(le.AppendUint64(b, length), start)
		b = le.AppendUint32(le.AppendUint32(b, 0x07064b50), 0)
		b = le.AppendUint32(le.AppendUint64(b, uint64(at+size)), 1)
		return append(b, endRecord(0xffff, 0xffffffff, 0xffffffff)...)
	}
}

// abuses is the corpus: archives that a stranger might send, by name. Each is
// the demo's pack with one thing wrong, but for those that are nothing at all.
func abuses(t testing.TB) map[string][]byte {
	whole := demo(t)
	var honest []entry
	for _, f := range unzip(t, whole) {
		honest = append(honest, entry{name: f.name, text: f.text})
	}
	if !bytes.Equal(build(honest, nil), whole) {
		t.Fatal("the abuse corpus does not begin with a sound pack")
	}
	edit := func(name string, change func(e *entry)) []byte {
		es := slices.Clone(honest)
		for i := range es {
			if es[i].name == name {
				change(&es[i])
				return build(es, nil)
			}
		}
		t.Fatalf("no file %s", name)
		return nil
	}
	rename := func(to string) []byte { return edit("outputs/notes.txt", func(e *entry) { e.name = to }) }
	with := func(more ...entry) []byte {
		es := append(slices.Clone(honest), more...)
		slices.SortStableFunc(es, func(a, b entry) int { return strings.Compare(a.name, b.name) })
		return build(es, nil)
	}
	end := func(f func(n, size, at int) []byte) []byte { return build(honest, f) }
	readme := func(change func(e *entry)) []byte { return edit("README.txt", change) }
	honestZip64 := func(n, size, at int) (uint64, uint64, uint64) { return uint64(n), uint64(size), uint64(at) }

	out := map[string][]byte{
		"nothing":       {},
		"one byte":      {'P'},
		"text":          []byte("this is no archive at all, but long enough to look for one\n"),
		"zeros":         make([]byte, 1000),
		"an empty zip":  build(nil, nil),
		"an end alone":  endRecord(1, 0, 0),
		"half of it":    whole[:len(whole)/2],
		"one byte less": whole[:len(whole)-1],
		"begins late":   whole[1:],

		"bytes before": append([]byte("#!/bin/sh\n"), whole...),
		"bytes after":  append(slices.Clone(whole), 'x'),
		"twice":        append(slices.Clone(whole), whole...),
		"a comment": end(func(n, size, at int) []byte {
			b := endRecord(n, size, at)
			b[len(b)-2] = 5
			return append(b, "hello"...)
		}),
		"a comment in the directory": readme(func(e *entry) { e.comment = "x" }),
		"bytes between":              end(func(n, size, at int) []byte { return append(make([]byte, 7), endRecord(n, size, at)...) }),

		"a path upwards":               rename("outputs/../../notes.txt"),
		"a path that is upwards":       rename(".."),
		"an absolute path":             rename("/etc/passwd"),
		"a drive":                      rename("C:/notes.txt"),
		"a share":                      rename("//server/share/notes.txt"),
		"a backslash":                  rename(`outputs\..\..\notes.txt`),
		"a dot":                        rename("outputs/./notes.txt"),
		"an empty name in a path":      rename("outputs//notes.txt"),
		"an empty name":                rename(""),
		"a name that ends in a slash":  rename("outputs/notes.txt/"),
		"a NUL in a name":              rename("outputs/notes.txt\x00.png"),
		"a line break in a name":       rename("outputs/notes\n.txt"),
		"an escape sequence in a name": rename("outputs/\x1b[2Jnotes.txt"),
		"a stream of NTFS":             rename("outputs/notes.txt:hidden"),
		"a device":                     rename("outputs/CON"),
		"a device with an extension":   rename("outputs/nul.txt"),
		"a serial port":                rename("outputs/com1.a.b"),
		"a dot at the end":             rename("outputs/notes.txt."),
		"a space at the end":           rename("outputs/notes.txt "),
		"a name not in ASCII":          rename("outputs/n\u00f6tes.txt"),
		"a name not normalised":        rename("outputs/no\u0308tes.txt"),
		"right to left":                rename("outputs/\u202etxt.seton"),
		"overlong UTF-8":               rename("outputs/\xc0\xafnotes.txt"),
		"a long name":                  rename("outputs/" + strings.Repeat("n", 256)),
		"a long path":                  rename(strings.Repeat("n/", 600) + "n"),
		"a deep path":                  rename(strings.Repeat("n/", 64) + "n"),
		"a name with a star":           rename("outputs/*.txt"),

		"a name twice":               with(entry{name: "outputs/notes.txt", text: "other"}),
		"a name in another case":     with(entry{name: "OUTPUTS/NOTES.TXT", text: "other"}),
		"a directory in other case":  with(entry{name: "Outputs/more.txt", text: "other"}),
		"a file that is a directory": with(entry{name: "outputs", text: "x"}),
		"a directory that is a file": with(entry{name: "outputs/notes.txt/more", text: "x"}),
		"out of order":               build(append(slices.Clone(honest[1:]), honest[0]), nil),
		"a file more":                with(entry{name: "extra", text: "x"}),
		"a directory entry":          with(entry{name: "outputs/", attributes: ptr(0o40755 << 16)}),
		"a file that is not listed":  with(entry{name: "extra", text: "x", noHeader: true}),
		"a file that is not there":   with(entry{name: "extra", text: "x", noData: true}),

		"a link":                     readme(func(e *entry) { e.attributes = ptr(0o120777 << 16); e.text = "/etc/passwd" }),
		"a link of the right size":   readme(func(e *entry) { e.attributes = ptr(0o120777 << 16) }),
		"a device file":              readme(func(e *entry) { e.attributes = ptr(0o60644 << 16) }),
		"setuid":                     readme(func(e *entry) { e.attributes = ptr(0o104755 << 16) }),
		"an executable":              readme(func(e *entry) { e.attributes = ptr(0o100755 << 16) }),
		"made by MS-DOS":             readme(func(e *entry) { e.made = 20 }),
		"made by a later version":    readme(func(e *entry) { e.made = 3<<8 | 63 }),
		"needs a later version":      readme(func(e *entry) { e.needs = 20 }),
		"a time":                     readme(func(e *entry) { e.time = 1 }),
		"a date":                     readme(func(e *entry) { e.date = 0x5a21 }),
		"encrypted":                  readme(func(e *entry) { e.flags = 1 }),
		"a data descriptor":          readme(func(e *entry) { e.flags = 8 }),
		"names said to be UTF-8":     readme(func(e *entry) { e.flags = 0x800 }),
		"patched data":               readme(func(e *entry) { e.flags = 0x20 }),
		"strong encryption":          readme(func(e *entry) { e.flags = 0x41 }),
		"deflate":                    readme(func(e *entry) { e.method = 8 }),
		"bzip2":                      readme(func(e *entry) { e.method = 12 }),
		"zstd":                       readme(func(e *entry) { e.method = 93 }),
		"another name locally":       readme(func(e *entry) { e.localName = "readme.txt" }),
		"a longer name locally":      readme(func(e *entry) { e.localName = "../README.txt" }),
		"an extra field":             readme(func(e *entry) { e.extra, e.lextra = "UT\x05\x00\x01abcd", "UT\x05\x00\x01abcd" }),
		"an extra field locally":     readme(func(e *entry) { e.lextra = "xx\x00\x00" }),
		"a Unicode path field":       readme(func(e *entry) { e.extra = "up\x06\x00\x01\x00\x00\x00\x00x" }),
		"zip64 sizes for nothing":    readme(func(e *entry) { e.needs = 45; e.extra = "\x01\x00\x10\x00" + strings.Repeat("\x00", 16) }),
		"a wrong CRC":                readme(func(e *entry) { e.crc = ptr(1) }),
		"a size that is too long":    readme(func(e *entry) { e.size, e.stored = ptr(1<<20), ptr(1<<20) }),
		"a size that is too short":   readme(func(e *entry) { e.size, e.stored = ptr(10), ptr(10) }),
		"a size of 4 GiB":            readme(func(e *entry) { e.size, e.stored = ptr(0xfffffffe), ptr(0xfffffffe) }),
		"a size told elsewhere":      readme(func(e *entry) { e.size, e.stored = ptr(0xffffffff), ptr(0xffffffff) }),
		"a bomb's promise":           readme(func(e *entry) { e.size = ptr(0xf0000000) }),
		"a content changed":          readme(func(e *entry) { e.text = strings.ToUpper(e.text) }),
		"files that overlap":         edit("outputs/notes.txt", func(e *entry) { e.offset = ptr(0) }),
		"a file within another":      edit("outputs/notes.txt", func(e *entry) { e.noData = true; e.offset = ptr(30) }),
		"an offset beyond":           readme(func(e *entry) { e.offset = ptr(1 << 30) }),
		"an offset told elsewhere":   readme(func(e *entry) { e.offset = ptr(0xffffffff) }),
		"an entry for the directory": edit("outputs/notes.txt", func(e *entry) { e.offset = ptr(uint32(len(whole) - 22)) }),

		"a count too high":         end(func(n, size, at int) []byte { return endRecord(n+1, size, at) }),
		"a count too low":          end(func(n, size, at int) []byte { return endRecord(n-1, size, at) }),
		"a huge count":             end(func(_, size, at int) []byte { return endRecord(0xfffe, size, at) }),
		"a count told elsewhere":   end(func(_, size, at int) []byte { return endRecord(0xffff, size, at) }),
		"a directory too long":     end(func(n, size, at int) []byte { return endRecord(n, size+1, at) }),
		"a directory too short":    end(func(n, size, at int) []byte { return endRecord(n, size-1, at) }),
		"a directory elsewhere":    end(func(n, size, at int) []byte { return endRecord(n, size, at-1) }),
		"a directory beyond":       end(func(n, size, _ int) []byte { return endRecord(n, size, 1<<30) }),
		"several disks":            end(func(n, size, at int) []byte { b := endRecord(n, size, at); b[4] = 1; return b }),
		"two ends":                 end(func(n, size, at int) []byte { return append(endRecord(n, size, at), endRecord(n, size, at)...) }),
		"zip64 for nothing":        end(zip64End(honestZip64)),
		"zip64 with a huge count":  end(zip64End(func(_, size, at int) (uint64, uint64, uint64) { return 1 << 62, uint64(size), uint64(at) })),
		"zip64 with a huge size":   end(zip64End(func(n, _, at int) (uint64, uint64, uint64) { return uint64(n), 1<<64 - 1, uint64(at) })),
		"zip64 with a huge offset": end(zip64End(func(n, size, _ int) (uint64, uint64, uint64) { return uint64(n), uint64(size), 1<<64 - 1 })),
		"zip64 that wraps around":  end(zip64End(func(n, size, _ int) (uint64, uint64, uint64) { return uint64(n), uint64(size), -uint64(size) })),
		"zip64 with negative size": end(zip64End(func(n, _, at int) (uint64, uint64, uint64) { return uint64(n), 1 << 63, uint64(at) })),
	}
	return out
}

// Each archive of the corpus is refused as damage, by coo and by the
// independent verifier.
func TestAbuse(t *testing.T) {
	corpus := abuses(t)
	names := slices.Sorted(maps.Keys(corpus))
	if len(names) < 90 {
		t.Errorf("only %d abuses", len(names))
	}
	said := verifyPython(t, corpus, names)
	for i, name := range names {
		if err := check(corpus[name]); !isDamage(err) {
			t.Errorf("%s: %v, want damage", name, err)
		}
		if said[i] == "" {
			t.Errorf("%s: pack.py accepts it", name)
		}
	}
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
