package main

import (
	"bytes"
	"flag"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/proofs"
)

var writeArtefacts = flag.Bool("write-artefacts", false, "make the demo's artefacts anew: make artefacts YES=1")

// What a stranger is given to look at, from the repository's root.
const (
	demoPack       = "artefacts/demo_pack_v1.zip"
	demoUnpacked   = "examples/demo_v1"
	demoTranscript = "docs/demo-transcript.txt"
)

const transcriptHead = `What a terminal shows: the demo run, replayed, verified and packed, in an empty
directory, without a network. A test makes this part again and compares every
byte.

`

const transcriptLive = `
Before and after, with live calls. The sample server of examples/sampleserver
listens at $ADDR and answers at random, as models do: each live run is another,
and each of them replays identically. This part is what was shown once, when the
artefacts were made; nothing in it was changed, and no test compares it.

`

var demoSession = []string{
	"coo run demo",
	"coo replay @last",
	"coo verify @last",
	"coo pack @last -o demo_pack_v1.zip --yes",
	"coo verify demo_pack_v1.zip",
	"coo replay demo_pack_v1.zip | tail -1",
}

var liveSession = []string{
	"coo run demo --calls=live --resolve model.coo.invalid:80:$ADDR",
	"coo run demo --calls=live --resolve model.coo.invalid:80:$ADDR",
	"coo diff '#2' '#3'",
	"coo replay '#2' | tail -1",
	"coo replay '#3' | tail -1",
}

// TestArtefacts makes the demo's artefacts from nothing and compares them with
// the committed ones, byte for byte.
func TestArtefacts(t *testing.T) {
	root := repoRoot(t)
	bin := buildCoo(t)
	dir := t.TempDir()
	shown := transcriptHead + terminal(t, bin, dir, "", demoSession)
	made := filepath.Join(dir, "demo_pack_v1.zip")
	if *writeArtefacts {
		writeDemo(t, root, bin, dir, shown)
	}
	sameBytes(t, made, filepath.Join(root, demoPack))
	if b := readFile(t, filepath.Join(root, demoTranscript)); !strings.HasPrefix(string(b), shown+transcriptLive) {
		t.Errorf("%s does not begin with what the terminal shows now:\n%s", demoTranscript, shown)
	}
	if status, _, errs := coo("unpack", made, filepath.Join(dir, "unpacked")); status != exitOK {
		t.Fatalf("coo unpack: exit %d: %s", status, errs)
	}
	got, want := tree(t, filepath.Join(dir, "unpacked")), tree(t, filepath.Join(root, demoUnpacked))
	for _, name := range slices.Sorted(keysOf(want)) {
		if got[name] != want[name] {
			t.Errorf("%s/%s differs from what coo unpack makes", demoUnpacked, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s has %d files and directories, coo unpack makes %d", demoUnpacked, len(want), len(got))
	}
}

// The same pack comes out whatever the surroundings, and what coo writes has
// modes of its own choice, not the umask's.
func TestPackInAnySurroundings(t *testing.T) {
	proofs.Needed(t)
	root := repoRoot(t)
	bin := buildCoo(t)
	for _, around := range []string{
		"umask 077; export TZ=Asia/Kathmandu LC_ALL=C GOMAXPROCS=1",
		"umask 000; export TZ=Pacific/Chatham LANG=tr_TR.UTF-8 HOME=/nowhere",
		"umask 027; mkdir -p deep/er; cd deep/er; export GOGC=5",
	} {
		dir := t.TempDir()
		terminal(t, bin, dir, around, append(slices.Clone(demoSession), "mv demo_pack_v1.zip $TOP/; coo unpack $TOP/demo_pack_v1.zip $TOP/unpacked"))
		sameBytes(t, filepath.Join(dir, "demo_pack_v1.zip"), filepath.Join(root, demoPack))
		err := filepath.WalkDir(filepath.Join(dir, "unpacked"), func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == filepath.Join(dir, "unpacked") {
				return err
			}
			want := fs.FileMode(0o644)
			if d.IsDir() {
				want = 0o755
			}
			if fi, err := d.Info(); err != nil || fi.Mode().Perm() != want {
				t.Errorf("%s: %s has mode %v, %v, want %v", around, name, fi.Mode(), err, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// terminal runs commands in dir and returns what a terminal shows of them.
func terminal(t *testing.T, bin, dir, around string, commands []string) string {
	t.Helper()
	srv := httptest.NewServer(modelserver.New(modelserver.Options{}))
	defer srv.Close()
	var out bytes.Buffer
	for _, c := range commands {
		out.WriteString("$ " + c + "\n")
		cmd := exec.Command("sh", "-c", around+"\n"+c)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
			"HOME="+dir, "TOP="+dir, "ADDR="+strings.TrimPrefix(srv.URL, "http://"))
		cmd.Stdout, cmd.Stderr = &out, &out
		// Only diff has another status than 0 here, and what it prints is compared.
		if err := cmd.Run(); err != nil && !strings.HasPrefix(c, "coo diff") {
			t.Fatalf("$ %s: %v\n%s", c, err, out.String())
		}
	}
	return out.String()
}

func writeDemo(t *testing.T, root, bin, dir, shown string) {
	t.Helper()
	live := terminal(t, bin, dir, "", liveSession)
	unpacked := filepath.Join(root, demoUnpacked)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, filepath.Dir(demoPack)), 0o755),
		os.WriteFile(filepath.Join(root, demoPack), readFile(t, filepath.Join(dir, "demo_pack_v1.zip")), 0o644),
		os.WriteFile(filepath.Join(root, demoTranscript), []byte(shown+transcriptLive+live), 0o644),
		os.RemoveAll(unpacked),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if status, _, errs := coo("unpack", filepath.Join(root, demoPack), unpacked); status != exitOK {
		t.Fatalf("coo unpack: exit %d: %s", status, errs)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameBytes(t *testing.T, got, want string) {
	t.Helper()
	if g, w := readFile(t, got), readFile(t, want); !bytes.Equal(g, w) {
		t.Errorf("%s, %d bytes, is not what is made now, %d bytes: make artefacts YES=1, with the reason in the commit", want, len(w), len(g))
	}
}
