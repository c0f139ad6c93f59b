package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/store"
)

var freezeDemo = flag.Bool("freeze-demo", false, "record the demo anew from a sample server, into internal/demo")

// TestFreezeDemo makes what internal/demo embeds. Without its flag it checks
// that what is embedded was made that way: the demo answers from it.
func TestFreezeDemo(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	args := []string{"run", "demo"}
	if *freezeDemo {
		srv := httptest.NewServer(modelserver.New(modelserver.Options{}))
		defer srv.Close()
		args = append(args, "--calls=live", "--resolve", "model.coo.invalid:80:"+strings.TrimPrefix(srv.URL, "http://"))
	}
	var out, errs bytes.Buffer
	if status := execute(context.Background(), args, &out, &errs); status != 0 {
		t.Fatalf("coo %s: exit %d\n%s", strings.Join(args, " "), status, errs.String())
	}
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	h, err := flight.Resolve(st, "@last")
	if err != nil {
		t.Fatal(err)
	}
	r, err := flight.LoadHandle(st, h)
	if err != nil {
		t.Fatal(err)
	}
	var outputs strings.Builder
	for _, o := range r.Seal.Outputs {
		fmt.Fprintf(&outputs, "%s  %s\n", o.SHA256, o.Path)
	}
	embedded := filepath.Join(here, "..", "..", "internal", "demo")
	if *freezeDemo {
		if err := os.RemoveAll(filepath.Join(embedded, "frozen")); err != nil {
			t.Fatal(err)
		}
		if _, err := freeze.WriteDir(filepath.Join(embedded, "frozen"), freeze.FromRun(st, h), nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(embedded, "outputs.txt"), []byte(outputs.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Join(embedded, "outputs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if outputs.String() != string(want) {
		t.Errorf("the demo writes\n%swant, from outputs.txt,\n%s", outputs.String(), want)
	}
}
