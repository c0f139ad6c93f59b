package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

// random returns n bytes that do not compress, the same every time.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestPutGet(t *testing.T) {
	s := newStore(t)
	for _, b := range [][]byte{
		{},
		[]byte("a"), []byte(strings.Repeat("text ", 100)), random(64, 1), random(wholeBlob, 2), random(wholeBlob+1, 3),
		random(100_000, 4), make([]byte, 1<<20), bytes.Repeat([]byte("0123456789abcdef"), 20_000),
	} {
		d, err := s.Put(b)
		if err != nil || d != digest.Of(b) {
			t.Fatalf("Put(%d bytes) = %s, %v, want %s", len(b), d, err, digest.Of(b))
		}
		got, err := s.Get(d)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("Get of %d bytes = %d bytes, %v", len(b), len(got), err)
		}
	}
	_, err := s.Get(digest.Of([]byte("never put")))
	if e, ok := errors.AsType[*DamageError](err); !ok || e.What != "missing" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of no blob = %v, want it missing", err)
	}
}

func TestFlipEveryBitOfAContainer(t *testing.T) {
	s := newStore(t)
	for _, b := range [][]byte{[]byte("plain"), []byte(strings.Repeat("packed ", 30)), random(3*maxPiece, 5)} {
		d, err := s.Put(b)
		if err != nil {
			t.Fatal(err)
		}
		path := s.Path(BlobPath(d))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(whole) {
			c := bytes.Clone(whole)
			c[i/8] ^= 1 << (i % 8)
			if _, _, _, err := unseal(c); err == nil {
				t.Errorf("%d bytes: bit %d flipped: unseal = nil, want an error", len(b), i)
			}
		}
		for _, c := range [][]byte{whole[:len(whole)-1], append(bytes.Clone(whole), 0), nil} {
			if err := os.WriteFile(path, c, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(d); !isDamage(err, BlobPath(d)) {
				t.Errorf("%d bytes instead of %d: Get = %v, want damage", len(c), len(whole), err)
			}
		}
	}
}

func isDamage(err error, path string) bool {
	e, ok := errors.AsType[*DamageError](err)
	return ok && e.Path == path
}

// Containers that are whole but lie: a forger can make checksums.
func TestForgedContainers(t *testing.T) {
	s := newStore(t)
	content := []byte(strings.Repeat("content ", 40))
	d := digest.Of(content)
	piece := random(2000, 6)
	pd, err := s.Put(piece)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Put(random(40_000, 7))
	if err != nil {
		t.Fatal(err)
	}
	two := func(a, b digest.Digest) []byte { return append(bytes.Clone(a[:]), b[:]...) }
	frame := s.codec.enc().EncodeAll(content, nil)
	bomb := s.codec.enc().EncodeAll(make([]byte, 100<<20), nil)
	for what, c := range map[string][]byte{
		"other content":           seal(plain, 5, []byte("other")),
		"length too small":        seal(packed, len(content)-1, frame),
		"length too large":        seal(packed, len(content)+1, frame),
		"no frame":                seal(packed, 5, []byte("other")),
		"frame of another length": seal(packed, maxSingle, bomb),
		"bomb with its length":    seal(packed, 100<<20, bomb),
		"plain above the limit":   seal(plain, maxSingle+1, make([]byte, maxSingle+1)),
		"list of nothing":         seal(pieces, 0, nil),
		"list of one":             seal(pieces, 2000, pd[:]),
		"list cut":                seal(pieces, 4000, two(pd, pd)[:60]),
		"list of too much":        seal(pieces, 5000, two(pd, pd)),
		"list of too little":      seal(pieces, 3000, two(pd, pd)),
		"list of other content":   seal(pieces, 4000, two(pd, pd)),
		"list of lists":           seal(pieces, 16000, two(list, list)),
		"list of a missing piece": seal(pieces, 4000, two(pd, digest.Of([]byte("lost")))),
		"list that is endless":    seal(pieces, 1<<31-1, two(pd, pd)),
	} {
		path := s.Path(BlobPath(d))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, c, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(d)
		if _, ok := errors.AsType[*DamageError](err); !ok {
			t.Errorf("%s: Get = %v, want a DamageError", what, err)
		}
	}
}

func TestSymlinkIsNoBlob(t *testing.T) {
	s := newStore(t)
	d, err := s.Put([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path(BlobPath(d))
	if err := os.Rename(path, path+"x"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+"x", path); err != nil {
		t.Skip("no symbolic links here")
	}
	if _, err := s.Get(d); !isDamage(err, BlobPath(d)) {
		t.Errorf("Get through a symlink = %v, want damage", err)
	}
}

func TestPieces(t *testing.T) {
	b := random(1<<20, 8)
	parts := split(b)
	for i, p := range parts {
		if len(p) > maxPiece || len(p) < minPiece && i < len(parts)-1 {
			t.Errorf("piece %d has %d bytes", i, len(p))
		}
		if again := split(p); len(again) != 1 {
			t.Errorf("piece %d is cut in %d when it stands alone", i, len(again))
		}
	}
	if mean := len(b) / len(parts); mean < 3<<10 || mean > 5<<10 {
		t.Errorf("pieces of %d bytes on average, want about 4 KiB", mean)
	}
	if !bytes.Equal(bytes.Join(parts, nil), b) {
		t.Error("pieces do not add up")
	}
	// The cuts are part of the format: other cuts would store equal texts twice.
	var lens []int
	for _, p := range parts[:8] {
		lens = append(lens, len(p))
	}
	if got, want := fmt.Sprint(lens), "[5989 9206 5279 3527 4685 6542 2661 5971]"; got != want {
		t.Errorf("lengths of the first pieces are %s, want %s", got, want)
	}
}

// An insertion changes the pieces around it only.
func TestPiecesMeetAgain(t *testing.T) {
	b := random(1<<20, 9)
	known := make(map[string]bool)
	for _, p := range split(b) {
		known[string(p)] = true
	}
	fresh := 0
	for _, p := range split(append([]byte("inserted"), b...)) {
		if !known[string(p)] {
			fresh++
		}
	}
	if fresh > 4 {
		t.Errorf("%d of %d pieces are new after an insertion", fresh, len(known))
	}
}

// An agent resends its history, which grows by 2 KB a turn: 40 MB in 200
// turns. The content of all files stays below 2 MB.
func TestGrowingHistory(t *testing.T) {
	s := newStore(t)
	batch, err := s.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	var history []byte
	for turn := range 200 {
		history = append(history, turnText(turn)...)
		if _, err := batch.Put(history); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	var size int64
	err = filepath.WalkDir(s.Dir(), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes for 200 turns of a history of %d bytes", size, len(history))
	if size > 2_000_000 {
		t.Errorf("%d bytes for 200 turns, want less than 2 MB", size)
	}
}

// turnText returns 2 KB of words that a model might say.
func turnText(turn int) []byte {
	rng := rand.New(rand.NewPCG(uint64(turn), 1))
	b := fmt.Appendf(nil, `{"role":"assistant","content":"`)
	for len(b) < 2045 {
		b = fmt.Appendf(b, "word%d ", rng.IntN(50_000))
	}
	return append(b[:2045], `"},`...)
}

func FuzzUnseal(f *testing.F) {
	s := newStore(f)
	f.Add(s.codec.encodeSingle([]byte("plain")))
	f.Add(s.codec.encodeSingle([]byte(strings.Repeat("packed ", 50))))
	f.Add(seal(pieces, 4000, make([]byte, 64)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, size, payload, err := unseal(b)
		if err != nil {
			// With the right checksum the parts behind it are reached too.
			if len(b) < overhead || string(b[:len(magic)]) != magic {
				return
			}
			m, size, payload = method(b[len(magic)]), int(binary.BigEndian.Uint32(b[12:])), b[overhead:]
		} else if again := seal(m, size, payload); !bytes.Equal(again, b) {
			t.Errorf("seal(unseal(%q)) = %q", b, again)
		}
		if m == pieces {
			if ds, err := decodeList(size, payload); err == nil && len(ds)*digest.Size != len(payload) {
				t.Errorf("%d digests in %d bytes", len(ds), len(payload))
			}
			return
		}
		if out, err := s.codec.decodeSingle(m, size, payload); err == nil && (len(out) != size || size > maxSingle) {
			t.Errorf("content of %d bytes, want %d", len(out), size)
		}
	})
}

// The container in docs/format/store.md is the one that is written.
func TestDocsShowAContainer(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format/store.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	d, err := s.Put([]byte("notes\n"))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(s.Path(BlobPath(d)))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "```\n")
	example, _, _ = strings.Cut(example, "```")
	var shown strings.Builder
	for line := range strings.Lines(example) {
		hex, _, _ := strings.Cut(line, " ")
		shown.WriteString(hex)
	}
	if want := fmt.Sprintf("%x", stored); shown.String() != want {
		t.Errorf("the example is %s, want %s", shown.String(), want)
	}
	for _, text := range []string{BlobPath(d), fmt.Sprintf("%016x", gear[0]), fmt.Sprintf("%016x", gear[255])} {
		if !strings.Contains(string(doc), text) {
			t.Errorf("docs/format/store.md does not show %s", text)
		}
	}
}

// A list whose pieces have no names would be taken for its content.
func TestListComesAfterItsPieces(t *testing.T) {
	s := newStore(t)
	b := random(100_000, 9)
	parts := split(b)
	last := s.Path(BlobPath(digest.Of(parts[len(parts)-1])))
	if err := os.WriteFile(filepath.Dir(last), nil, 0o644); err != nil { // in the way of its directory
		t.Fatal(err)
	}
	if _, err := s.Put(b); err == nil {
		t.Fatal("Put = nil, want the error of a piece")
	}
	if s.Has(digest.Of(b)) {
		t.Error("the list has its name, and one of its pieces has none")
	}
	if err := os.Remove(filepath.Dir(last)); err != nil {
		t.Fatal(err)
	}
	d, err := s.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(d); err != nil || !bytes.Equal(got, b) {
		t.Errorf("Get after a second Put = %d bytes, %v", len(got), err)
	}
}
