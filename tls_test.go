package coo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unverifying are the fields of a tls.Config that take the verification of a
// server away, or put something else in its place.
var unverifying = []string{"InsecureSkipVerify", "VerifyPeerCertificate", "VerifyConnection"}

// TestNothingUnverified looks for a way around TLS verification in all that
// is part of the binary, of the examples and of the tools: upstream TLS is
// verified by the standard library, always.
func TestNothingUnverified(t *testing.T) {
	files := 0
	for _, dir := range []string{"cmd", "internal", "examples", "tools", "bench", "proof"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			files++
			found, err := unverified(name, nil)
			for _, f := range found {
				t.Error(f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 200 {
		t.Errorf("only %d files were read", files)
	}
	// The control.
	for _, line := range []string{"c := &tls.Config{InsecureSkipVerify: true}", "c.InsecureSkipVerify = on", "c.VerifyConnection = nil"} {
		found, err := unverified("f.go", "package f\nfunc f() {\n"+line+"\n}\n")
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", line, found, err)
		}
	}
}

// unverified returns where a Go file names what takes verification away.
func unverified(name string, src any) (found []string, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && slices.Contains(unverifying, id.Name) {
			found = append(found, fmt.Sprintf("%s: %s", set.Position(id.Pos()), id.Name))
		}
		return true
	})
	return found, nil
}
