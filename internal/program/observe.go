package program

import "time"

// An observed exchange is what this execution notes about it; see run's
// observedAnswer, whose form it has.
type observed struct {
	T      string   `json:"t"` // "answer"
	Call   int64    `json:"call"`
	At     string   `json:"at"`   // when its end was released, RFC 3339
	From   string   `json:"from"` // "live", or the source of the frozen answer
	Of     int64    `json:"of,omitempty"`
	Sent   string   `json:"sent,omitempty"`
	Head   string   `json:"head,omitempty"`
	Done   string   `json:"done,omitempty"`
	Remote string   `json:"remote,omitempty"`
	Proto  string   `json:"proto,omitempty"`
	TLS    string   `json:"tls,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Conn   int64    `json:"conn"`            // the program's connection
	Rules  []string `json:"rules,omitempty"` // that left something out of the identity
}

func (e *exchange) observation() observed {
	o := observed{
		T: "answer", Call: e.call, At: stamp(time.Now()), From: e.s.Source, Of: e.s.SourceCall,
		Conn: e.x.Conn, Rules: e.used,
	}
	if e.s.Live {
		t := e.s.Timing()
		o.From, o.Of = "live", 0
		o.Sent, o.Head, o.Done = stamp(t.Sent), stamp(t.Head), stamp(t.Done)
		o.Remote, o.Proto, o.TLS, o.Notes = t.Remote, t.Proto, t.TLS, t.Notes
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
