package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

const streaming = `
def main(coo, url):
    sse = coo.http("GET", url + "/sse")
    lines = coo.http("GET", url + "/ndjson")
    plain = coo.http("GET", url + "/plain")
    return {
        "sse": [[e.name, e.data] for e in sse.events()],
        "lines": [e.json()["n"] for e in lines.events()],
        "plain": len(plain.body),
        "types": [a.headers["content-type"] for a in [sse, lines, plain]],
    }
`

// TestStreamsKeepTheirChunks freezes an event stream and lines of JSON, each
// in pieces that no event ends with, and finds the pieces again in the record
// and in what runs from it. A body that is no stream has no pieces: how it
// came is noise of the network.
// A busy machine may read two pieces at once; then there is nothing to keep,
// and it is tried again.
func TestStreamsKeepTheirChunks(t *testing.T) {
	for range 10 {
		if keepsChunks(t) || t.Failed() {
			return
		}
	}
	t.Error("the chunks came joined ten times")
}

// keepsChunks reports whether the chunks are recorded as they were sent.
func keepsChunks(t *testing.T) bool {
	pieces := map[string][]string{
		"/sse":    {": hello\n", "data: o", "ne\n\nevent: second\nda", "ta: two\n", "\ndata: [DONE]\n\n"},
		"/ndjson": {`{"n":`, "1}\n{\"n\":2}\n{", "\"n\":3}", "\n"},
		"/plain":  {"aaaa", "bbbb", "cccc"},
	}
	kinds := map[string]string{"/sse": "text/event-stream", "/ndjson": "application/x-ndjson", "/plain": "text/plain"}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kinds[r.URL.Path])
		for _, piece := range pieces[r.URL.Path] {
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
		}
	}))
	p := newPlace(t)
	p.write("m.star", streaming)
	live := p.ends(exitOK, "run", "m.star", "--arg", "url="+srv.URL)
	srv.Close()
	want := `{"lines":[1,2,3],"plain":12,"sse":[["message","one"],["second","two"],["message","[DONE]"]],` +
		`"types":["text/event-stream","application/x-ndjson","text/plain"]}` + "\n"
	if live.stdout != want {
		t.Errorf("the mission saw %swant %s", live.stdout, want)
	}
	frozen := p.ends(exitOK, "run", "m.star", "--arg", "url="+srv.URL, "--calls=frozen")
	if frozen.stdout != live.stdout {
		t.Errorf("frozen: %s", frozen.stdout)
	}
	p.ends(exitOK, "replay", "@last")

	st, err := store.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := st.Runs()
	if err != nil || len(runs) != 1 {
		t.Fatalf("two runs of the same stream are %d runs, %v", len(runs), err)
	}
	run, err := flight.Load(st, runs[0])
	if err != nil {
		t.Fatal(err)
	}
	var lens []string
	for _, r := range run.Records {
		if a, ok := r.(*flight.Answer); ok {
			doc, err := run.Blob(digest.Digest(a.Ans))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := wire.DecodeAnswer(doc, run.Blob)
			if err != nil {
				t.Fatal(err)
			}
			lens = append(lens, fmt.Sprint(answer.Lens))
		}
	}
	if got, want := strings.Join(lens, " "), "[8 7 20 8 15] [5 12 6 1] []"; got != want {
		t.Logf("chunks = %s, sent %s", got, want)
		return false
	}
	inspect := p.ends(exitOK, "inspect", "@last").stdout
	for _, want := range []string{"5 chunks", "4 chunks"} {
		if !strings.Contains(inspect, want) {
			t.Errorf("inspect does not tell of %s:\n%s", want, inspect)
		}
	}
	return true
}

// TestFilesAreTransactional changes the workspace while a mission runs: from
// inside the call that it makes.
func TestFilesAreTransactional(t *testing.T) {
	p := newPlace(t)
	calls := make(chan func(), 1) // what the server does in the next call
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { (<-calls)() }))
	t.Cleanup(srv.Close)
	p.write("m.star", `
def main(coo, url, fails = ""):
    coo.write("new.txt", "new")
    coo.write("summary.md", coo.read("notes.txt"))
    coo.remove("old.txt")
    coo.http("GET", url)
    coo.write("dir/deep.txt", "deep")
    if fails:
        coo.fail("as asked")
`)
	fresh := func() {
		for name, content := range map[string]string{"notes.txt": "notes", "summary.md": "before", "old.txt": "old"} {
			p.write(name, content)
		}
		for _, name := range []string{"new.txt", "dir"} {
			if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	files := func() string {
		var out []string
		for _, name := range []string{"notes.txt", "summary.md", "old.txt", "new.txt", "dir/deep.txt"} {
			if b, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil {
				out = append(out, name+"="+string(b))
			}
		}
		return strings.Join(out, " ")
	}
	const before = "notes.txt=notes summary.md=before old.txt=old"
	mission := []string{"run", "m.star", "--arg", "url=" + srv.URL, "--calls=live"}

	fresh()
	look := func() {
		if got := files(); got != before {
			t.Errorf("while the mission runs, the workspace is %s", got)
		}
	}
	calls <- look
	p.ends(exitFailed, append(mission, "--arg", "fails=1")...)
	if got := files(); got != before {
		t.Errorf("after it failed, the workspace is %s", got)
	}
	calls <- look
	p.ends(exitOK, mission...)
	if got, want := files(), "notes.txt=notes summary.md=notes new.txt=new dir/deep.txt=deep"; got != want {
		t.Errorf("after it went well, the workspace is %s", got)
	}
	p.ends(exitOK, "replay", "@last")
	if got, want := files(), "notes.txt=notes summary.md=notes new.txt=new dir/deep.txt=deep"; got != want {
		t.Errorf("after its replay, the workspace is %s", got)
	}

	// Somebody else writes what the mission writes: nothing is applied.
	for _, c := range []struct{ name, content string }{{"summary.md", "mine"}, {"new.txt", "mine"}, {"old.txt", "mine"}} {
		fresh()
		calls <- func() { p.write(c.name, c.content) }
		r := p.ends(exitFailed, mission...)
		if !strings.Contains(r.stderr, fmt.Sprintf("coo: %q changed while the mission ran: nothing was applied", c.name)) {
			t.Errorf("%s: stderr = %s", c.name, r.stderr)
		}
		// Equal incomplete runs share the name that coo has just told.
		ref := r.stderr[strings.LastIndex(r.stderr, "~"):]
		p.ends(exitOK, "logs", strings.Trim(ref, "'\n"))
		got := files()
		if !strings.Contains(got, c.name+"=mine") || strings.Contains(got, "deep") || strings.Contains(got, "summary.md=notes") {
			t.Errorf("%s: the workspace is %s", c.name, got)
		}
	}
}

// TestSleepWaitsOnlyBeforeLiveCalls: coo.sleep moves the clock at once, and
// takes time only where a server would see the difference.
func TestSleepWaitsOnlyBeforeLiveCalls(t *testing.T) {
	var mu sync.Mutex
	var asked []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
	}))
	t.Cleanup(srv.Close)
	p := newPlace(t)
	p.write("m.star", `
def main(coo, url, nap):
    coo.http("GET", url)
    before = coo.unix()
    coo.sleep(float(nap))
    slept = coo.unix() - before
    coo.http("GET", url)
    coo.sleep(86400)
    return slept
`)
	run := func(nap string, more ...string) process {
		return p.ends(exitOK, append([]string{"run", "m.star", "--arg", "url=" + srv.URL, "--arg", "nap=" + nap}, more...)...)
	}
	began := time.Now()
	if r := run("0.08"); r.stdout != "0.08\n" && !strings.HasPrefix(r.stdout, "0.0") {
		t.Errorf("slept %s", r.stdout)
	}
	if gap := asked[1].Sub(asked[0]); gap < 80*time.Millisecond {
		t.Errorf("the second call left %v after the first", gap)
	}
	if r := run("86400", "--calls=frozen"); !strings.HasPrefix(r.stdout, "86400") {
		t.Errorf("slept %s", r.stdout)
	}
	p.ends(exitOK, "replay", "@last")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v: a sleep was waited for", took)
	}
	if len(asked) != 2 {
		t.Errorf("%d calls were sent, want 2", len(asked))
	}
}
