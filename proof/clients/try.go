//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coo-runtime/coo/internal/modelserver"
)

// A try is one client, in one way.
type try struct {
	*bench
	client   *client
	way      string
	replays  int
	thorough bool   // it is also run with --calls=frozen
	dir      string // of this try
	done     chan struct{}
	err      error

	calls            int
	recorded, replay time.Duration // replay: of one
	used             time.Duration // of processors, by all of it
}

// limit is how long one command may take.
const limit = 10 * time.Minute

// line is what is printed of a try that came out.
func (t *try) line() string {
	if t.way == proxied && t.client.unguided != "" {
		return fmt.Sprintf("%-26s %-8s not seen, as it should be: %s", t.client.name, t.way, t.client.unguided)
	}
	if t.way == proxied && t.client.placed != "" {
		return fmt.Sprintf("%-26s %-8s %3d calls, recorded in %5.1fs, run frozen again, no replay: %s",
			t.client.name, t.way, t.calls, t.recorded.Seconds(), t.client.placed)
	}
	frozen := ""
	if t.thorough {
		frozen = ", run frozen again"
	}
	return fmt.Sprintf("%-26s %-8s %3d calls, recorded in %5.1fs, %2d replays identical, %4.1fs each%s, %.1fs of processors",
		t.client.name, t.way, t.calls, t.recorded.Seconds(), t.replays, t.replay.Seconds(), frozen, t.used.Seconds())
}

// An outcome is what a command did.
type outcome struct {
	stdout, stderr []byte
	status         int
	took           time.Duration
}

// perform records and replays.
func (t *try) perform() (err error) {
	if err := t.furnish(); err != nil {
		return err
	}
	s, err := t.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	args := []string{"--upstream-ca", filepath.Join(t.dir, "ca.pem")}
	for _, v := range t.client.env {
		name, _, _ := strings.Cut(v, "=")
		args = append(args, "--env", name) // or a replay drops it
	}
	for _, host := range []string{openaiHost, anthropicHost, geminiHost, bedrockHost, agentHost} {
		args = append(args, "--resolve", host+":443:"+s.addr)
	}
	first, id, err := t.run(args)
	if err != nil {
		return err
	}
	if t.way == proxied && t.client.unguided != "" {
		return t.unseen(first, s)
	}
	if first.status != 0 {
		return fmt.Errorf("run: status %d: %s", first.status, tail(first.stderr))
	}
	if err := t.said(first.stdout); err != nil {
		return err
	}
	if t.calls = int(s.requests.Load()); t.calls < 2 {
		return fmt.Errorf("the server was asked %d times", t.calls)
	}
	t.recorded = first.took
	s.stop()
	if t.thorough || t.way == proxied && t.client.placed != "" {
		if err := t.again(first, id, args); err != nil {
			return err
		}
	}
	if t.way == proxied && t.client.placed != "" {
		return t.elsewhere()
	}
	for i := range t.replays {
		o, err := t.coo(nil, slices.Concat([]string{"replay", "@last"}, t.traced("replay"))...)
		if err == nil {
			if parted := t.parted(); parted != nil {
				err = fmt.Errorf("replay %d, status %d: %w", i+1, o.status, parted)
			}
		}
		switch {
		case err != nil:
			return err
		case o.status != 0:
			return fmt.Errorf("replay %d: status %d: %s", i+1, o.status, tail(o.stderr))
		case !bytes.Equal(first.stdout, o.stdout):
			return fmt.Errorf("replay %d: another output\n%s", i+1, firstDifference(first.stdout, o.stdout))
		}
		t.replay = o.took
	}
	return t.clean()
}

// unseen holds that a client which does not follow the variables asked nobody,
// so that the reason given for it is true.
func (t *try) unseen(o *outcome, s *server) error {
	if o.status == 0 && len(t.client.scenes) > 0 && t.said(o.stdout) == nil {
		return errors.New("it is said not to follow the proxy variables, and all of it came out")
	}
	return t.clean()
}

// elsewhere holds that a replay in another directory asks something else, so
// that the reason given for it is true.
func (t *try) elsewhere() error {
	o, err := t.coo(nil, "replay", "@last")
	if err == nil && o.status != 6 {
		err = fmt.Errorf("a replay elsewhere: status %d, want 6: %s", o.status, tail(o.stderr))
	}
	if err != nil {
		return err
	}
	return t.clean()
}

// again runs the command from frozen answers: the same output, the same files,
// the same run.
func (t *try) again(first *outcome, id string, args []string) error {
	files, err := t.state()
	if err != nil {
		return err
	}
	second, other, err := t.run(append([]string{"--calls=frozen"}, args...))
	switch {
	case err != nil:
		return err
	case second.status != 0:
		return fmt.Errorf("run --calls=frozen: status %d: %s", second.status, tail(second.stderr))
	case !bytes.Equal(first.stdout, second.stdout):
		return fmt.Errorf("run --calls=frozen: another output\n%s", firstDifference(first.stdout, second.stdout))
	case other != id:
		return fmt.Errorf("run --calls=frozen: run %s, recorded was %s", other, id)
	}
	now, err := t.state()
	if err == nil && now != files {
		err = fmt.Errorf("run --calls=frozen: other files\n%s", firstDifference([]byte(files), []byte(now)))
	}
	return err
}

func (t *try) level() string {
	switch t.way {
	case boxed:
		return "deterministic"
	case proxied:
		return "proxied"
	}
	return "frozen"
}

// command is the agent's command line, after the two dashes.
func (t *try) command() []string {
	out := append([]string{"--"}, t.expand(t.client.argv)...)
	if t.way == bare {
		out = append(out, "--bare")
	}
	return out
}

// expand puts what was made in the place of its names.
func (t *try) expand(texts []string) []string {
	var out []string
	for _, a := range texts {
		out = append(out, os.Expand(a, func(name string) string {
			return map[string]string{
				"PYTHON": t.made("python/bin/python"), "LITELLM": t.made("litellm"), "BUNDLE": filepath.Join(t.dir, "company.pem"),
				"NODE": t.made("node/node_modules/node24/bin/node"), "NODE20": t.made("node/node_modules/node20/bin/node"),
				"MODULES": t.made("node/node_modules"), "GOAGENT": t.agent,
			}[name]
		}))
	}
	return out
}

// environment is what a recording begins with: credentials, and variables
// that coo has to put something else in the place of.
func (t *try) environment() []string {
	return t.expand(slices.Concat(keys, t.client.env, misleading))
}

// coo runs a coo command in the workspace. A replay gets no environment but
// what every program has: it needs no key, and none of the variables.
func (t *try) coo(env []string, args ...string) (*outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if t.way == boxed {
		// What a client finds at home of an earlier run, such as Deno a
		// cache, is an input: the time of its calls follows from that.
		if err := empty(t.home()); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, t.bench.coo, args...)
	cmd.Dir = t.workspace()
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.home(), "LANG=C.UTF-8",
	}, env...)
	cmd.WaitDelay = 5 * time.Second
	var o outcome
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	t.used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	o.took, o.stdout, o.stderr, o.status = time.Since(begin), stdout.Bytes(), stderr.Bytes(), cmd.ProcessState.ExitCode()
	if t.verbose {
		fmt.Printf("$ coo %s\n%s[%d]\n", strings.Join(args, " "), o.stderr, o.status)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("coo %s: no end after %v: %s", args[0], limit, tail(o.stderr))
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return nil, err
	}
	return &o, nil
}

// said holds that every scenario was performed.
func (t *try) said(stdout []byte) error {
	if t.client.scenes == "" {
		if len(bytes.TrimSpace(stdout)) == 0 {
			return errors.New("it said nothing")
		}
		return nil
	}
	for scene := range strings.FieldsSeq(t.client.scenes + " end") {
		if !bytes.Contains(append([]byte("\n"), stdout...), []byte("\n== "+scene+"\n")) {
			return fmt.Errorf("no scenario %q in what it said", scene)
		}
	}
	return nil
}

// run performs the agent and returns the ID of its run too.
func (t *try) run(args []string) (o *outcome, id string, err error) {
	file := t.out("run.json")
	if err := os.RemoveAll(file); err != nil {
		return nil, "", err
	}
	args = slices.Concat([]string{"run", "--json=" + file, "--isolation=" + t.level()}, t.traced("run"), args, t.command())
	if o, err = t.coo(t.environment(), args...); err != nil || o.status != 0 {
		return o, "", err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	var told struct{ Run string }
	if err := json.Unmarshal(b, &told); err != nil || told.Run == "" {
		return nil, "", fmt.Errorf("run --json: %w: no run in %s", err, b)
	}
	return o, told.Run, nil
}

// state is a list of the workspace's files and their contents.
func (t *try) state() (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(t.workspace(), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".coo" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(name)
		fmt.Fprintf(&b, "%s %q\n", strings.TrimPrefix(name, t.workspace()), content)
		return err
	})
	return b.String(), err
}

// A server is a sample model server for any host.
type server struct {
	addr     string
	requests atomic.Int64
	stop     func()
}

func (t *try) serve() (*server, error) {
	authority, err := modelserver.NewAuthority()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(t.dir, "ca.pem"), authority.PEM(), 0o644); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{addr: ln.Addr().String()}
	model := modelserver.New(modelserver.Options{RetryAfter: 20 * time.Millisecond})
	h := &http.Server{
		TLSConfig: authority.TLS(), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.Add(1)
			model.ServeHTTP(w, r)
		}),
	}
	go h.ServeTLS(ln, "", "")
	s.stop = func() { h.Close() }
	return s, nil
}

func tail(b []byte) []byte {
	const most = 1500
	return bytes.TrimSpace(b[max(0, len(b)-most):])
}

// firstDifference shows the first lines in which two texts differ.
func firstDifference(a, b []byte) string {
	as, bs := bytes.Split(a, []byte{'\n'}), bytes.Split(b, []byte{'\n'})
	for i := range max(len(as), len(bs)) {
		var x, y []byte
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		if !bytes.Equal(x, y) {
			return fmt.Sprintf("line %d\n  %.300s\n  %.300s", i+1, x, y)
		}
	}
	return ""
}
