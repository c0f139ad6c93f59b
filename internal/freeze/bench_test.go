package freeze

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// benchServer answers with a chat reply, or with a stream of 20 events.
func benchServer(b *testing.B) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"choices":[{"message":{"content":"`+strings.Repeat("word ", 200)+`"}}]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 20 {
			fmt.Fprintf(w, "data: {\"delta\":\"%d\"}\n\n", i)
			w.(http.Flusher).Flush()
		}
	}))
	b.Cleanup(s.Close)
	return s
}

// report tells the median and the 99th percentile of durations.
func report(b *testing.B, what string, d []time.Duration) {
	slices.Sort(d)
	b.ReportMetric(float64(d[len(d)/2].Microseconds()), what+"-p50-µs")
	b.ReportMetric(float64(d[len(d)*99/100].Microseconds()), what+"-p99-µs")
}

// BenchmarkAddedLatency measures a call of a program against the same call by
// net/http: until the first byte and until the end.
func BenchmarkAddedLatency(b *testing.B) {
	s := benchServer(b)
	body := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("word ", 400) + `"}]}`
	for _, path := range []string{"/", "/stream"} {
		b.Run("bare"+path, func(b *testing.B) {
			var first, whole []time.Duration
			buf := make([]byte, streamBuffer)
			for b.Loop() {
				start := time.Now()
				r, err := http.Post(s.URL+path, "application/json", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				for n := 0; err == nil; n++ {
					if _, err = r.Body.Read(buf); n == 0 {
						first = append(first, time.Since(start))
					}
				}
				r.Body.Close()
				whole = append(whole, time.Since(start))
			}
			report(b, "first", first)
			report(b, "whole", whole)
		})
		b.Run("live"+path, func(b *testing.B) {
			l := NewLive(LiveOptions{Secret: func(string) (string, bool) { return keyValue, true }})
			defer l.Close()
			if err := l.Know(keyName); err != nil {
				b.Fatal(err)
			}
			p := wire.NewPlaceholders([]string{keyName})
			header := [][2]string{{"authorization", "Bearer " + wire.Placeholder(keyName)}, {"content-type", "application/json"}}
			var first, whole []time.Duration
			for b.Loop() {
				start := time.Now()
				req, doc, _, err := wire.ProgramRequest("POST", s.URL+path, header, []byte(body), p, wire.ProgramRules())
				if err != nil {
					b.Fatal(err)
				}
				st, err := l.Stream(b.Context(), Call{Doc: doc, Req: req})
				if err != nil {
					b.Fatal(err)
				}
				_, _, err = st.Head()
				for n := 0; err == nil; n++ {
					if _, err = st.Next(); n == 0 {
						first = append(first, time.Since(start))
					}
				}
				whole = append(whole, time.Since(start))
			}
			report(b, "first", first)
			report(b, "whole", whole)
		})
	}
}

// BenchmarkFrozenLookUp measures a replayed call when the source has few and
// when it has many: the cost is flat.
func BenchmarkFrozenLookUp(b *testing.B) {
	for _, n := range []int{200, 2000, 20000} {
		p := programTape(b, wire.ProgramRules())
		calls := make([]Call, n)
		for i := range n {
			calls[i] = asked(b, fmt.Sprintf("m%d", i))
			p.tail(p.head(calls[i]), &wire.Answer{Status: 200, Body: []byte("data: 1\n\n"), Lens: []int{9}})
		}
		src := p.end("ok").source("s")
		if err := src.Load(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := NewFrozen(src)
			i := 0
			for b.Loop() {
				if i == n {
					f, i = NewFrozen(src), 0
				}
				s, err := f.Stream(b.Context(), calls[i])
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = s.Next()
				}
				i++
			}
		})
	}
}
