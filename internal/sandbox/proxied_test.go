//go:build unix

package sandbox

import "testing"

func TestProxied(t *testing.T) {
	c := sh(`curl -s http://api.example.com/x; curl -s http://127.0.0.1:9/y; exit 3`)
	c.Level = Proxied
	r := perform(t, c)
	want(t, "stdout", r.stdout, "proxy api.example.com\nproxy 127.0.0.1:9\n")
	if r.exit.Status != 3 {
		t.Errorf("status %d", r.exit.Status)
	}
}
