package program_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/program"
	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A stage is a store, a workspace and a service of the outside.
type stage struct {
	t       *testing.T
	st      *store.Store
	dir     *workspace.Dir
	roots   *x509.CertPool
	resolve map[string]string
	served  atomic.Int64

	asked  []freeze.Call // of the last run
	stdout bytes.Buffer
	notes  []string
	guest  *guest // the last
	ca     []byte // that it was given
	cmd    sandbox.Command
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, roots: x509.NewCertPool(), resolve: map[string]string{}}
	var err error
	if s.st, _, err = store.Init(filepath.Join(t.TempDir(), ".coo")); err != nil {
		t.Fatal(err)
	}
	ws := t.TempDir()
	if err := os.WriteFile(filepath.Join(ws, "agent.py"), []byte("import openai\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s.dir, err = workspace.OpenDir(ws); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.dir.Close() })
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.served.Add(1)
		service(w, r)
	}))
	t.Cleanup(upstream.Close)
	s.roots.AddCert(upstream.Certificate())
	s.resolve["example.com:443"] = upstream.Listener.Addr().String()
	s.resolve["refused.example:443"] = "127.0.0.1:1"
	return s
}

// service is what the guests of these tests ask.
func service(w http.ResponseWriter, r *http.Request) {
	flush := func() { w.(http.Flusher).Flush() }
	pause := func() { time.Sleep(time.Duration(rand.IntN(2500)) * time.Microsecond) }
	switch r.URL.Path {
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		flush()
		for i := range 5 {
			pause()
			fmt.Fprintf(w, "data: %s %d\n\n", r.URL.RawQuery, i)
			flush()
		}
		pause()
		fmt.Fprint(w, "data: [DONE]\n\n")
	case "/slow":
		time.Sleep(80 * time.Millisecond)
		fmt.Fprint(w, "slow")
	case "/open":
		fmt.Fprint(w, "begun")
		flush()
		<-r.Context().Done()
	case "/never":
		<-r.Context().Done()
	case "/busy":
		if r.Header.Get("X-Attempt") == "1" {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, "at last")
	case "/cut":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		flush()
		panic(http.ErrAbortHandler)
	default:
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"echo":%q}`, body)
	}
}

// answers returns the sources of answers that a mode of coo run has.
func (s *stage) answers(mode string, sources ...*freeze.Source) interface {
	freeze.Answerer
	freeze.Streamer
} {
	if mode == "frozen" {
		return freeze.NewFrozen(sources...)
	}
	live := freeze.NewLive(freeze.LiveOptions{Resolve: s.resolve, RootCAs: s.roots})
	if mode == "live" {
		return live
	}
	return freeze.NewFill(live, sources...)
}

func (s *stage) programs(main func(*thread)) *run.Programs {
	s.stdout.Reset()
	s.notes = nil
	return &run.Programs{
		Level: sandbox.Deterministic, Rules: wire.ProgramRules(),
		Base:    func(int) [][2]string { return [][2]string{{"LANG", "C.UTF-8"}} },
		Environ: func([][2]string) []string { return []string{"LANG=C.UTF-8"} },
		Stdout:  &s.stdout, Stderr: io.Discard, Note: func(text string) { s.notes = append(s.notes, text) },
		Content: s.st.Get,
		Boxed: func(_ context.Context, c sandbox.Command) (program.Boxed, error) {
			s.ca, s.cmd = c.CA, c
			s.guest = newGuest(s.t, main)
			return s.guest, nil
		},
	}
}

// heard tells of the calls that are asked.
type heard struct {
	freeze.Streamer
	tell func(freeze.Call)
}

func (h heard) Stream(ctx context.Context, c freeze.Call) (*freeze.Stream, error) {
	h.tell(c)
	return h.Streamer.Stream(ctx, c)
}

// run performs a guest as coo run does.
func (s *stage) run(main func(*thread), mode string, sources ...*freeze.Source) (*run.Outcome, error) {
	s.t.Helper()
	answers := s.answers(mode, sources...)
	defer answers.Close()
	p := s.programs(main)
	s.asked = nil
	p.Answers = heard{answers, func(c freeze.Call) { s.asked = append(s.asked, c) }}
	clock := freeze.LiveClock()
	if len(sources) > 0 {
		readings, err := sources[0].Clock()
		if err != nil {
			s.t.Fatal(err)
		}
		clock = freeze.FillClock(readings)
	}
	return run.Do(s.t.Context(), run.Config{
		Store: s.st, Name: "agent", Command: &run.Command{Argv: []string{"python3", "agent.py"}, Env: p.Base(0)},
		Programs: p, Dir: s.dir, Args: map[string]string{}, Seed: "7",
		Answers: answers, Clock: clock, Know: func(string) error { return nil }, Print: func(string) {},
		Facts: map[string]string{"t": "facts"},
	})
}

// record is run, live, of a guest that comes to its end.
func (s *stage) record(main func(*thread)) *run.Outcome {
	s.t.Helper()
	o, err := s.run(main, "live")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := flight.Verify(s.st, o.ID); err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *stage) source(o *run.Outcome) *freeze.Source {
	return freeze.FromRun(s.st, store.Handle{Sealed: true, ID: o.ID, Dir: "runs/" + o.ID.String()})
}

func (s *stage) load(o *run.Outcome) *flight.Run {
	s.t.Helper()
	r, err := flight.Load(s.st, o.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// replay performs a guest from the record of another.
func (s *stage) replay(o *run.Outcome, main func(*thread)) error {
	s.t.Helper()
	r := s.load(o)
	p := s.programs(main)
	p.Ground = run.Scratch{Store: s.st, Base: s.base(), Dir: s.dir.Path()}
	return replay.Do(s.t.Context(), replay.Config{Run: r, Source: s.source(o), Blob: r.Blob, Programs: p})
}

// base returns the tree of the workspace as it was taken for the newest run.
func (s *stage) base() digest.Digest {
	s.t.Helper()
	executions, err := s.st.Executions()
	if err != nil {
		s.t.Fatal(err)
	}
	values, err := s.st.Attachments(executions[len(executions)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	at, err := run.ParseAttachments(values)
	if err != nil {
		s.t.Fatal(err)
	}
	return at.Trees[0].Tree
}

// types returns the types of the records of a run.
func types(r *flight.Run) string {
	var out []string
	for _, rec := range r.Records {
		out = append(out, flight.Env(rec).T)
	}
	return strings.Join(out, " ")
}

// A client speaks HTTP in TLS from a thread.
type client struct {
	*thread
	conn *guestConn
	tls  *tls.Conn
	r    *bufio.Reader
}

// client connects to a host.
func (s *stage) client(t *thread, host string) *client {
	c := &client{thread: t, conn: t.dial(host, 443)}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	c.tls = tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: host, NextProtos: []string{"h2", "http/1.1"}})
	c.r = bufio.NewReader(c.tls)
	return c
}

// ask sends a request and waits for the head of the answer.
func (c *client) ask(path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequest("POST", "https://"+c.tls.ConnectionState().ServerName+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Host = "example.com"
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var b bytes.Buffer
	req.Write(&b)
	if _, err := c.tls.Write(b.Bytes()); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.r, req)
}

// get prints an answer whole.
func (c *client) get(path, body string, headers ...string) {
	resp, err := c.ask(path, body, headers...)
	if err != nil {
		c.print("%s: no answer\n", path)
		return
	}
	b, err := io.ReadAll(resp.Body)
	c.print("%s: %d %s %v\n", path, resp.StatusCode, b, err)
}

// streams asks three times at once, and prints what comes as it comes.
func (s *stage) streams(t *thread) {
	t.print("asking\n")
	for i := range 3 {
		t.start(func(t *thread) {
			c := s.client(t, "example.com")
			resp, err := c.ask("/stream?"+fmt.Sprint(i), `{"stream":true}`)
			if err != nil {
				t.print("%v", err)
				return
			}
			for {
				line, err := bufio.NewReader(resp.Body).ReadString(0)
				if t.print("%d %q %v\n", i, line, t.unix()); err != nil {
					break
				}
			}
		})
	}
	t.join()
	t.print("done after %v\n", t.unix())
}

func TestRecordThenReplay(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		c := s.client(t, "example.com")
		c.get("/echo", "ebb")
		c.get("/echo", "flow")
		t.write(2, "done\n")
	}
	o := s.record(main)
	r := s.load(o)
	if want := "open call clock call head tail out call head tail out out exit end seal"; types(r) != want {
		t.Errorf("records: %s, want %s", types(r), want)
	}
	open := r.Records[0].(*flight.Open)
	if open.Level != "deterministic" || open.Seed != "7" || s.cmd.Seed != "7" || s.cmd.Clock == 0 {
		t.Errorf("open = %+v, command %+v", open, s.cmd)
	}
	if now, _ := freeze.ParseTime(r.Records[2].(*flight.Clock).Now); now != s.cmd.Clock {
		t.Errorf("the program's clock starts at %d, recorded %d", s.cmd.Clock, now)
	}
	printed := s.stdout.String()
	if want := "/echo: 200 {\"echo\":\"ebb\"} <nil>\n/echo: 200 {\"echo\":\"flow\"} <nil>\n"; printed != want {
		t.Errorf("stdout %q", printed)
	}
	ca, orders := s.ca, s.guest.orderly
	served := s.served.Load()
	for range 3 {
		if err := s.replay(o, main); err != nil {
			t.Fatal(err)
		}
		if s.stdout.String() != printed || !bytes.Equal(s.ca, ca) || len(s.guest.orderly) != len(orders) {
			t.Errorf("stdout %q, %d orders", s.stdout.String(), len(s.guest.orderly))
		}
		for i, o := range s.guest.orderly {
			if was := orders[i]; o.Kind != was.Kind || o.At != was.At || o.Conn != was.Conn || len(o.Data) != len(was.Data) || o.Close != was.Close {
				t.Errorf("order %d is %+v, was %+v", i, o, was)
			}
		}
	}
	if s.served.Load() != served {
		t.Error("a replay asked the service")
	}
}

// Three streams at once, whose chunks arrive as it happens, come again as they
// came.
func TestStreamsInterleave(t *testing.T) {
	proofs.Needed(t)
	s := newStage(t)
	n := 50
	if testing.Short() {
		n = 5
	}
	outputs := map[string]int{}
	for range n {
		o := s.record(s.streams)
		outputs[s.stdout.String()]++
		printed := s.stdout.String()
		if err := s.replay(o, s.streams); err != nil {
			var d *replay.Divergence
			if errors.As(err, &d) {
				t.Fatalf("%v: recorded %+v, replayed %+v", err, d.Recorded, d.Replayed)
			}
			t.Fatal(err)
		}
		if s.stdout.String() != printed {
			t.Fatalf("stdout %q, recorded %q", s.stdout.String(), printed)
		}
		again, err := s.run(s.streams, "fill", s.source(o))
		if err != nil || again.ID != o.ID || again.Sent != 0 {
			t.Fatalf("the second run is %v, the first %v, sent %d, %v", again.ID, o.ID, again.Sent, err)
		}
	}
	if len(outputs) < 2 {
		t.Errorf("%d recordings are all the same: the test shows nothing", n)
	}
}

// What a program has waited for is not waited for again, however long.
func TestNothingIsWaitedFor(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		t.start(func(t *thread) {
			for range 3 {
				t.sleep(20 * time.Millisecond)
				t.print("tick %v\n", t.unix())
			}
		})
		s.client(t, "example.com").get("/slow", "")
		t.print("at %v\n", t.unix())
		t.sleep(10 * time.Minute)
		t.print("at %v\n", t.unix())
		t.join()
	}
	begin := time.Now()
	o := s.record(main)
	if took := time.Since(begin); took < 80*time.Millisecond {
		t.Errorf("recorded in %v", took)
	}
	printed := s.stdout.String()
	if strings.Index(printed, "tick") > strings.Index(printed, "slow") {
		t.Errorf("no timer fired before the answer: %q", printed)
	}
	for range 5 {
		if err := s.replay(o, main); err != nil {
			t.Fatal(err)
		}
		if s.stdout.String() != printed {
			t.Errorf("stdout %q, recorded %q", s.stdout.String(), printed)
		}
	}
}

// A deadline of the program that comes before the answer comes first, and the
// call that it gives up ends there.
func TestDeadlineFires(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		c := s.client(t, "example.com")
		c.get("/echo", "first")
		c.conn.wait = 30 * time.Millisecond
		_, err := c.ask("/never", "")
		t.print("%v after %v\n", err, t.unix())
		c.conn.Close()
		s.client(t, "example.com").get("/echo", "second")
	}
	o := s.record(main)
	r := s.load(o)
	if want := "open call clock call head tail out call out tail call head tail out exit end seal"; types(r) != want {
		t.Errorf("records: %s, want %s", types(r), want)
	}
	if tail := r.Records[9].(*flight.Tail); tail.How != "client" {
		t.Errorf("%+v", tail)
	}
	printed := s.stdout.String()
	if err := s.replay(o, main); err != nil || s.stdout.String() != printed || !strings.Contains(printed, "timeout") {
		t.Errorf("%v, stdout %q, recorded %q", err, s.stdout.String(), printed)
	}
	again, err := s.run(main, "fill", s.source(o))
	if err != nil || again.ID != o.ID {
		t.Errorf("%+v, %v", again, err)
	}
}

// A program that leaves a stream when it has seen enough leaves it there again.
func TestClientLeaves(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		c := s.client(t, "example.com")
		resp, err := c.ask("/stream?x", "")
		if err != nil {
			t.print("%v", err)
			return
		}
		b := make([]byte, 20)
		io.ReadFull(resp.Body, b)
		t.print("%q\n", b)
		c.conn.Close()
		t.sleep(time.Second)
		s.client(t, "example.com").get("/echo", "after")
	}
	o := s.record(main)
	if r := s.load(o); !strings.Contains(types(r), "head data out tail call") {
		t.Errorf("records: %s", types(r))
	}
	for range 3 {
		if err := s.replay(o, main); err != nil {
			t.Fatal(err)
		}
	}
}

// A program that ends while it is being answered.
func TestEndsInTheMiddle(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		c := s.client(t, "example.com")
		c.ask("/open", "")
		d := s.client(t, "example.com")
		d.get("/echo", "x")
		d.tls.Write([]byte("POST /never HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"))
	}
	o := s.record(main)
	r := s.load(o)
	if !strings.HasSuffix(types(r), "call tail tail exit end seal") {
		t.Errorf("records: %s", types(r))
	}
	for range 3 {
		if err := s.replay(o, main); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailuresAreAnswers(t *testing.T) {
	s := newStage(t)
	main := func(t *thread) {
		s.client(t, "example.com").get("/cut", "")
		for i := 1; ; i++ {
			resp, err := s.client(t, "example.com").ask("/busy", "", "X-Attempt", fmt.Sprint(i))
			if err != nil || resp.StatusCode == 200 {
				t.print("%d attempts, %v\n", i, err)
				break
			}
			t.sleep(50 * time.Millisecond)
		}
		c := s.client(t, "refused.example")
		req := "POST / HTTP/1.1\r\nHost: refused.example\r\nContent-Length: 0\r\n\r\n"
		c.tls.Write([]byte(req))
		_, err := http.ReadResponse(c.r, nil)
		t.print("%v\n", err)
		d := s.client(t, "example.com") // no HTTP: refused by coo itself
		d.tls.Write([]byte("EHLO example.com\r\n"))
		b, err := io.ReadAll(d.r)
		t.print("%q %v\n", b, err)
		e := t.dial("example.com", 25) // says nothing
		_, err = e.Read(make([]byte, 1))
		t.print("%v after %v\n", err, t.unix() > 10*time.Second)
	}
	begin := time.Now()
	o := s.record(main)
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("the pause between two attempts was not made: %v", took)
	}
	printed := s.stdout.String()
	for _, want := range []string{"/cut: 200 half unexpected EOF", "2 attempts, <nil>", "connection reset", "connection reset by peer after true"} {
		if !strings.Contains(printed, want) {
			t.Errorf("stdout %q, want %q", printed, want)
		}
	}
	var how []string
	for _, rec := range s.load(o).Records {
		if tail, ok := rec.(*flight.Tail); ok {
			how = append(how, tail.How)
		}
	}
	if !slices.Equal(how, []string{"cut", "eof", "eof", "refused"}) {
		t.Errorf("tails: %v", how)
	}
	for range 3 {
		if err := s.replay(o, main); err != nil {
			t.Fatal(err)
		}
		if s.stdout.String() != printed {
			t.Errorf("stdout %q, recorded %q", s.stdout.String(), printed)
		}
	}
}

// A name is no way to an address near this machine.
func TestReach(t *testing.T) {
	s := newStage(t)
	s.record(func(t *thread) { s.client(t, "example.com").get("/echo", "x") })
	for _, c := range s.asked {
		if c.Reach == nil || c.Reach("example.com:443", netip.MustParseAddr("10.0.0.1")) == nil || c.Reach("example.com:443", netip.MustParseAddr("93.184.215.14")) != nil {
			t.Errorf("%+v may reach what it should not, or not what it should", c)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("%d calls", len(s.asked))
	}
}

// A call that has no frozen answer ends the run.
func TestMiss(t *testing.T) {
	s := newStage(t)
	ask := func(what string) func(*thread) {
		return func(t *thread) { s.client(t, "example.com").get("/echo", what) }
	}
	o := s.record(ask("a"))
	if _, err := s.run(ask("a"), "frozen", s.source(o)); err != nil {
		t.Error(err)
	}
	_, err := s.run(ask("b"), "frozen", s.source(o))
	var miss *freeze.MissError
	if !errors.As(err, &miss) {
		t.Errorf("%v, want a miss", err)
	}
	err = s.replay(o, ask("b"))
	var d *replay.Divergence
	if !errors.As(err, &d) || d.N != 3 {
		t.Errorf("%v, want a divergence at record 3", err)
	}
}

// A program that asks in another order is told in the order in which it asks,
// and the first record that differs says so; nothing is waited for.
func TestOtherOrder(t *testing.T) {
	s := newStage(t)
	ask := func(first, second string) func(*thread) {
		return func(t *thread) {
			c := s.client(t, "example.com")
			c.get("/echo", first)
			c.get("/echo", second)
		}
	}
	o := s.record(ask("a", "b"))
	begin := time.Now()
	err := s.replay(o, ask("b", "a"))
	var d *replay.Divergence
	if !errors.As(err, &d) || d.N != 3 {
		t.Errorf("%v, want a divergence at record 3", err)
	}
	// The same calls, of which one is not yet made when its answer is due.
	late := func(pause time.Duration) func(*thread) {
		return func(t *thread) {
			t.start(func(t *thread) { s.client(t, "example.com").get("/slow", "") })
			t.sleep(pause)
			s.client(t, "example.com").get("/echo", "x")
			t.join()
		}
	}
	o = s.record(late(time.Millisecond))
	err = s.replay(o, late(time.Hour))
	if !errors.As(err, &d) {
		t.Fatalf("%v, want a divergence", err)
	}
	if _, ok := d.Recorded.(*flight.Call); !ok {
		t.Errorf("recorded %+v, replayed %+v", d.Recorded, d.Replayed)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("found after %v", took)
	}
}

// A program that waits for nothing is stopped, and it is said why.
func TestStuck(t *testing.T) {
	s := newStage(t)
	stuck := func(t *thread) {
		c := s.client(t, "example.com")
		c.get("/echo", "x")
		c.conn.Read(make([]byte, 1))
	}
	_, err := s.run(stuck, "live")
	var e *program.StuckError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "1 threads wait") {
		t.Errorf("%v, want a StuckError with what the tracer says", err)
	}
	o := s.record(func(t *thread) { s.client(t, "example.com").get("/echo", "x") })
	err = s.replay(o, stuck)
	var d *replay.Divergence
	if !errors.As(err, &d) || d.Replayed != nil || d.Asked == "" {
		t.Errorf("%v, want a divergence", err)
	}
}

// An answer that was recorded at another level has no times: it comes at once,
// a chunk each time the program waits.
func TestSourceWithoutTimes(t *testing.T) {
	s := newStage(t)
	o := s.record(s.streams)
	dir := filepath.Join(t.TempDir(), "calls")
	if _, err := freeze.WriteDir(dir, s.source(o), nil); err != nil {
		t.Fatal(err)
	}
	from, err := freeze.FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.run(s.streams, "fill", from)
	if err != nil || first.Sent != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := s.run(s.streams, "fill", from); err != nil || again.ID != first.ID {
		t.Errorf("%v, then %v, %v", first.ID, again.ID, err)
	}
	if err := s.replay(first, s.streams); err != nil {
		t.Error(err)
	}
}

// A program of a mission, and one whose time is over by its own clock.
func TestMission(t *testing.T) {
	s := newStage(t)
	const source = `
def main(coo):
    slow = coo.attempt(lambda: coo.exec(["python3", "agent.py"], timeout=1))
    fast = coo.exec(["python3", "agent.py"])
    return [slow.error, fast.stdout]
`
	m, err := mission.Load("m.star", func(string) ([]byte, error) { return []byte(source), nil })
	if err != nil {
		t.Fatal(err)
	}
	var seeds []string
	guests := func() *run.Programs {
		n := 0
		p := s.programs(nil)
		p.Boxed = func(_ context.Context, c sandbox.Command) (program.Boxed, error) {
			s.ca = c.CA
			seeds = append(seeds, c.Seed)
			pause := []time.Duration{time.Hour, time.Millisecond}[n]
			n++
			return newGuest(t, func(t *thread) {
				s.client(t, "example.com").get("/echo", "x")
				t.sleep(pause)
				t.print("%v", t.unix() > time.Second)
			}), nil
		}
		return p
	}
	live := s.answers("live")
	defer live.Close()
	p := guests()
	p.Answers = live
	begin := time.Now()
	o, err := run.Do(t.Context(), run.Config{
		Store: s.st, Name: "m", Program: m, Programs: p, Dir: s.dir, Args: map[string]string{}, Seed: "7",
		Answers: live, Clock: freeze.LiveClock(), Know: func(string) error { return nil }, Print: func(string) {},
		Facts: map[string]string{"t": "facts"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("a second of the program's took %v", took)
	}
	r := s.load(o)
	if want := "open step call clock call head tail out exit rollback step-end call clock call head tail out exit end seal"; types(r) != want {
		t.Errorf("records: %s, want %s", types(r), want)
	}
	if got := string(o.Result); !strings.Contains(got, `200`) || !strings.Contains(got, "false") {
		t.Errorf("result %s", got)
	}
	if len(seeds) != 2 || seeds[0] == seeds[1] {
		t.Error("two programs have the same randomness")
	}
	again := guests()
	again.Ground = run.Scratch{Store: s.st, Base: s.base(), Dir: s.dir.Path()}
	if err := replay.Do(t.Context(), replay.Config{Run: r, Source: s.source(o), Blob: r.Blob, Programs: again}); err != nil {
		t.Error(err)
	}
}
