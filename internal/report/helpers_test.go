package report

import (
	"fmt"
	"testing"

	"github.com/coo-runtime/coo/internal/chain"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// A tape is what a test run's records name.
type tape struct {
	t     *testing.T
	blobs map[digest.Digest][]byte
}

func newTape(t *testing.T) *tape { return &tape{t, map[digest.Digest][]byte{}} }

func (p *tape) docs() Docs {
	return Docs{Blob: func(d digest.Digest) ([]byte, error) {
		b, ok := p.blobs[d]
		if !ok {
			return nil, fmt.Errorf("no blob %s", d.Short())
		}
		return b, nil
	}}
}

func (p *tape) blob(s string) *digest.Digest {
	d := digest.Of([]byte(s))
	p.blobs[d] = []byte(s)
	return &d
}

// request keeps the document of a request; headers are name, value, name, ….
func (p *tape) request(method, url, body string, headers ...string) digest.Call {
	p.t.Helper()
	r := &wire.Request{Method: method, URL: wire.Lit(url)}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, wire.Field{Name: headers[i], Value: wire.Lit(headers[i+1])})
	}
	if body != "" {
		r.Body = wire.Lit(body)
	}
	doc, err := r.Doc(wire.Builtin())
	if err != nil {
		p.t.Fatal(err)
	}
	p.blob(string(doc.Bytes))
	if doc.Body != nil {
		p.blob(string(doc.Body))
	}
	return doc.Key
}

const chatURL = "http://model.coo.invalid/v1/chat/completions"

// chat keeps the request of a question to a model.
func (p *tape) chat(content string) digest.Call {
	return p.request("POST", chatURL, chatBody("sample", content))
}

func chatBody(model, content string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":%q}]}`, model, content)
}

func (p *tape) answer(a *wire.Answer) digest.Answer {
	p.t.Helper()
	doc, body, err := a.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		p.blob(string(body))
	}
	return digest.Answer(*p.blob(string(doc)))
}

func (p *tape) reply(text string) digest.Answer {
	return p.answer(&wire.Answer{
		Status:  200,
		Headers: [][2]string{{"content-type", "application/json"}},
		Body:    fmt.Appendf(nil, `{"choices":[{"finish_reason":"stop","index":0,"message":{"content":%q,"role":"assistant"}}]}`, text),
	})
}

// numbered gives records their numbers, their types and their chain.
func numbered(t *testing.T, records ...flight.Record) ([]flight.Record, [][]byte) {
	t.Helper()
	var link chain.Linker
	var lines [][]byte
	for _, r := range records {
		e := flight.Env(r)
		e.N, e.Prev = link.Next()
		line, err := flight.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Add(e.N, e.Prev, line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return records, lines
}

func recordsOf(t *testing.T, records ...flight.Record) []flight.Record {
	t.Helper()
	r, _ := numbered(t, records...)
	return r
}

func opening() *flight.Open {
	return &flight.Open{
		Format: flight.Format, Epoch: flight.Epoch, Level: "script", Limits: "limits/1",
		Args: map[string]string{"topic": "tides"}, Seed: "0",
		Rules:   []flight.Rule{{ID: "http/1", SHA256: digest.Of([]byte("rules"))}},
		Mission: flight.Mission{Kind: "script", Main: "m.star", Files: []flight.File{{Path: "m.star", SHA256: digest.Of([]byte("source"))}}},
	}
}

func in(branch string) flight.Envelope { return flight.Envelope{Branch: branch} }

func text(s string) *string { return &s }
