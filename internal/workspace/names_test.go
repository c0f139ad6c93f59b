package workspace

import (
	"os"
	"testing"
)

// caseless reports whether the file system of the tests tells names apart by case
// and by Unicode's normal forms. tools/caseless.sh runs them on one that does not, and
// says so in COO_CASELESS.
func caseless(t *testing.T) bool {
	t.Helper()
	root := t.TempDir()
	one := true
	for _, pair := range [][2]string{{"Read.me", "read.me"}, {"\u00e9", "e\u0301"}, {"\u00c9", "e\u0301"}} {
		same, err := SameName(root, pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		one = one && same
	}
	if os.Getenv("COO_CASELESS") != "" && !one {
		t.Fatal("this file system tells names apart by case or by normal form")
	}
	return one
}

// Where two names are one file, a mission that uses both, or another one than is
// there, changes nothing; elsewhere it has both.
func TestNamesThatAreOne(t *testing.T) {
	write := func(names ...string) func(*Overlay) error {
		return func(o *Overlay) error {
			for _, name := range names {
				if err := o.Write(name, []byte("by the mission"), false); err != nil {
					return err
				}
			}
			return nil
		}
	}
	const mine = "-rw-r--r-- by the mission"
	for _, tt := range []struct {
		name    string
		mission func(*Overlay) error
		err     string
		also    map[string]string // where names are apart
	}{
		{
			"a file in another case", write("readme.md"),
			`apply "readme.md": on this file system "readme.md" is the same name as "Readme.md", which is there`,
			map[string]string{"readme.md": mine},
		},
		{
			"a directory in another case", write("docs/new.txt"),
			`apply "docs/new.txt": on this file system "docs" is the same name as "Docs", which is there`,
			map[string]string{"docs": "drwxr-xr-x", "docs/new.txt": mine},
		},
		{
			"a file in a directory, in another case", write("Docs/ONE.txt"),
			`apply "Docs/ONE.txt": on this file system "Docs/ONE.txt" is the same name as "Docs/one.txt", which is there`,
			map[string]string{"Docs/ONE.txt": mine},
		},
		{
			"a new name in place of the old", func(o *Overlay) error {
				if err := o.Remove("Readme.md"); err != nil {
					return err
				}
				return o.Write("README.md", []byte("by the mission"), false)
			},
			`apply "README.md": on this file system "README.md" is the same name as "Readme.md", which is there`,
			map[string]string{"README.md": mine, "Readme.md": ""},
		},
		{
			"another normal form", write("caf\u00e9"),
			`apply "café": on this file system "caf\u00e9" is the same name as "cafe\u0301", which is there`,
			map[string]string{"caf\u00e9": mine},
		},
		{
			"two new names", write("\u00e9/x", "e\u0301/y"),
			`apply "é/x": on this file system "\u00e9" is the same name as "e\u0301", which is written, too`,
			map[string]string{"\u00e9": "drwxr-xr-x", "\u00e9/x": mine, "e\u0301": "drwxr-xr-x", "e\u0301/y": mine},
		},
		{
			"names as they are", write("Readme.md", "Docs/one.txt", "Docs/two.txt", "cafe\u0301"), "",
			map[string]string{
				"Readme.md": mine, "Docs/one.txt": mine,
				"Docs/two.txt": mine, "cafe\u0301": mine,
			},
		},
	} {
		one := caseless(t)
		d := openDir(t, makeTree(t, map[string]string{"Readme.md": "here", "Docs/one.txt": "one", "cafe\u0301": "coffee"}))
		want := readTree(t, d.Path())
		o := New(d)
		if err := tt.mission(o); err != nil {
			t.Fatal(err)
		}
		blobs := shelf{}
		p, err := Prepare(d, o, blobs.put)
		if one && tt.err != "" {
			if errText(err) != tt.err {
				t.Errorf("%s: %v; want %s", tt.name, err, tt.err)
			}
			wantTree(t, d, want)
			continue
		}
		if err == nil {
			err = p.Apply(d, blobs.get)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for name, state := range tt.also {
			want[name] = state
			if state == "" {
				delete(want, name)
			}
		}
		if !wantTree(t, d, want) {
			t.Error(tt.name)
		}
	}
}
