package pack_test

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/pack"
	"github.com/coo-runtime/coo/internal/proofs"
)

func crcOf(s string) uint32 { return crc32.ChecksumIEEE([]byte(s)) }

// full reports whether everything is tried: under COO_PROOF=full.
func full() bool { return os.Getenv("COO_PROOF") == "full" && !raceEnabled }

// Every single-bit flip of the demo pack is found, and the file it is in is
// named. At small n, that is a bit of every byte of the headers and of every
// 64th byte of the contents.
func TestFlipEveryBit(t *testing.T) {
	proofs.Needed(t)
	b := demo(t)
	a, err := archive.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	owners := owners(t, b, a)
	tried := 0
	for i := range b {
		owner := owners[i]
		for bit := range 8 {
			if !full() && (bit != i%8 || strings.HasPrefix(owner, "content ") && i%64 != 0) {
				continue
			}
			b[i] ^= 1 << bit
			err := check(b)
			b[i] ^= 1 << bit
			tried++
			if !isDamage(err) {
				t.Fatalf("byte %d, bit %d, of %s: %v, want damage", i, bit, owner, err)
			}
			if kind, name, _ := strings.Cut(owner, " "); kind != "name" && !strings.Contains(err.Error(), name) {
				t.Errorf("byte %d, bit %d: %v, want it to name %s", i, bit, err, name)
			}
		}
	}
	t.Logf("%d flips of %d bytes", tried, len(b))
}

// owners says of each byte of an archive what it belongs to: "content NAME",
// "local NAME", "directory NAME", "name NAME" (in the directory: what is told
// is then another name) or "end".
func owners(t *testing.T, b []byte, a *archive.Reader) []string {
	t.Helper()
	out := make([]string, len(b))
	at := 0
	fill := func(n int, what string) {
		for i := range n {
			out[at+i] = what
		}
		at += n
	}
	for _, f := range a.Files {
		fill(30+len(f.Name), "local "+f.Name)
		fill(int(f.Size), "content "+f.Name)
	}
	for _, f := range a.Files {
		// A header whose own marks are wrong is named by its place alone.
		fill(4, "head directory")
		fill(24, "directory "+f.Name)
		fill(4, "head directory")
		fill(14, "directory "+f.Name)
		fill(len(f.Name), "name "+f.Name)
	}
	fill(22, "end record")
	if at != len(b) {
		t.Fatalf("the archive has %d bytes, its parts %d", len(b), at)
	}
	return out
}

// A changed content is found although every CRC was mended.
func TestMendedFlips(t *testing.T) {
	proofs.Needed(t)
	files := unzip(t, demo(t))
	step := 1
	if !full() {
		step = 37
	}
	tried := 0
	for i, f := range files {
		for j := i % 7; j < len(f.text); j += step {
			edited := slices.Clone(files)
			b := []byte(f.text)
			b[j] ^= 1 << (j % 8)
			edited[i].text = string(b)
			tried++
			err := check(zip(t, edited))
			if f.name == "manifest.json" && isDamage(err) {
				continue // it may as well be the file that it now tells wrong
			}
			if !isDamage(err) || !strings.Contains(err.Error(), f.name) {
				t.Errorf("%s, byte %d: %v, want damage of it", f.name, j, err)
			}
		}
	}
	t.Logf("%d flips", tried)
}

// A pack whose manifest was made to fit is refused when the run says otherwise.
func TestForgedManifests(t *testing.T) {
	whole := unzip(t, demo(t))
	if err := check(zip(t, whole)); err != nil {
		t.Fatal(err)
	}
	content := func(name string) string {
		for _, f := range whole {
			if f.name == name {
				return f.text
			}
		}
		t.Fatalf("no file %s", name)
		return ""
	}
	set := func(files []file, name, text string) []file {
		i, ok := slices.BinarySearchFunc(files, name, func(f file, n string) int { return strings.Compare(f.name, n) })
		if ok {
			files[i].text = text
			return files
		}
		return slices.Insert(files, i, file{name, text})
	}
	drop := func(files []file, name string) []file {
		return slices.DeleteFunc(files, func(f file) bool { return f.name == name })
	}
	for _, c := range []struct {
		name string
		edit func(files []file) []file
		more func(m map[string]any, roles map[string][]string)
		want string
	}{
		{"a file more", func(fs []file) []file { return set(fs, "extra.txt", "x") }, nil, "extra.txt"},
		{"a content more", func(fs []file) []file { return set(fs, "blobs/"+digest.Of([]byte("x")).String(), "x") }, nil, "blobs/2d71"},
		{"a content gone", func(fs []file) []file { return drop(fs, "outputs/notes.txt") }, nil, "missing"},
		{"a content moved", func(fs []file) []file {
			return set(drop(fs, "outputs/notes.txt"), "outputs/other.txt", content("outputs/notes.txt"))
		}, nil, "outputs/other.txt"},
		{"a content twice", func(fs []file) []file {
			text := content("outputs/notes.txt")
			return set(fs, "blobs/"+digest.Of([]byte(text)).String(), text)
		}, nil, "belongs elsewhere"},
		{"another output", func(fs []file) []file { return set(fs, "outputs/notes.txt", "forged") }, nil, "missing"},
		{"another lineage", func(fs []file) []file {
			return set(fs, "lineage.json", strings.Replace(content("lineage.json"), `"from":[8,`, `"from":[`, 1))
		}, nil, "lineage.json: byte 0: not what follows"},
		{"no rollback", func(fs []file) []file { return set(fs, "rollbacks.jsonl", "") }, nil, "rollbacks.jsonl"},
		{"no readme", func(fs []file) []file { return drop(fs, "README.txt") }, nil, "every pack has"},
		{"no lineage", func(fs []file) []file { return drop(fs, "lineage.json") }, nil, "lineage.json: missing"},
		{"no flight recorder", func(fs []file) []file { return drop(fs, "flight.jsonl") }, nil, "flight.jsonl: missing"},
		{"no attachments", func(fs []file) []file { return drop(fs, "attachments.jsonl") }, nil, "attachments.jsonl"},
		{"attachments cut", func(fs []file) []file {
			text := content("attachments.jsonl")
			return set(fs, "attachments.jsonl", text[:strings.LastIndex(text[:len(text)-1], "\n")+1])
		}, nil, "attachments.jsonl"},
		{
			"an attachment forgotten", func(fs []file) []file { return drop(fs, "attachments.jsonl") },
			func(m map[string]any, _ map[string][]string) { m["attachments"] = nil }, "belongs elsewhere",
		},
		{"another run's ID", nil, func(m map[string]any, _ map[string][]string) { m["run"] = strings.Repeat("0", 64) }, "flight.jsonl"},
		{"another format", nil, func(m map[string]any, _ map[string][]string) { m["format"] = "coo.pack/1" }, "format"},
		{"a member more", nil, func(m map[string]any, _ map[string][]string) { m["x"] = "y" }, "manifest.json"},
		{"a role more", nil, func(_ map[string]any, r map[string][]string) {
			r["outputs/notes.txt"] = append(r["outputs/notes.txt"], "z")
		}, "outputs/notes.txt"},
		{"a role less", nil, func(_ map[string]any, r map[string][]string) { r["mission/demo.star"] = []string{} }, "mission/demo.star"},
		{"a text with a wrong role", nil, func(_ map[string]any, r map[string][]string) { r["README.txt"] = []string{"flight"} }, "README.txt"},
		{"records cut", func(fs []file) []file {
			text := content("flight.jsonl")
			return set(fs, "flight.jsonl", text[:strings.LastIndex(text[:len(text)-1], "\n")+1])
		}, nil, "flight.jsonl"},
	} {
		files := slices.Clone(whole)
		if c.edit != nil {
			files = c.edit(files)
		}
		err := check(zip(t, remade(t, files, c.more)))
		if !isDamage(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want damage and %q", c.name, err, c.want)
		}
	}
}

// remade returns files with a manifest that fits them, as far as somebody can
// make it who does not mind the run; more may change it.
func remade(t *testing.T, files []file, more func(m map[string]any, roles map[string][]string)) []file {
	t.Helper()
	at := slices.IndexFunc(files, func(f file) bool { return f.name == "manifest.json" })
	var m map[string]any
	if err := json.Unmarshal([]byte(files[at].text), &m); err != nil {
		t.Fatal(err)
	}
	roles := map[string][]string{}
	for _, f := range m["files"].([]any) {
		f := f.(map[string]any)
		for _, r := range f["roles"].([]any) {
			roles[f["path"].(string)] = append(roles[f["path"].(string)], r.(string))
		}
	}
	if more != nil {
		more(m, roles)
	}
	var list []pack.File
	for _, f := range files {
		if f.name == "manifest.json" {
			continue
		}
		list = append(list, pack.File{Path: f.name, Roles: roles[f.name], SHA256: digest.Of([]byte(f.text)), Size: int64(len(f.text))})
		if roles[f.name] == nil {
			list[len(list)-1].Roles = []string{"footprint"}
		}
	}
	m["files"] = list
	b, err := canon.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files[at].text = string(b) + "\n"
	return files
}

// A pack opens as a run, and is the same whether it is read by one or by many.
func TestOpen(t *testing.T) {
	b := demo(t)
	p, err := pack.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{0, 1, 2, 16, 1000} {
		if err := p.Verify(workers); err != nil {
			t.Errorf("Verify(%d) = %v", workers, err)
		}
	}
	if got := p.Run.ID; got != p.Manifest.Run || len(p.Run.Records) < 20 || len(p.Attachments) < 2 {
		t.Errorf("run %s with %d records, %d attachments", got, len(p.Run.Records), len(p.Attachments))
	}
	if _, err := p.Get(digest.Of([]byte("nothing of the run"))); !isDamage(err) {
		t.Errorf("Get of what is not there = %v", err)
	}
	if _, err := p.Run.Blob(p.Run.Seal.Freeze); err != nil {
		t.Error(err)
	}
}

// Whatever the reader accepts is sound, and the writer makes just that.
func FuzzOpen(f *testing.F) {
	b := demo(f)
	f.Add(b)
	f.Add(zip(f, nil))
	f.Add(zip(f, unzip(f, b)[:3]))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := check(b)
		if err != nil && !isDamage(err) {
			t.Fatalf("%v, want damage", err)
		}
		if err == nil && !bytes.Equal(zip(t, unzip(t, b)), b) {
			t.Fatal("a pack was accepted that nobody writes")
		}
	})
}
