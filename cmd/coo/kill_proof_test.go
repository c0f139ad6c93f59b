//go:build unix

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// showing is a mission that shows each answer as soon as it has it.
const showing = `
def main(coo, salt, n):
    for i in range(int(n)):
        a = coo.http("POST", "http://model.test/v1/chat/completions", json = {
            "model": "sample-small", "max_tokens": 8, "messages": [{"role": "user", "content": "%s %d" % (salt, i)}],
        })
        coo.write("answer-%d.txt" % i, a.text)
        print("shown " + a.json()["id"])
`

// TestKilledRunsKeepWhatWasShown kills live runs at any moment, sealing and
// the moments before the first record included. After each, the store works,
// what there is of the run is sound, and every answer that the mission has
// shown is in it.
func TestKilledRunsKeepWhatWasShown(t *testing.T) {
	proofs.Needed(t)
	n := 35
	if full() {
		n = 500
	}
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	t.Cleanup(srv.Close)
	var p *place
	resolve := "model.test:80:" + srv.Listener.Addr().String()
	incomplete, sealed, shown := 0, 0, 0
	for i := range n {
		if i%20 == 0 {
			p = newPlace(t)
			p.write("m.star", showing)
		}
		before := runsOf(t, p)
		calls := 1 + rand.IntN(20)
		ids := p.killed(rand.IntN(calls+2), time.Duration(rand.IntN(3000))*time.Microsecond,
			"run", "m.star", "--from", "none", "--arg", fmt.Sprintf("salt=%d", i), "--arg", fmt.Sprintf("n=%d", calls), "--resolve", resolve)
		shown += len(ids)
		after := runsOf(t, p)
		if len(after) > 0 {
			p.ends(exitOK, "logs")
		}
		r := newest(t, before, after)
		switch {
		case r == nil && len(ids) == 0:
			continue // killed before there was anything
		case r == nil:
			t.Fatalf("kill %d: %d answers were shown, and there is no run", i, len(ids))
		case r.Seal == nil:
			incomplete++
			p.ends(exitOK, "verify", "@open")
		default:
			sealed++
			p.ends(exitOK, "verify", "@last")
			p.ends(exitOK, "replay", "@last")
		}
		texts := answersOf(t, r)
		for _, id := range ids {
			if !strings.Contains(texts, id) {
				t.Errorf("kill %d: the answer %s was shown and is not in the run", i, id)
			}
		}
		if _, err := os.Stat(p.dir + "/answer-0.txt"); err == nil && r.Seal == nil {
			t.Errorf("kill %d: an unfinished run has written to the workspace", i)
		}
		for j := range calls {
			os.Remove(fmt.Sprintf("%s/answer-%d.txt", p.dir, j)) // of a run that came to its end
		}
	}
	if incomplete == 0 || shown == 0 {
		t.Errorf("%d incomplete runs, %d answers shown: nothing is proved", incomplete, shown)
	}
	proved(t, "kill -9: %d runs killed: %d incomplete, %d sealed; all of %d shown answers are on disk", n, incomplete, sealed, shown)
}

// killed runs coo and kills it some time after it has shown some answers. It
// returns the IDs of all answers shown.
func (p *place) killed(after int, more time.Duration, args ...string) (ids []string) {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var timer *time.Timer
	arm := func() {
		if len(ids) >= after && timer == nil {
			timer = time.AfterFunc(more, func() { cmd.Process.Kill() })
		}
	}
	arm()
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "shown "); ok {
			ids = append(ids, id)
			arm()
		}
	}
	cmd.Wait() // killed, or at its end
	if timer != nil {
		timer.Stop()
	}
	return ids
}

// runsOf returns the runs of a store, sealed or not, by what names them.
func runsOf(t *testing.T, p *place) map[string]*flight.Run {
	t.Helper()
	out := map[string]*flight.Run{}
	st, err := store.Open(p.dir)
	if err != nil {
		return out // killed before there was a store
	}
	ids, err := st.Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if out["runs/"+id.String()], err = flight.Load(st, id); err != nil {
			t.Fatal(err)
		}
	}
	open, err := st.OpenRuns()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range open {
		if out[o.Dir], err = flight.LoadOpen(st, o.Dir); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// newest returns the one run that is new, nil if there is none.
func newest(t *testing.T, before, after map[string]*flight.Run) (r *flight.Run) {
	t.Helper()
	for name, run := range after {
		if before[name] != nil {
			continue
		}
		if r != nil {
			t.Fatalf("one execution has left two runs")
		}
		r = run
	}
	return r
}

// answersOf returns the bodies of all answers of a run.
func answersOf(t *testing.T, r *flight.Run) string {
	t.Helper()
	var out strings.Builder
	for _, rec := range r.Records {
		a, ok := rec.(*flight.Answer)
		if !ok {
			continue
		}
		doc, err := r.Blob(digest.Digest(a.Ans))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := wire.DecodeAnswer(doc, r.Blob)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(answer.Body)
	}
	return out.String()
}
