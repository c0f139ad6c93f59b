package sandbox

import "testing"

func TestEverythingIsRedirected(t *testing.T) {
	r := perform(t, sh(`curl -s --noproxy '*' http://api.example.com/x; curl -s http://93.184.216.34:8080/; curl -s 'http://[2001:db8::1]:81/'; exit 7`))
	if r.exit.Status != 7 {
		t.Errorf("status %d", r.exit.Status)
	}
	contains(t, "stdout", r.stdout, "api.example.com|198.1", "|80 api.example.com\n", "|93.184.216.34|8080 93.184.216.34:8080\n", "|2001:db8::1|81 ")
}
