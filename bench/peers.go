package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gopkg.in/dnaeon/go-vcr.v4/pkg/recorder"

	"github.com/coo-runtime/coo/internal/durable"
)

const (
	peerCalls   = 2000
	peerStreams = 20
	// vcrpyCalls is how many of them vcrpy is asked: each takes longer than
	// the one before, and 2,000 were not done after ten minutes.
	vcrpyCalls = 500
	// frameGap is the time between two frames of a slow stream.
	frameGap = 5 * time.Millisecond
)

// A client's account of the traffic, times in nanoseconds.
type account struct {
	Calls  []time.Duration `json:"calls"`  // each, to the last byte of its answer
	First  []time.Duration `json:"first"`  // of each stream, to its first byte
	Memory int64           `json:"memory"` // the most that the process had, in bytes
}

// clientFlag makes bench the client whose calls the tools record.
const clientFlag = "-client"

// client makes the traffic: short calls, one after the other, and slow streams.
// How is "bare", "record" or "replay": the last two are by go-vcr, in this
// process, with a cassette; proxy may be empty.
func client(base, how, cassette, proxy, out string) error {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.Proxy = nil
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return err
		}
		tr.Proxy = http.ProxyURL(u)
	}
	var via http.RoundTripper = tr
	if how != "bare" {
		mode := map[string]recorder.Mode{"record": recorder.ModeRecordOnly, "replay": recorder.ModeReplayOnly}[how]
		rec, err := recorder.New(cassette, recorder.WithMode(mode), recorder.WithRealTransport(tr), recorder.WithSkipRequestLatency(true))
		if err != nil {
			return err
		}
		defer rec.Stop()
		via = rec
	}
	a, err := traffic(&http.Client{Transport: via}, base)
	if err != nil {
		return err
	}
	a.Memory = highWater(os.Getpid())
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o644)
}

func traffic(c *http.Client, base string) (*account, error) {
	a := &account{}
	// The first call, which makes the connection, is not counted.
	for i := range peerCalls + 1 {
		start := time.Now()
		resp, err := c.Post(base+"/v1/chat/completions", "application/json", strings.NewReader(shortQuestion(i)))
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("call %d: %s, %w", i, resp.Status, err)
		}
		if i > 0 {
			a.Calls = append(a.Calls, time.Since(start))
		}
	}
	for i := range peerStreams {
		start := time.Now()
		resp, err := c.Post(base+"/slow", "application/json", strings.NewReader(fmt.Sprintf(`{"messages":[{"content":"stream %d","role":"user"}],"model":"m","stream":true}`, i)))
		if err != nil {
			return nil, err
		}
		_, err = resp.Body.Read(make([]byte, 1))
		a.First = append(a.First, time.Since(start))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("stream %d: %s, %w", i, resp.Status, err)
		}
	}
	return a, nil
}

func shortQuestion(i int) string {
	return fmt.Sprintf(`{"messages":[{"content":"question %d","role":"user"}],"model":"m"}`, i)
}

// highWater is the most memory that a process has had, in bytes: proc(5).
func highWater(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kB, _ := strconv.ParseInt(f[0], 10, 64) // the kernel writes a number
	return kB << 10
}

// A tool is what records and replays, as the bench has measured it.
type tool struct {
	name            string
	bare            *account // the same client without the tool
	record, replay  *account
	onMemory        time.Duration // what coo's recording adds, p50, where syncs cost nothing
	store           int64
	recMem, replMem int64
}

// peers measures coo and other tools on the same traffic: what recording and
// replaying add to a call, early and late, and to the first byte of a stream,
// what is stored, and what memory it takes.
func (b *bench) peers() error {
	srv := httptest.NewServer(slowly{&server{}})
	defer srv.Close()
	ours, err := b.measureCoo(srv)
	if err != nil {
		return fmt.Errorf("coo: %w", err)
	}
	tools := []*tool{ours}
	for _, measure := range []func(*httptest.Server) (*tool, error){b.measureMitm, b.measureGoVCR, b.measureVcrpy} {
		t, err := measure(srv)
		if err != nil {
			return err
		}
		tools = append(tools, t)
	}
	sync, err := b.diskSync()
	if err != nil {
		return err
	}
	b.tellPeers(tools, sync)
	return nil
}

// tellPeers makes the rows: one for each figure and tool, coo's first.
func (b *bench) tellPeers(tools []*tool, sync time.Duration) {
	ours := tools[0]
	added := func(a, bare *account, part func(*account) time.Duration) time.Duration { return part(a) - part(bare) }
	p := func(q float64) func(*account) time.Duration {
		return func(a *account) time.Duration { return quantile(a.Calls, q) }
	}
	around := func(n int) func(*account) time.Duration {
		return func(a *account) time.Duration { return median(a.Calls[max(0, n-50):min(n+50, len(a.Calls))]) }
	}
	first := func(a *account) time.Duration { return median(a.First) }
	for _, figure := range []struct {
		what string
		of   func(t *tool) time.Duration
		aim  time.Duration // 0: none
		late bool          // of the last calls
	}{
		{"recording adds to a call, p50", func(t *tool) time.Duration { return added(t.record, t.bare, p(0.5)) }, 0, false},
		{"  p99", func(t *tool) time.Duration { return added(t.record, t.bare, p(0.99)) }, 0, false},
		{"  call 200", func(t *tool) time.Duration { return added(t.record, t.bare, around(200)) }, 0, false},
		{"  call 2,000", func(t *tool) time.Duration { return added(t.record, t.bare, around(peerCalls)) }, 0, true},
		{"  the first byte of a stream", func(t *tool) time.Duration { return added(t.record, t.bare, first) }, time.Millisecond, false},
		{"replaying, against the bare server, p50", func(t *tool) time.Duration { return added(t.replay, t.bare, p(0.5)) }, 300 * time.Microsecond, false},
		{"  p99", func(t *tool) time.Duration { return added(t.replay, t.bare, p(0.99)) }, 0, false},
		{"  call 200", func(t *tool) time.Duration { return added(t.replay, t.bare, around(200)) }, 0, false},
		{"  call 2,000", func(t *tool) time.Duration { return added(t.replay, t.bare, around(peerCalls)) }, 0, true},
	} {
		for i, t := range tools {
			if figure.late && len(t.bare.Calls) < peerCalls {
				b.peerRow(figure.what, t, i, "not waited for", "", "")
				continue
			}
			goal := ""
			if i == 0 && figure.aim > 0 {
				goal = aim(short(figure.aim), figure.of(t) <= figure.aim)
			}
			b.peerRow(figure.what, t, i, signed(figure.of(t)), ratioOf(figure.of(ours), figure.of(t)), goal)
		}
		if figure.what == "recording adds to a call, p50" {
			b.rows.add("  without the disk's sync (store on tmpfs)", short(ours.onMemory), "", "", aim("0.5 ms", ours.onMemory <= 500*time.Microsecond))
			b.rows.add("  the disk's own write and fdatasync of 2 KB", short(sync), "", "", "")
		}
	}
	for _, figure := range []struct {
		what string
		of   func(t *tool) int64
	}{
		{"stored", func(t *tool) int64 { return t.store }},
		{"memory, recording", func(t *tool) int64 { return t.recMem }},
		{"memory, replaying", func(t *tool) int64 { return t.replMem }},
	} {
		for i, t := range tools {
			b.peerRow(figure.what, t, i, megabytes(figure.of(t)), ratio(figure.of(ours), figure.of(t)), "")
		}
	}
}

// peerRow adds a row for coo, or one in which coo is compared with a tool.
func (b *bench) peerRow(what string, t *tool, i int, text, ratio, goal string) {
	if i == 0 {
		b.rows.add(what, text, "", "", goal)
		return
	}
	b.rows.add("", "", text+" "+t.name, ratio, "")
}

func signed(d time.Duration) string {
	if d < 0 {
		return "-" + short(-d)
	}
	return short(d)
}

// ratioOf is the ratio of two added times, where that means something.
func ratioOf(a, b time.Duration) string {
	if a <= 0 || b <= 0 {
		return ""
	}
	return ratio(a, b)
}

func quantile(ds []time.Duration, q float64) time.Duration {
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(int(q*float64(len(ds))), len(ds)-1)]
}

// slowly serves slow streams, too.
type slowly struct{ *server }

func (s slowly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		w = &pausing{w}
	}
	s.server.ServeHTTP(w, r)
}

// pausing waits after each frame.
type pausing struct{ http.ResponseWriter }

func (p *pausing) Flush() {
	p.ResponseWriter.(http.Flusher).Flush()
	time.Sleep(frameGap)
}

// ask runs the client and returns its account.
func (b *bench) ask(dir, base, how, cassette, proxy string) (*account, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "account.json")
	cmd := exec.Command(self, clientFlag, base, how, cassette, proxy, out)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return readAccount(out, peerCalls)
}

func readAccount(name string, calls int) (*account, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	a := &account{}
	if err := json.Unmarshal(b, a); err != nil {
		return nil, err
	}
	if len(a.Calls) != calls || len(a.First) != peerStreams {
		return nil, fmt.Errorf("%s: %d calls, %d streams", name, len(a.Calls), len(a.First))
	}
	return a, os.Remove(name)
}

// measureCoo lets the client run under coo, as a program that knows nothing
// of it. Its account is written outside of the workspace.
func (b *bench) measureCoo(srv *httptest.Server) (*tool, error) {
	t := &tool{name: "coo"}
	outside, err := b.subdir("accounts")
	if err != nil {
		return nil, err
	}
	if t.bare, err = b.ask(outside, srv.URL, "bare", "", ""); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	coo, err := filepath.Abs(b.coo)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(outside, "account.json")
	program := []string{self, clientFlag, "http://model.test", "bare", "", "", out}
	run := func(dir string, args ...string) (*account, int64, error) {
		cmd := exec.Command(coo, args...)
		cmd.Dir = dir
		most, err := watched(cmd)
		if err != nil {
			return nil, 0, err
		}
		a, err := readAccount(out, peerCalls)
		return a, most, err
	}
	record := append([]string{"run", "--isolation=frozen", "--calls=live", "--resolve", "model.test:80:" + srv.Listener.Addr().String(), "--"}, program...)
	dir, err := b.subdir("peers")
	if err != nil {
		return nil, err
	}
	if t.record, t.recMem, err = run(dir, record...); err != nil {
		return nil, err
	}
	if t.store, _, err = sizeOf(filepath.Join(dir, ".coo")); err != nil {
		return nil, err
	}
	if t.replay, t.replMem, err = run(dir, "replay", "@last"); err != nil {
		return nil, err
	}
	memory, err := os.MkdirTemp("/dev/shm", "coo-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(memory)
	// The disk has no part in it, and what is left is near the aim: it is the
	// median of several, each beside the client alone.
	var added []time.Duration
	for range 5 {
		bare, err := b.ask(outside, srv.URL, "bare", "", "")
		if err != nil {
			return nil, err
		}
		with, _, err := run(memory, record...)
		if err != nil {
			return nil, err
		}
		added = append(added, median(with.Calls)-median(bare.Calls))
	}
	t.onMemory = median(added)
	return t, nil
}

// watched runs a command and returns the most memory that it had.
func watched(cmd *exec.Cmd) (int64, error) {
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var most int64
	for {
		select {
		case err := <-done:
			if err != nil {
				return 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said.String())
			}
			return most, nil
		case <-time.After(20 * time.Millisecond):
			most = max(most, highWater(cmd.Process.Pid))
		}
	}
}

// measureMitm sends the client through mitmproxy as it is by default, which
// reads an answer whole before it hands it on.
func (b *bench) measureMitm(srv *httptest.Server) (*tool, error) {
	t := &tool{name: "mitmproxy"}
	dir, err := b.subdir("mitmproxy")
	if err != nil {
		return nil, err
	}
	if t.bare, err = b.ask(dir, srv.URL, "bare", "", ""); err != nil {
		return nil, err
	}
	flows := filepath.Join(dir, "flows")
	through := func(args ...string) (a *account, most int64, err error) {
		port, err := freePort()
		if err != nil {
			return nil, 0, err
		}
		cmd := exec.Command(filepath.Join(b.tools, "mitmproxy", "bin", "mitmdump"), append([]string{
			"-q", "--listen-host", "127.0.0.1", "-p", port, "--set", "confdir=" + filepath.Join(dir, "conf"),
		}, args...)...)
		if err := cmd.Start(); err != nil {
			return nil, 0, fmt.Errorf("mitmproxy: %w: ./bench/run.sh peers installs it", err)
		}
		defer func() {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait() // it has been told to end: its status says nothing
		}()
		if err := reachable(port); err != nil {
			return nil, 0, fmt.Errorf("mitmproxy: %w", err)
		}
		if a, err = b.ask(dir, srv.URL, "bare", "", "http://127.0.0.1:"+port); err != nil {
			return nil, 0, err
		}
		return a, highWater(cmd.Process.Pid), nil
	}
	if t.record, t.recMem, err = through("-w", flows); err != nil {
		return nil, err
	}
	fi, err := os.Stat(flows)
	if err != nil {
		return nil, err
	}
	t.store = fi.Size()
	t.replay, t.replMem, err = through("--server-replay", flows, "--set", "server_replay_extra=kill")
	return t, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// reachable waits until something listens at a port.
func reachable(port string) error {
	for range 600 {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("it does not listen after a minute")
}

// measureGoVCR records in the client's own process.
func (b *bench) measureGoVCR(srv *httptest.Server) (*tool, error) {
	t := &tool{name: "go-vcr"}
	dir, err := b.subdir("go-vcr")
	if err != nil {
		return nil, err
	}
	if t.bare, err = b.ask(dir, srv.URL, "bare", "", ""); err != nil {
		return nil, err
	}
	cassette := filepath.Join(dir, "cassette")
	if t.record, err = b.ask(dir, srv.URL, "record", cassette, ""); err != nil {
		return nil, err
	}
	if t.store, _, err = sizeOf(cassette + ".yaml"); err != nil {
		return nil, err
	}
	if t.replay, err = b.ask(dir, srv.URL, "replay", cassette, ""); err != nil {
		return nil, err
	}
	t.recMem, t.replMem = t.record.Memory, t.replay.Memory
	return t, nil
}

// measureVcrpy does the same in Python, against the same requests by the same
// library without vcrpy.
func (b *bench) measureVcrpy(srv *httptest.Server) (*tool, error) {
	t := &tool{name: fmt.Sprintf("vcrpy, %d calls", vcrpyCalls)}
	dir, err := b.subdir("vcrpy")
	if err != nil {
		return nil, err
	}
	cassette, out := filepath.Join(dir, "cassette.yaml"), filepath.Join(dir, "account.json")
	run := func(how string) (*account, error) {
		cmd := exec.Command(filepath.Join(b.tools, "vcrpy", "bin", "python"), filepath.Join(b.source, "vcrpy.py"), srv.URL, how, cassette, out,
			strconv.Itoa(vcrpyCalls), strconv.Itoa(peerStreams))
		if _, err := watched(cmd); err != nil {
			return nil, fmt.Errorf("vcrpy: %w: ./bench/run.sh peers installs it", err)
		}
		return readAccount(out, vcrpyCalls)
	}
	if t.bare, err = run("bare"); err != nil {
		return nil, err
	}
	if t.record, err = run("record"); err != nil {
		return nil, err
	}
	if t.store, _, err = sizeOf(cassette); err != nil {
		return nil, err
	}
	if t.replay, err = run("replay"); err != nil {
		return nil, err
	}
	t.recMem, t.replMem = t.record.Memory, t.replay.Memory
	return t, nil
}

// diskSync is what the disk takes for a write and fdatasync as long as those
// of a recorded call.
func (b *bench) diskSync() (time.Duration, error) {
	f, err := os.CreateTemp(b.dir, "sync-*")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	data := make([]byte, 2048)
	return medianOf(200, func() error {
		if _, err := f.Write(data); err != nil {
			return err
		}
		return durable.Data(f)
	})
}
