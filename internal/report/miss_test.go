package report

import (
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/freeze"
)

func TestMiss(t *testing.T) {
	p := newTape(t)
	parts := func(k digest.Call) (doc, body []byte) {
		req, err := p.docs().Request(k)
		if err != nil {
			t.Fatal(err)
		}
		return p.blobs[digest.Digest(k)], req.Body
	}
	moons, moonsBody := parts(p.chat("moons"))
	tides, tidesBody := parts(p.chat("tides"))
	tests := []struct {
		name string
		err  freeze.MissError
		want string
	}{
		{
			"near a recorded one",
			freeze.MissError{
				N: 4, Doc: moons, Body: moonsBody, Asked: 1,
				Nearest: &freeze.Nearest{Source: "run 3f2a", Call: 3, Doc: tides, Body: tidesBody, Why: "the same method and URL, 92% alike"},
			},
			"coo: call 4: no frozen answer: POST " + chatURL + ": asked once, recorded 0\n" +
				"nearest: call 3 of run 3f2a: the same method and URL, 92% alike: changed prompt\n" +
				"/messages/1/content: \"tides\" → \"moons\"\n--- recorded\n+++ asked\n@@ -2,4 +2,4 @@\n Be brief.\n \n [user]\n-tides\n+moons\n",
		},
		{
			"asked too often",
			freeze.MissError{
				N: 9, Doc: tides, Body: tidesBody, Asked: 3, Recorded: 2,
				Nearest: &freeze.Nearest{Source: "run 3f2a", Call: 3, Doc: tides, Body: tidesBody, Why: "the same request: all its answers are used"},
			},
			"coo: call 9: no frozen answer: POST " + chatURL + ": asked 3 times, recorded 2\n" +
				"nearest: call 3 of run 3f2a: the same request: all its answers are used\n",
		},
		{
			"nothing recorded",
			freeze.MissError{N: 1, Doc: tides, Body: tidesBody, Asked: 1},
			"coo: call 1: no frozen answer: POST " + chatURL + ": asked once, recorded 0\nnothing was recorded that is like it\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			Miss(&b, &tt.err)
			if b.String() != tt.want {
				t.Errorf("Miss:\n%s\nwant:\n%s", b.String(), tt.want)
			}
		})
	}
}
