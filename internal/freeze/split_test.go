package freeze

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/wire"
)

// forms are the ways in which a server may give a secret back.
var forms = []func(string) string{
	func(s string) string { return s },
	func(s string) string { return fmt.Sprintf("%q", s) },
	url.QueryEscape,
	func(s string) string { return hex.EncodeToString([]byte(s)) },
	func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	func(s string) string { return base64.URLEncoding.EncodeToString([]byte("user:" + s)) },
	func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("ab" + s + "c")) },
}

// splitSecret has characters that each form writes differently.
const splitSecret = `sk/ä"+canary&0123`

var splitSecrets = sync.OnceValues(func() (*wire.Secrets, error) {
	return wire.NewProgramSecrets(map[string]string{"KEY": splitSecret}, []string{"credential-9876543210"})
})

func splitRedactor(t rapid.TB) *redactor {
	exact, err := splitSecrets()
	if err != nil {
		t.Fatal(err)
	}
	return &redactor{exact: exact, lower: exact}
}

// secretFree reports whether text holds no form of the secret that is searched
// for.
func secretFree(r *redactor, text []byte) bool {
	_, found := r.exact.Find(text)
	return !found
}

// through hands text on through a body made by open, in pieces that end at cuts.
func through(t rapid.TB, text []byte, cuts []int, open func(body, *redactor) body) []byte {
	var p parts
	from := 0
	for _, c := range append(slices.Clone(cuts), len(text)) {
		p = append(p, text[from:c])
		from = c
	}
	var out []byte
	b := open(&plainBody{r: &p, buf: make([]byte, 64<<10)}, splitRedactor(t))
	if err := drain(b, &out); err != io.EOF {
		t.Fatal(err)
	}
	return out
}

// TestEverySplitOfASecret cuts bodies with a secret in each form at every
// place, and at two places: the released bytes are always the same, and free
// of it.
func TestEverySplitOfASecret(t *testing.T) {
	opens := map[string]func(body, *redactor) body{
		"text": func(b body, r *redactor) body { return &redactedBody{from: b, text: r.exact.Stream(), redactor: r} },
		"binary": func(b body, r *redactor) body {
			return &redactedBody{from: b, text: r.exact.Cover(), redactor: r}
		},
		"frames": func(b body, r *redactor) body { return newFrames(b, r) },
	}
	for _, form := range forms {
		text := []byte("sk/" + form(splitSecret) + "sk/ä" + form(splitSecret))
		r := splitRedactor(t)
		if secretFree(r, text) {
			t.Fatalf("%q holds no secret", text)
		}
		for name, open := range opens {
			sent := text
			if name == "frames" {
				sent = []byte(frame("", "x") + frame("", string(text)) + frame("", "y"))
			}
			want := through(t, sent, nil, open)
			if !secretFree(r, want) || bytes.Equal(want, sent) {
				t.Fatalf("%s: %q", name, want)
			}
			for i := range len(sent) + 1 {
				for _, cuts := range [][]int{{i}, {i, min(i+1, len(sent))}, {i / 2, i}} {
					if got := through(t, sent, cuts, open); !bytes.Equal(got, want) {
						t.Fatalf("%s, cut at %v:\n got %q\nwant %q", name, cuts, got, want)
					}
				}
			}
		}
	}
}

// TestSplitsByChance does the same with any text around any number of
// secrets, and any cuts; coded and not.
func TestSplitsByChance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			piece := rapid.StringMatching(`[a-z"\\%+/=]{0,20}`).Draw(t, "text")
			if rapid.Bool().Draw(t, "secret") {
				piece = rapid.SampledFrom(forms).Draw(t, "form")(splitSecret)
				piece = piece[:rapid.IntRange(0, len(piece)).Draw(t, "of it")] + "." + piece
			}
			text = append(text, piece...)
		}
		coding := rapid.SampledFrom([]string{"", "gzip", "br", "zstd"}).Draw(t, "coding")
		sent := text
		if coding != "" {
			sent = pack(t, coding, string(text))
		}
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(sent)), 0, 8).Draw(t, "cuts")
		slices.Sort(cuts)
		open := func(b body, r *redactor) body {
			if coding != "" {
				b = &decodedBody{coded: &bodyReader{from: b}, codings: []string{coding}, left: 1 << 20}
			}
			return &redactedBody{from: b, text: r.exact.Stream(), redactor: r}
		}
		r := splitRedactor(t)
		got := through(t, sent, cuts, open)
		if want := r.exact.Replace(text); !bytes.Equal(got, want) || !secretFree(r, got) {
			t.Fatalf("%q cut at %v:\n got %q\nwant %q", text, cuts, got, want)
		}
	})
}

// TestLongStreamsNeedLittleMemory sends much through each way a body can take;
// COO_PROOF=full: a gigabyte.
func TestLongStreamsNeedLittleMemory(t *testing.T) {
	size := 128 << 20
	if os.Getenv("COO_PROOF") == "full" {
		size = 1 << 30
	}
	block := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuv"), 2048)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	for _, query := range []string{"?type=application/octet-stream&length", "?type=text/event-stream"} {
		for name, l := range map[string]*Live{"no secret": newLive(t, LiveOptions{}), "a secret": knowing(t, LiveOptions{})} {
			st, err := l.Stream(t.Context(), ofProgram(t, "GET", s.URL+"/"+query, ""))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := st.Head(); err != nil {
				t.Fatal(err)
			}
			n, most, before := 0, uint64(0), liveMemory()
			for i := 0; ; i++ {
				chunk, err := st.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if n += len(chunk); i%512 == 0 {
					most = max(most, liveMemory())
				}
			}
			if failure, _ := st.End(); failure != "" || n != size || most > before+16<<20 {
				t.Errorf("%s, %s: %d bytes, %q, %d bytes of memory, %d before", query, name, n, failure, most, before)
			}
		}
	}
}

// liveMemory returns how many bytes are in use, and not garbage: what other
// tests have left is before and after.
func liveMemory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestManyStreamsAtOnce(t *testing.T) {
	const n = 500
	var here sync.WaitGroup
	here.Add(n)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		here.Done()
		here.Wait() // all are open at the same time
		fmt.Fprintf(w, "data: %s\n\n", r.URL.Path)
	})
	l := knowing(t, LiveOptions{})
	var all sync.WaitGroup
	for i := range n {
		path := fmt.Sprintf("/%d", i)
		all.Go(func() {
			if r := hear(t, l, ofProgram(t, "GET", s.URL+path, "")); r.String() != fmt.Sprintf("200 %q", "data: "+path+"\n\n") {
				t.Errorf("%s: %v", path, r)
			}
		})
	}
	all.Wait()
}

// TestRedactorsSeeEveryCredential: one that a program sends while another
// stream is open is looked for from then on, and the oldest are forgotten.
func TestRedactorsSeeEveryCredential(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	l := newLive(t, LiveOptions{})
	for i := range 3 * wire.MaxCredentials {
		token := fmt.Sprintf("token-0123456789-%03d", i)
		if r := hear(t, l, ofProgram(t, "GET", s.URL, "", "authorization: Bearer "+token)); r.body() != "<credential>" {
			t.Errorf("%d: %v", i, r)
		}
	}
	if r := hear(t, l, ofProgram(t, "GET", s.URL, "", "authorization: Bearer ollama")); r.body() != "ollama" {
		t.Errorf("a word: %v", r)
	}
}
