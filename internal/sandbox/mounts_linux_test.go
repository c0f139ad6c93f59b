package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A replay shows a copy at the recorded path, with what is not recorded from
// the original, read-only; nothing reaches the original.
func TestOver(t *testing.T) {
	top := filepath.Join(t.TempDir(), "with space [x]*")
	workspace, over := filepath.Join(top, "work"), filepath.Join(top, "copy")
	writeFile(t, workspace+"/notes", "today's\n", 0o644)
	writeFile(t, workspace+"/node_modules/a/index.js", "module\n", 0o644)
	writeFile(t, workspace+"/deep/.venv/bin/tool", "#!/bin/sh\necho tool\n", 0o755)
	writeFile(t, workspace+"/deep/local.log", "logged\n", 0o644)
	writeFile(t, over+"/notes", "recorded\n", 0o644)
	writeFile(t, over+"/sub/agent", "#!/bin/sh\ncd ..; pwd; cat notes node_modules/a/index.js deep/local.log; echo z >deep/local.log; deep/.venv/bin/tool; echo new >notes; echo x >made; echo y >node_modules/x; ls\n", 0o755)
	r := perform(t, Command{
		Level: Frozen, Argv: []string{"./agent"}, Dir: workspace + "/sub", Workspace: workspace, Over: over, Keep: []string{"node_modules", "deep/.venv", "deep/local.log"},
	})
	want(t, "stdout", r.stdout, workspace+"\nrecorded\nmodule\nlogged\ntool\ndeep\nmade\nnode_modules\nnotes\nsub\n")
	contains(t, "stderr", r.stderr, "node_modules/x: Read-only file system")
	contains(t, "stderr", r.stderr, "deep/local.log: Read-only file system")
	want(t, "the original", readFile(t, workspace+"/notes")+readFile(t, workspace+"/deep/local.log"), "today's\nlogged\n")
	want(t, "the copy", readFile(t, over+"/notes")+readFile(t, over+"/made"), "new\nx\n")
	if _, err := os.Stat(workspace + "/made"); err == nil {
		t.Error("the program wrote into the original")
	}
}

func TestOverRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		set  func(*Command)
		want string
	}{
		{func(c *Command) { c.Workspace, c.Over = "/", dir }, "workspace /"},
		{func(c *Command) { c.Over, c.Keep = dir, []string{"../x"} }, "not inside"},
		{func(c *Command) { c.Over, c.Keep = dir, []string{"missing"} }, `"missing": no such file`},
		{func(c *Command) { c.Over = dir + "/none" }, "no such file"},
		{func(c *Command) { c.Over, c.Argv = dir, []string{"./none"} }, `none": file does not exist`},
		{func(c *Command) { c.Over, c.Level = dir, Proxied }, "proxied"},
	} {
		cmd := Command{Level: Frozen, Argv: []string{"true"}, Dir: t.TempDir(), Env: environment(t)}
		c.set(&cmd)
		p, err := Start(t.Context(), cmd)
		if err == nil {
			p.Kill()
			t.Errorf("no error, want %q", c.want)
			continue
		}
		contains(t, "error", err.Error(), c.want)
	}
}

// Nested mounts of the workspace are behind the copy; those of a kept
// directory are seen, and read-only as well.
func TestNestedMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		return // making them takes root
	}
	top := t.TempDir()
	for _, dir := range []string{"work/data", "work/cache/inner", "copy/data"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, top+"/copy/data/f", "copy", 0o644)
	script := fmt.Sprintf(`set -e; cd %s; mount -t tmpfs t work/data; mount -t tmpfs t work/cache/inner; echo -n real >work/data/f; echo -n kept >work/cache/inner/f
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" -test.run='^TestNestedInside$' -test.v`, top)
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, selfFor(t))
	cmd.Env = append(os.Environ(), "COO_TEST_NESTED="+top, nobodyVariable+"=1", "TMPDIR="+openTemp(t))
	os.Chmod(top, 0o777)
	os.Chmod(filepath.Dir(top), 0o777)
	os.Chmod(top+"/copy", 0o777)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestNestedInside") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNestedInside(t *testing.T) {
	top := os.Getenv("COO_TEST_NESTED")
	if top == "" {
		return // TestNestedMounts runs it
	}
	c := sh(`cat data/f cache/inner/f; echo x >data/g; echo x >cache/inner/g`)
	c.Dir, c.Over, c.Keep = top+"/work", top+"/copy", []string{"cache"}
	r := perform(t, c)
	want(t, "stdout", r.stdout, "copykept")
	contains(t, "stderr", r.stderr, "cache/inner/g: Read-only file system")
}

func TestWorkspaceIsRoot(t *testing.T) {
	c := sh(`pwd; cd /tmp && pwd`)
	c.Dir = "/"
	want(t, "stdout", perform(t, c).stdout, "/\n/tmp\n")
}
