//go:build linux && amd64

package box

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWalk holds that a path leads where the program means, and that the
// kernel is given another just when it would come to another place.
func TestWalk(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"work/sub", "over/sub", "memory/deep", "kept"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	links := map[string]string{"over/up": "../kept", "over/memory": in("temporary/deep"), "kept/self": "self", "memory/abs": in("work/sub")}
	for name, to := range links { // order: each is by itself
		if err := os.Symlink(to, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	v := newViews([]View{
		{At: in("work"), From: in("over")},
		{At: in("work/lib"), From: in("kept"), ReadOnly: true},
		{At: in("temporary"), From: in("memory"), Memory: true},
	}, nil)
	for _, c := range []struct {
		from, name string
		follow     bool
		at, host   string
		changed    bool
	}{
		{"/", in("kept"), true, "kept", "kept", false},
		{"/", in("work"), true, "work", "over", true},
		{"/", in("work/sub/x"), true, "work/sub/x", "over/sub/x", true},
		{"/", in("work/sub/../lib/x"), true, "work/lib/x", "kept/x", true},
		{"over", "sub", true, "work/sub", "over/sub", false},
		{"over", "lib", true, "work/lib", "kept", true},
		{"over", "../kept", true, "kept", "kept", false},
		{"over", "memory", true, "temporary/deep", "memory/deep", true},
		{"over", "memory", false, "work/memory", "over/memory", false},
		{"over", "memory/../abs", true, "work/sub", "over/sub", true},
		{"kept", "../sub", true, "work/sub", "over/sub", true}, // it is where it is shown
		{"/", in("new"), false, "new", "new", false},
		{"over", "up", true, "kept", "kept", false},
	} {
		w := &walk{views: v, at: "/", kernel: "/"}
		if c.from != "/" {
			w.kernel = in(c.from)
			w.at = v.inside(w.kernel)
		}
		if !w.follow(c.name, c.follow) {
			t.Errorf("%s from %s: leads nowhere", c.name, c.from)
			continue
		}
		if w.at != in(c.at) || w.host() != in(c.host) || w.changed() != c.changed {
			t.Errorf("%s from %s: %s, for the kernel %s, changed %v; want %s, %s, %v", c.name, c.from, w.at, w.host(), w.changed(), in(c.at), in(c.host), c.changed)
		}
	}
	w := &walk{views: v, at: "/", kernel: "/"}
	if w.follow(in("kept/self"), true) {
		t.Error("a link to itself leads somewhere")
	}
}

// TestProcNumbers holds that paths below /proc have the program's numbers, and
// those of nobody else.
func TestProcNumbers(t *testing.T) {
	m := newIDs()
	for _, tid := range []int{500, 501, 777} {
		m.give(tid)
	}
	v := newViews(nil, m)
	for inside, host := range map[string]string{
		"/proc/1/status": "/proc/500/status", "/proc/2/task/3/stat": "/proc/501/task/777/stat", "/proc/self/fd/2": "/proc/self/fd/2",
		"/proc/sys/kernel/1": "/proc/sys/kernel/1",
	} { // order: each is by itself
		if got := v.host(inside); got != host {
			t.Errorf("%s is %s, want %s", inside, got, host)
		}
		if got := v.inside(host); got != inside {
			t.Errorf("%s is seen as %s, want %s", host, got, inside)
		}
	}
	if got := v.host("/proc/500"); got != "/proc/2147483632" {
		t.Errorf("/proc/500, which is nobody's, is %s", got)
	}
	// The machine gives a number anew.
	if id := m.give(501); id != 4 || m.real(2) != noID || m.real(-4) != -501 || m.real(-1) != -1 {
		t.Errorf("number %d, 2 is %d, -4 is %d", id, m.real(2), m.real(-4))
	}
}
