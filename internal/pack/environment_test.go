package pack_test

import (
	"bytes"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/pack"
)

// A with is contents, and one more.
type with struct {
	flight.Blobs
	more map[digest.Digest]string
}

func (w with) Get(d digest.Digest) ([]byte, error) {
	if s, ok := w.more[d]; ok {
		return []byte(s), nil
	}
	return w.Blobs.Get(d)
}

func (w with) Size(d digest.Digest) (int64, bool, error) {
	if s, ok := w.more[d]; ok {
		return int64(len(s)), true, nil
	}
	return w.Blobs.Size(d)
}

func (w with) Open(d digest.Digest) (io.Reader, error) {
	if s, ok := w.more[d]; ok {
		return strings.NewReader(s), nil
	}
	return w.Blobs.Open(d)
}

// surrounded returns the demo pack with more attachments.
func surrounded(t *testing.T, contents []string, attachments ...string) ([]byte, error) {
	t.Helper()
	b := demo(t)
	p, err := pack.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	more := map[digest.Digest]string{}
	for _, c := range contents {
		more[digest.Of([]byte(c))] = c
	}
	values := p.Attachments
	for _, a := range attachments {
		values = append(values, []byte(a))
	}
	d, err := pack.New(p.Run, values, []byte("replay\n"), with{p, more})
	if err != nil {
		return nil, err
	}
	if err := d.Scan(func(pack.File) (io.Writer, func() error) { return crc32.NewIEEE(), func() error { return nil } }); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), nil
}

const aManifest = `{"format":"coo.environment/0","omitted":0}` + "\n" +
	`{"mode":"0644","path":"/usr/lib/tide","sha256":"444e0fffbd825e9610ff5b199485707a0c895339ae80c15cc8a8aee41b106fda","size":6}` + "\n"

func attached(manifest string) string {
	return `{"manifest":"` + digest.Of([]byte(manifest)).String() + `","t":"environment"}`
}

// An environment manifest has a place of its own. It is there, whole, and what
// it names is not. Both verifiers say so.
func TestEnvironment(t *testing.T) {
	good, err := surrounded(t, []string{aManifest}, attached(aManifest))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(good); err != nil {
		t.Fatal(err)
	}
	files := unzip(t, good)
	at := -1
	for i, f := range files {
		if f.name == "environment.jsonl" {
			at = i
		}
	}
	if at < 0 || files[at].text != aManifest {
		t.Fatal("environment.jsonl is not the manifest")
	}
	flipped := unzip(t, good)
	flipped[at].text = strings.Replace(aManifest, "0644", "0645", 1)
	gone := append(unzip(t, good)[:at:at], files[at+1:]...)
	packs := map[string][]byte{"good": good, "flipped": zip(t, flipped), "gone": zip(t, gone)}
	names := []string{"good", "flipped", "gone"}
	python := verifyPython(t, packs, names)
	for i, name := range names {
		err := check(packs[name])
		if (err == nil) != (name == "good") || err != nil && !isDamage(err) {
			t.Errorf("%s: %v", name, err)
		}
		if (python[i] == "") != (name == "good") {
			t.Errorf("%s: the independent verifier: %s", name, python[i])
		}
	}
}

func TestEnvironmentRefused(t *testing.T) {
	none := strings.Replace(aManifest, "environment/0", "environment/1", 1)
	for _, tt := range []struct {
		name        string
		contents    []string
		attachments []string
		want        string
	}{
		{"missing", nil, []string{attached(aManifest)}, "missing"},
		{"no manifest", []string{none}, []string{attached(none)}, "this coo reads"},
		{"two", []string{aManifest}, []string{attached(aManifest), attached(aManifest)}, "a second environment manifest"},
		{"another member", []string{aManifest}, []string{strings.Replace(attached(aManifest), `,"t"`, `,"n":1,"t"`, 1)}, "unknown"},
	} {
		if _, err := surrounded(t, tt.contents, tt.attachments...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
