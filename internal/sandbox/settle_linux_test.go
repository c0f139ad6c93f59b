package sandbox

import (
	"io"
	"testing"
	"time"
)

// TestSettle: a program is at rest when it waits, and not while it computes.
func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		script string
		rests  bool
	}{
		{"read line", true},
		{"while :; do :; done", false},
		{"(while :; do :; done) & read line", false},
	} {
		stdin, feed := io.Pipe()
		p, err := Start(t.Context(), Command{
			Level: Proxied, Argv: []string{"sh", "-c", tt.script}, Dir: t.TempDir(), Stdin: stdin,
			Env: []string{"PATH=/usr/bin:/bin"}, Stdout: io.Discard, Stderr: io.Discard,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		limit := 100 * time.Millisecond
		if tt.rests {
			limit = 10 * time.Second
		} else {
			time.Sleep(limit) // until it is at it
		}
		if got := p.Settle(limit); got != tt.rests {
			t.Errorf("%s: at rest %v, want %v", tt.script, got, tt.rests)
		}
		p.Kill()
		feed.Close()
		p.Wait()
	}
}
