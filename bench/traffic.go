package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// syllables make text that compresses a little worse than English: two of
// them are a word.
var syllables = strings.Fields(`an be cor dil ef fra gim hul is jo kel lum mar nov ot pre
qui rast sel tor ul ven wix yar zon bri cla dro fel gan hem ist`)

// prose returns words from r, n bytes or a few more.
func prose(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(syllables[r.IntN(len(syllables))])
		b.WriteString(syllables[r.IntN(len(syllables))])
		b.WriteByte(' ')
	}
	return b.String()
}

// completion is the n-th plain answer: a chat completion with 1 KB of text.
func completion(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	return fmt.Appendf(nil, `{"id":"chatcmpl-%016x","object":"chat.completion","created":1790000000,"model":"m","choices":[{"index":0,`+
		`"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":180,"total_tokens":192}}`,
		r.Uint64(), prose(r, 1000))
}

// frames is a streamed answer of 42 frames with 1 KB of text in them, as
// OpenAI's chat completions send it.
func frames(r *rand.Rand) []string {
	id := r.Uint64()
	chunk := func(delta, finish string) string {
		return fmt.Sprintf("data: {\"id\":\"chatcmpl-%016x\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"m\","+
			"\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", id, delta, finish)
	}
	var out []string
	for range 40 {
		out = append(out, chunk(fmt.Sprintf(`{"content":%q}`, prose(r, 20)), "null"))
	}
	return append(out, chunk("{}", `"stop"`), "data: [DONE]\n\n")
}

// A server answers equal requests equally, so that two tools see the same
// traffic. It notes what comes.
type server struct {
	mu       sync.Mutex
	arrivals []time.Time
	bodies   [][]byte
}

// ServeHTTP streams to who asks for a stream.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	s.mu.Lock()
	s.arrivals = append(s.arrivals, at)
	s.bodies = append(s.bodies, body)
	s.mu.Unlock()
	h := fnv.New64a()
	h.Write(body)
	seed := h.Sum64()
	if !strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(completion(int(seed >> 1)))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, f := range frames(rand.New(rand.NewPCG(seed, 2))) {
		io.WriteString(w, f)
		w.(http.Flusher).Flush()
	}
}

// intervals returns the times between arrivals and forgets everything.
func (s *server) intervals() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ds []time.Duration
	for i := 1; i < len(s.arrivals); i++ {
		ds = append(ds, s.arrivals[i].Sub(s.arrivals[i-1]))
	}
	s.arrivals, s.bodies = nil, nil
	return ds
}
