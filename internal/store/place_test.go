package store

import (
	"os"
	"path/filepath"
	"testing"
)

// However the store was named, what lies around it moves with it.
func TestPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	fresh, created, err := Init(".")
	if err != nil || !created {
		t.Fatalf("Init = %v, %v", created, err)
	}
	byName, err := Open(Name)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Find("sub")
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []*Store{fresh, byName, found} {
		for dir, want := range map[string]string{
			wd: ".", filepath.Join(wd, "sub", "a"): "sub/a", filepath.Dir(wd): filepath.Dir(wd),
		} {
			if got := st.Place(dir); got != want {
				t.Errorf("Place(%q) = %q, want %q", dir, got, want)
			}
			if got := st.PlaceOf(want); got != dir {
				t.Errorf("PlaceOf(%q) = %q, want %q", want, got, dir)
			}
		}
	}
}
