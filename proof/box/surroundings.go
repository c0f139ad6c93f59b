//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// surroundings are what changes from one run to the next and must not be seen.
// The zero surroundings are this user and all cores, with nothing else going on.
type surroundings struct {
	name      string
	load      bool // a busy loop on every core
	stranger  bool // an ordinary user
	oneCore   bool
	zone      string
	deep      bool // a workspace with a long name
	home      bool // another home directory
	umask     string
	files     string // the limit of open files
	variables int    // bytes of environment
	backwards bool   // files that are there before are made in the other order
}

// recordedDiffer reports whether the surroundings are, in part, a recorded
// input: then the run is another one, with the same effects.
func (s *surroundings) recordedDiffer() bool { return s.zone != "" || s.home }

// otherInputs reports whether a program is given something else by them.
func (s *surroundings) otherInputs() bool { return s.recordedDiffer() || s.deep || s.stranger }

var rows = []surroundings{
	{name: "load", load: true},
	{name: "onecore", oneCore: true},
	{name: "stranger", stranger: true},
	{name: "zone", zone: "Asia/Kathmandu"},
	{name: "cwd", deep: true},
	{name: "home", home: true},
	{name: "umask", umask: "077"},
	{name: "files", files: "200"},
	{name: "environment", variables: 50_000},
	{name: "order", backwards: true},
	{
		name: "all", load: true, oneCore: true, stranger: true, deep: true, umask: "027",
		files: "300", variables: 9_999, backwards: true,
	},
}

func rowNames() []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	return names
}

// turn returns the surroundings of run i of the program at a place of the
// table: the first run of each has the zero ones, the others take turns.
func (b *bench) turn(place, i int) *surroundings {
	if i == 0 {
		return &surroundings{name: "plain"}
	}
	if b.row != "" {
		return &rows[slices.Index(rowNames(), b.row)]
	}
	return &rows[(place*(b.runs-1)+i-1)%len(rows)]
}

// strangerID is the user and group of an ordinary user.
const strangerID = 65534

// wrap puts a command line into the surroundings.
func (s *surroundings) wrap(argv []string) []string {
	if s.oneCore {
		argv = append([]string{"taskset", "-c", firstCore()}, argv...)
	}
	if s.stranger && os.Getuid() == 0 {
		id := strconv.Itoa(strangerID)
		argv = append([]string{"setpriv", "--reuid", id, "--regid", id, "--clear-groups"}, argv...)
	}
	var orders []string
	if s.umask != "" {
		orders = append(orders, "umask "+s.umask)
	}
	if s.files != "" {
		orders = append(orders, "ulimit -n "+s.files)
	}
	if len(orders) > 0 {
		argv = append([]string{"sh", "-c", strings.Join(orders, "; ") + `; exec "$@"`, "sh"}, argv...)
	}
	return argv
}

// firstCore is the first core that this process may use.
func firstCore() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "0"
	}
	_, list, _ := strings.Cut(string(status), "Cpus_allowed_list:\t")
	end := strings.IndexAny(list, ",-\n")
	return list[:max(end, 0)]
}

// environment is the environment of a run in the workspace w. A home is a
// recorded input: runs that are compared have the same.
func (s *surroundings) environment(home, w string) []string {
	if s.home {
		home = w
	}
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "LANG=C.UTF-8"}
	if s.zone != "" {
		env = append(env, "TZ="+s.zone)
	}
	for i := 0; i < s.variables; i += 1000 {
		env = append(env, fmt.Sprintf("SURROUNDINGS_%d=%s", i, strings.Repeat("x", 980)))
	}
	return env
}

// workspace makes the workspace of a run: the program if it is a script, and
// files that were there before.
func (s *surroundings) workspace(dir, program string) (string, error) {
	w := filepath.Join(dir, "w")
	if s.deep {
		w = filepath.Join(dir, "a workspace whose name is longer", "than that of the others", "w")
	}
	if err := os.MkdirAll(filepath.Join(w, "before"), 0o755); err != nil {
		return "", err
	}
	if script(program) {
		content, err := os.ReadFile(program)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(w, filepath.Base(program)), content, 0o644); err != nil {
			return "", err
		}
	}
	names := []string{"ebb", "flow", "moon", "neap", "slack", "spring", "surge", "tide", "wave", "wind"}
	if s.backwards {
		slices.Reverse(names)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(w, "before", name), []byte(name+"\n"), 0o644); err != nil {
			return "", err
		}
	}
	if s.stranger && os.Getuid() == 0 {
		return w, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, strangerID, strangerID)
		})
	}
	return w, nil
}

// burden keeps every core busy until the function it returns is called.
func (s *surroundings) burden() (stop func(), err error) {
	if !s.load {
		return func() {}, nil
	}
	var hogs []*exec.Cmd
	stop = func() {
		for _, h := range hogs {
			// It is ours, and killed is how it ends.
			_ = h.Process.Kill()
			_ = h.Wait()
		}
	}
	for range runtime.NumCPU() {
		h := exec.Command("sh", "-c", "while :; do :; done")
		if err := h.Start(); err != nil {
			stop()
			return nil, err
		}
		hogs = append(hogs, h)
	}
	return stop, nil
}
