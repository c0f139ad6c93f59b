package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coo-runtime/coo/internal/freeze"
)

// latency measures what recording adds to a live call: the time from one
// request's arrival at the server to the next one's, against a bare client
// that sends the same requests and reads the same answers.
func (b *bench) latency() error {
	s := &server{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	const n, rounds = 200, 3
	var ours, bare []time.Duration
	for range rounds {
		dir, err := b.subdir("latency")
		if err != nil {
			return err
		}
		live := freeze.NewLive(freeze.LiveOptions{Resolve: map[string]string{"model.test:80": srv.Listener.Addr().String()}})
		if _, err := b.record(dir, shortCalls, map[string]string{"calls": fmt.Sprint(n)}, live); err != nil {
			return err
		}
		bodies := s.bodies
		ours = append(ours, s.intervals()...)
		if err := send(http.DefaultTransport, srv.URL, bodies, nil); err != nil {
			return err
		}
		bare = append(bare, s.intervals()...)
	}
	mo, mb := median(ours), median(bare)
	b.rows.add("live call, 1.2 KB answer, recorded and synced", short(mo), short(mb)+" bare client", ratio(mo, mb), "")
	b.rows.add("  added to a call (the sync included: see append)", short(mo-mb), "", "", aim("0.5 ms", mo-mb <= 500*time.Microsecond))
	return nil
}

// send posts bodies one after the other and reads the answers; each is told
// how long one took.
func send(via http.RoundTripper, url string, bodies [][]byte, each func(time.Duration)) error {
	c := &http.Client{Transport: via}
	for _, body := range bodies {
		start := time.Now()
		resp, err := c.Post(url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if each != nil {
			each(time.Since(start))
		}
	}
	return nil
}
