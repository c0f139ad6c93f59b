package run

import (
	"time"

	"github.com/coo-runtime/coo/internal/freeze"
)

// An observedAnswer is what an execution notes about one delivery.
type observedAnswer struct {
	T      string   `json:"t"` // "answer"
	Call   int64    `json:"call"`
	At     string   `json:"at"`             // when it was delivered, RFC 3339
	From   string   `json:"from"`           // "live", or the source of the frozen answer
	Of     int64    `json:"of,omitempty"`   // its call in that source
	Sent   string   `json:"sent,omitempty"` // when it left
	Head   string   `json:"head,omitempty"` // when its status came
	Done   string   `json:"done,omitempty"` // when its last byte came
	Remote string   `json:"remote,omitempty"`
	Proto  string   `json:"proto,omitempty"`
	TLS    string   `json:"tls,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

func observeAnswer(d *freeze.Delivery) any {
	o := observedAnswer{T: "answer", Call: d.N, At: stamp(time.Now()), From: d.Source, Of: d.SourceCall}
	if d.Live {
		o.From, o.Of = "live", 0
		o.Sent, o.Head, o.Done = stamp(d.Timing.Sent), stamp(d.Timing.Head), stamp(d.Timing.Done)
		o.Remote, o.Proto, o.TLS, o.Notes = d.Timing.Remote, d.Timing.Proto, d.Timing.TLS, d.Timing.Notes
	}
	return o
}

// stamp formats an observed time; the zero time is left out.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}
