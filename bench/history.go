package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"time"

	"gopkg.in/dnaeon/go-vcr.v4/pkg/recorder"

	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/wire"
)

// growing is an agent that resends its history, which grows by 2 KB a turn.
const growing = `
SYLLABLES = [%s]

def ask(coo):
    words = []
    for i in range(165):
        words.append(coo.random.choice(SYLLABLES) + coo.random.choice(SYLLABLES))
    return " ".join(words)

def main(coo, turns = "0"):
    history = []
    for i in range(int(turns)):
        history.append({"role": "user", "content": ask(coo)})
        a = coo.http("POST", "http://model.test/v1/chat/completions", json = {
            "model": "m", "messages": history, "stream": True,
        })
        said = ""
        for e in a.events():
            if e.data != "[DONE]":
                said += e.json()["choices"][0]["delta"].get("content", "")
        history.append({"role": "assistant", "content": said})
    return len(history)
`

const turns = 200

// history measures an agent of 200 turns, live, recorded by coo and by
// go-vcr from the same server: what is stored, and what one call costs then.
func (b *bench) history() error {
	s := &server{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	dir, r, err := b.recordHistory(srv)
	if err != nil {
		return err
	}
	bodies := s.bodies
	var sent int64
	for _, body := range bodies {
		sent += int64(len(body))
	}
	ours, err := b.measureHistory(dir, bodies)
	if err != nil {
		return err
	}
	ours.save = r.sealed
	theirs, err := b.goVCR(srv, bodies)
	if err != nil {
		return err
	}
	b.rows.add(fmt.Sprintf("%d turns, last request %s, sent in all", turns, megabytes(int64(len(bodies[turns-1])))), megabytes(sent), "", "", "")
	b.rows.add("  stored, bytes of file content", megabytes(ours.size), megabytes(theirs.size)+" go-vcr", ratio(ours.size, theirs.size), aim("2 MB", ours.size < 2e6))
	b.rows.add("  stored, with the disk's blocks", megabytes(ours.blocks), megabytes(theirs.blocks)+" go-vcr", ratio(ours.blocks, theirs.blocks), "")
	b.rows.add("  frozen answer of turn 1 to 5", short(ours.early), short(theirs.early)+" go-vcr", ratio(ours.early, theirs.early), "")
	b.rows.add("  frozen answer of turn 196 to 200", short(ours.late), short(theirs.late)+" go-vcr", ratio(ours.late, theirs.late), "")
	b.rows.add("    of it: key of the 400 KB request", short(ours.key), "", "", "")
	b.rows.add("    of it: look-up and answer", short(ours.lookUp), "", "", aim("0.3 ms", ours.lookUp <= 300*time.Microsecond))
	b.rows.add("  load", short(ours.load), short(theirs.load)+" go-vcr", ratio(ours.load, theirs.load), aim("20 ms", ours.load <= 20*time.Millisecond))
	b.rows.add("  save, synced (go-vcr: not synced)", short(ours.save), short(theirs.save)+" go-vcr", ratio(ours.save, theirs.save), "")
	b.rows.add("  replay of the whole mission", short(ours.replay), "", "", "")
	return nil
}

// recordHistory records the agent, live.
func (b *bench) recordHistory(srv *httptest.Server) (string, *recorded, error) {
	dir, err := b.subdir("history")
	if err != nil {
		return "", nil, err
	}
	list := ""
	for _, s := range syllables {
		list += fmt.Sprintf("%q, ", s)
	}
	live := freeze.NewLive(freeze.LiveOptions{Resolve: map[string]string{"model.test:80": srv.Listener.Addr().String()}})
	r, err := b.record(dir, fmt.Sprintf(growing, list), map[string]string{"turns": fmt.Sprint(turns)}, live)
	b.long = dir
	return dir, r, err
}

// costs is what one tool's recording of the history costs.
type costs struct {
	size, blocks int64
	early, late  time.Duration // one call, the median of five
	key, lookUp  time.Duration // the two parts of late
	load, save   time.Duration
	replay       time.Duration
}

// measureHistory asks coo's frozen answers for the same requests.
func (b *bench) measureHistory(dir string, bodies [][]byte) (c costs, err error) {
	if c.size, c.blocks, err = sizeOf(filepath.Join(dir, ".coo")); err != nil {
		return c, err
	}
	st, h, _, err := lastRun(dir)
	if err != nil {
		return c, err
	}
	source := freeze.FromRun(st, h)
	if c.load, err = timed(source.Load); err != nil {
		return c, err
	}
	f := freeze.NewFrozen(source)
	var keys, looks []time.Duration
	for i, body := range bodies {
		text := string(body)
		start := time.Now()
		req := wire.Request{
			Method: "POST", URL: wire.Lit("http://model.test/v1/chat/completions"), Body: wire.Lit(text),
			Headers: []wire.Field{{Name: "content-type", Value: wire.Lit("application/json")}},
		}
		doc, err := req.Doc(wire.Builtin())
		if err != nil {
			return c, err
		}
		made := time.Now()
		if err := f.Ask(b.ctx, freeze.Call{N: int64(i), Doc: doc, Req: &req}); err != nil {
			return c, err
		}
		if _, err := f.Next(b.ctx); err != nil {
			return c, err
		}
		keys = append(keys, made.Sub(start))
		looks = append(looks, time.Since(made))
	}
	c.early = median(keys[:5]) + median(looks[:5])
	c.key, c.lookUp = median(keys[turns-5:]), median(looks[turns-5:])
	c.late = c.key + c.lookUp
	c.replay, err = medianOf(3, func() error { return b.replayOnce(dir) })
	return c, err
}

// goVCR records the same traffic with go-vcr and replays it, matching whole
// requests as it does by itself.
func (b *bench) goVCR(srv *httptest.Server, bodies [][]byte) (c costs, err error) {
	dir, err := b.subdir("vcr")
	if err != nil {
		return c, err
	}
	name := filepath.Join(dir, "cassette")
	rec, err := recorder.New(name, recorder.WithMode(recorder.ModeRecordOnly), recorder.WithRealTransport(http.DefaultTransport))
	if err != nil {
		return c, err
	}
	if err := send(rec, srv.URL, bodies, nil); err != nil {
		return c, err
	}
	if c.save, err = timed(rec.Stop); err != nil {
		return c, err
	}
	if c.size, c.blocks, err = sizeOf(dir); err != nil {
		return c, err
	}
	start := time.Now()
	rec, err = recorder.New(name, recorder.WithMode(recorder.ModeReplayOnly), recorder.WithSkipRequestLatency(true))
	if err != nil {
		return c, err
	}
	c.load = time.Since(start)
	var each []time.Duration
	if err := send(rec, srv.URL, bodies, func(d time.Duration) { each = append(each, d) }); err != nil {
		return c, err
	}
	c.early, c.late = median(each[:5]), median(each[turns-5:])
	return c, rec.Stop()
}

// sizeOf adds up the files below dir: their content, and the blocks they take.
func sizeOf(dir string) (content, blocks int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if fi.Mode().IsRegular() {
			content += fi.Size()
		}
		blocks += fi.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return content, blocks, err
}
