package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// The canaries. The second is as awkward as a secret may be.
const (
	plainCanary = "sk-canary-7f3A9b2C4d5E6f80"
	oddCanary   = `p@ss"w\rd/x+y%z&<é>='~ 9!`
)

// traces are the texts by which a value would be recognised. They are made
// with the standard library alone: nothing of what coo searches with.
func traces(v string) map[string]string {
	quoted := func(html bool) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		e.Encode(v) // a string always has an encoding
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
	}
	ascii := strconv.QuoteToASCII(v)
	out := map[string]string{
		"raw": v, "lower": strings.ToLower(v),
		"json": quoted(false), "json for html": quoted(true), "json in ascii": ascii[1 : len(ascii)-1],
		"query": url.QueryEscape(v), "path": url.PathEscape(v),
		"query, lower": lowerEscapes(url.QueryEscape(v)), "path, lower": lowerEscapes(url.PathEscape(v)),
		"hex": hex.EncodeToString([]byte(v)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(v))),
	}
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for before := range 3 {
			text := enc.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
			// Of the ends, only what depends on v alone.
			out[fmt.Sprintf("%s at %d", name, before)] = text[[]int{0, 2, 3}[before] : (before+len(v))*8/6]
		}
	}
	return out
}

var percentEscape = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return percentEscape.ReplaceAllStringFunc(s, strings.ToLower) }

// leaks searches everything below a directory for the canaries: the bytes of
// each file, journals and observations among them, and the content of each
// blob, decompressed. It returns where it found what.
func leaks(t *testing.T, dir string, canaries ...string) []string {
	t.Helper()
	var found []string
	look := func(where string, b []byte) {
		for _, v := range canaries {
			for form, text := range traces(v) {
				if bytes.Contains(b, []byte(text)) {
					found = append(found, where+": "+form)
				}
			}
		}
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		look("the name of "+name, []byte(name))
		if d.IsDir() && d.Name() == store.Name {
			return eachBlob(name, look)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(name)
		look(name, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func eachBlob(dir string, look func(string, []byte)) error {
	st, err := store.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		d, err := digest.Parse(filepath.Base(name))
		if err != nil {
			return err
		}
		b, err := st.Get(d)
		if err != nil {
			return err
		}
		look("the content of "+name, b)
	}
	return nil
}

// TestLeaksAreFound is the control: what the proofs below rely on finds each
// form, in a file and in a compressed blob.
func TestLeaksAreFound(t *testing.T) {
	for _, v := range []string{plainCanary, oddCanary} {
		for form, text := range traces(v) {
			dir := t.TempDir()
			st, _, err := store.Init(dir)
			if err != nil {
				t.Fatal(err)
			}
			content := strings.Repeat("much of the same. ", 3000) + text + strings.Repeat(" and the rest", 3000)
			if _, err := st.Put([]byte(content)); err != nil {
				t.Fatal(err)
			}
			found := leaks(t, dir, v)
			if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), "the content of ") {
				t.Errorf("%q as %s is not found in a blob: %q", v, form, found)
			}
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(leaks(t, dir, v), "\n"), filepath.Join(dir, "f")+": ") {
				t.Errorf("%q as %s is not found in a file", v, form)
			}
		}
	}
}

// A parrot answers with what it was told, in the way its path says. It keeps
// what it heard.
type parrot struct {
	other string // origin of another parrot

	mu    sync.Mutex
	heard strings.Builder
}

func (p *parrot) everything() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.String()
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	key, query := r.Header.Get("X-Key"), r.URL.Query().Get("key")
	auth := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + r.Header.Get("X-Goog-Api-Key")
	text := fmt.Sprintf("header %s; query %s; auth %s; body %s;", key, query, auth, body)
	p.mu.Lock()
	p.heard.WriteString(text + "\n")
	p.mu.Unlock()
	p.say(w, r, key, text)
}

func (p *parrot) say(w http.ResponseWriter, r *http.Request, key, text string) {
	how, arg := path.Split(strings.TrimPrefix(r.URL.Path, "/"))
	n, _ := strconv.Atoi(arg) // 0 where the last element is no number
	h := w.Header()
	switch how {
	case "raw/":
		io.WriteString(w, text)
	case "json/":
		json.NewEncoder(w).Encode(map[string]string{"echo": text})
	case "ascii/":
		io.WriteString(w, strconv.QuoteToASCII(text))
	case "query/":
		io.WriteString(w, url.QueryEscape(text)+" "+lowerEscapes(url.QueryEscape(text)))
	case "path/":
		io.WriteString(w, url.PathEscape(text)+" "+lowerEscapes(url.PathEscape(text)))
	case "hex/":
		io.WriteString(w, hex.EncodeToString([]byte(text))+" "+strings.ToUpper(hex.EncodeToString([]byte(text))))
	case "base64/":
		io.WriteString(w, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(".", n)+text)))
	case "base64url/":
		io.WriteString(w, base64.URLEncoding.EncodeToString([]byte(strings.Repeat(".", n)+text)))
	case "chunks/", "sse/":
		if how == "sse/" {
			h.Set("Content-Type", "text/event-stream")
			text = "data: " + text + "\n\n"
		}
		inPieces(w, text, n)
	case "gzip/":
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	case "header/":
		h.Set("X-Echo", key)
		h.Set("X-Hex", hex.EncodeToString([]byte(key)))
		h.Set("X-Base64", base64.StdEncoding.EncodeToString([]byte("a"+key)))
		h.Set("X-Query", url.QueryEscape(key))
		h.Set("Set-Cookie", "session="+key)
		h.Set("Www-Authenticate", `Bearer realm="`+key+`"`)
	case "name/":
		h["X-"+plainCanary] = []string{"1"}
		h["x-"+strings.ToLower(plainCanary)+"-more"] = []string{"2"}
	case "trailer/":
		h.Set("Trailer", "X-Echo")
		io.WriteString(w, text)
		h.Set("X-Echo", key)
	case "same/":
		h.Set("Location", "/raw/?key="+url.QueryEscape(key))
		w.WriteHeader(n)
	case "other/":
		h.Set("Location", p.other+"/raw/?key="+url.QueryEscape(key))
		w.WriteHeader(n)
	case "status/":
		w.WriteHeader(n)
		io.WriteString(w, text)
	case "cut/":
		h.Set("Content-Length", strconv.Itoa(len(text)+10))
		io.WriteString(w, text)
		panic(http.ErrAbortHandler)
	case "v1/chat/":
		content, _ := json.Marshal(text)
		fmt.Fprintf(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"model":"m"}`, content)
	case "v1/":
		content, _ := json.Marshal(text)
		fmt.Fprintf(w, `{"type":"message","role":"assistant","content":[{"type":"text","text":%s}],"model":"m","stop_reason":"end_turn"}`, content)
	default:
		http.NotFound(w, r)
	}
}

// inPieces writes a text in pieces of n bytes, as far apart as it takes for
// the client to read them apart.
func inPieces(w http.ResponseWriter, text string, n int) {
	for len(text) > 0 {
		k := min(n, len(text))
		io.WriteString(w, text[:k])
		w.(http.Flusher).Flush()
		text = text[k:]
		time.Sleep(100 * time.Microsecond)
	}
}

// parrotMission sends secrets in each place of a request and keeps all that
// comes back: in a file, printed, in errors and as its result.
const parrotMission = `
PLAIN = "PLAIN_CANARY_API_KEY"
ODD = "ODD_CANARY_API_KEY"

def ask(coo, origin, how, json_body):
    plain, odd = coo.secret(PLAIN), coo.secret(ODD)
    url = origin + "/" + how + "?key=" + odd
    headers = {"x-key": plain, "authorization": "Bearer " + plain}
    if json_body:
        a = coo.http("POST", url, headers = headers, json = {"a": [odd, "and " + plain], "b": plain})
    else:
        a = coo.http("POST", url, headers = headers, body = "one " + odd + " two " + plain)
    return "%s %s %s %s %s" % (how, a.status, a.error, a.headers, a.text)

def main(coo, origin, sizes, stop = ""):
    ways = ["raw/", "json/", "ascii/", "query/", "path/", "hex/", "gzip/", "header/", "name/", "trailer/", "cut/"]
    ways += ["%s/%d" % (b, n) for b in ["base64", "base64url"] for n in range(3)]
    ways += ["%s/%d" % (k, n) for k in ["same", "other"] for n in [301, 302, 303]] + ["same/307", "same/308"]
    ways += ["status/%d" % n for n in [400, 401, 429, 500, 503]]
    seen = [ask(coo, origin, how, json_body) for how in ways for json_body in [False, True]]
    pieces = [(k, n) for k in ["chunks", "sse"] for n in range(1, int(sizes) + 1)]
    def way(k, n):
        return lambda: ask(coo, origin, "%s/%d" % (k, n), n % 2 == 0)
    seen += coo.parallel([way(k, n) for k, n in pieces])
    message = [{"role": "user", "content": "hello"}]
    for provider, base in [("openai", origin + "/v1"), ("anthropic", origin)]:
        seen.append(coo.chat("m", message, provider = provider, base_url = base, key = coo.secret(PLAIN)).text)
    failed = coo.attempt(lambda: fail(seen[0]))
    for n in [307, 308]:
        seen.append(coo.attempt(lambda: ask(coo, origin, "other/%d" % n, False)).error)
    coo.write("seen.txt", "\n".join(seen))
    print(seen[0], failed.error, coo.secret(ODD))
    if stop:
        print("sk-cana" + "ry-7f3A9b2C4d5E6f80")
    return {"seen": seen, "error": failed.error}
`

// TestSecretsNeverReachTheDisk sends canaries in each place of a request to a
// server that answers with them in each place of an answer, in each spelling,
// cut at each length; then everything on disk and on the terminal is searched.
func TestSecretsNeverReachTheDisk(t *testing.T) {
	far := &parrot{}
	farServer := httptest.NewServer(far)
	t.Cleanup(farServer.Close)
	near := &parrot{other: farServer.URL}
	nearServer := httptest.NewServer(near)
	t.Cleanup(nearServer.Close)

	p := newPlace(t)
	p.env = append(p.env, "PLAIN_CANARY_API_KEY="+plainCanary, "ODD_CANARY_API_KEY="+oddCanary)
	p.write("parrot.star", parrotMission)
	args := []string{"run", "parrot.star", "--arg", "origin=" + nearServer.URL, "--arg", "sizes=" + strconv.Itoa(len(plainCanary))}
	clean := func(what string, r process) {
		t.Helper()
		if found := leaks(t, p.dir, plainCanary, oddCanary); len(found) > 0 {
			t.Fatalf("%s: %d leaks:\n%s", what, len(found), strings.Join(found, "\n"))
		}
		for form, text := range traces(plainCanary) {
			if strings.Contains(r.stdout+r.stderr, text) {
				t.Fatalf("%s: the terminal shows it as %s", what, form)
			}
		}
	}

	first := p.ends(exitOK, args...)
	clean("sealed", first)
	for _, v := range []string{plainCanary, oddCanary} {
		if !strings.Contains(near.everything(), v) {
			t.Fatalf("the server never heard %q: nothing is proved", v)
		}
		if heard := far.everything(); heard == "" || strings.Contains(heard, v) {
			t.Errorf("the other origin heard %q", heard)
		}
	}
	seen, err := os.ReadFile(filepath.Join(p.dir, "seen.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PLAIN", "ODD"} {
		if n := bytes.Count(seen, []byte("<secret "+name+"_CANARY_API_KEY>")); n < 100 {
			t.Errorf("%s came back only %d times", name, n)
		}
	}

	// Again and replayed, without the secrets: the same.
	bare := p.without("PLAIN_CANARY_API_KEY", "ODD_CANARY_API_KEY")
	nearServer.Close()
	second := bare.ends(exitOK, args...)
	if second.stdout != first.stdout {
		t.Errorf("the second run differs")
	}
	replayed := bare.ends(exitOK, "replay", "@last")
	if !strings.Contains(replayed.stdout, "\nidentical: ") {
		t.Errorf("replay: %s", replayed.stdout)
	}
	for _, view := range [][]string{
		{"inspect", "@last"},
		{"inspect", "@last", "--json"},
		{"explain", "@last"},
		{"logs", "@last"},
		{"logs", "@last", "--json"},
		{"verify", "@last"},
		{"diff", "#1", "#2"},
	} {
		clean(view[0], p.ends(exitOK, view...))
	}
}

// TestSecretsOfAnIncompleteRun is the same for the journal of a run that was
// stopped when it was about to print a secret.
func TestSecretsOfAnIncompleteRun(t *testing.T) {
	far := httptest.NewServer(&parrot{})
	t.Cleanup(far.Close)
	near := httptest.NewServer(&parrot{other: far.URL})
	t.Cleanup(near.Close)
	p := newPlace(t)
	p.env = append(p.env, "PLAIN_CANARY_API_KEY="+plainCanary, "ODD_CANARY_API_KEY="+oddCanary)
	p.write("parrot.star", parrotMission)
	r := p.ends(exitPolicy, "run", "parrot.star", "--arg", "origin="+near.URL, "--arg", "sizes=3", "--arg", "stop=1")
	if !strings.Contains(r.stderr, "a printed line holds the value of the secret PLAIN_CANARY_API_KEY (raw)") {
		t.Errorf("stderr = %s", r.stderr)
	}
	journals, err := filepath.Glob(filepath.Join(p.dir, ".coo", "open", "*", "*"))
	if err != nil || len(journals) < 2 {
		t.Fatalf("journals = %q, %v", journals, err)
	}
	if found := leaks(t, p.dir, plainCanary, oddCanary); len(found) > 0 {
		t.Errorf("leaks:\n%s", strings.Join(found, "\n"))
	}
	if _, err := os.Stat(filepath.Join(p.dir, "seen.txt")); err == nil {
		t.Error("a run that was refused has written a file")
	}
}

// refusals are missions that would put the value of a secret on disk. halves
// is the value in two parts, as a mission might come by it.
var refusals = map[string]struct {
	mission string
	args    []string
	where   string // what coo says it is in
}{
	"source":       {`    print("VALUE")`, nil, "the mission m.star"},
	"comment":      {`    pass # VALUE`, nil, "the mission m.star"},
	"argument":     {`    pass`, []string{"--arg", "a=so VALUE"}, "the argument a"},
	"environment":  {`    coo.env("HARMLESS")`, nil, "the environment variable HARMLESS"},
	"file read":    {`    coo.read("notes.txt")`, nil, "the file notes.txt"},
	"bytes read":   {`    coo.read_bytes("notes.txt")`, nil, "the file notes.txt"},
	"listing":      {`    coo.list("names/*")`, nil, "the listing of names/*"},
	"file written": {`    coo.write("out.txt", HALVES)`, nil, "the file out.txt"},
	"path written": {`    coo.write("out/" + HALVES, "x")`, nil, "the path of a file"},
	"path read":    {`    coo.attempt(lambda: coo.read(HALVES))`, nil, "the name of an input"},
	"result":       {`    return [HALVES]`, nil, "the mission's result"},
	"print":        {`    print(HALVES)`, nil, "a printed line"},
	"log":          {`    coo.log(HALVES)`, nil, "a printed line"},
	"long line":    {`    print("x" * 5000 + HALVES)`, nil, "a printed line"},
	"failure":      {`    coo.fail("no: " + HALVES)`, nil, "an error message"},
	"caught":       {`    coo.attempt(lambda: coo.fail(HALVES))`, nil, "an error message"},
	"lookup":       {`    {}[HALVES]`, nil, "an error message"},
	"branch":       {`    coo.parallel([lambda: coo.fail(HALVES)])`, nil, "an error message"},
	"step":         {`    coo.step(HALVES, lambda: 1)`, nil, "the name of a step"},
	"url":          {`    coo.http("GET", "http://nobody.test/" + HALVES)`, nil, "the request GET http://nobody.test/"},
	"header":       {`    coo.http("GET", "http://nobody.test/", headers = {"x-a": HALVES})`, nil, "the request GET http://nobody.test/"},
	"json":         {`    coo.http("POST", "http://nobody.test/", json = [HALVES])`, nil, "the request POST http://nobody.test/"},
	"json name":    {`    coo.http("POST", "http://nobody.test/", json = {HALVES: 1})`, nil, "the request POST http://nobody.test/"},
	"body":         {`    coo.http("POST", "http://nobody.test/", body = HALVES)`, nil, "the request POST http://nobody.test/"},
	"chat":         {`    coo.chat("m", [{"role": "user", "content": HALVES}], base_url = "http://nobody.test")`, nil, "the request POST http://nobody.test/"},
	"name":         {`    pass`, []string{"--name", "my VALUE"}, "the name of the mission"},
}

// TestSecretsAreRefused: the value of a credential of coo's own environment
// that would be stored ends the run with 5, says where it was met, and leaves
// nothing behind.
func TestSecretsAreRefused(t *testing.T) {
	halves := fmt.Sprintf("%q + %q", plainCanary[:9], plainCanary[9:])
	for _, name := range slices.Sorted(maps.Keys(refusals)) {
		c := refusals[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.env = append(p.env, "CANARY_TOKEN="+plainCanary, "HARMLESS=a"+plainCanary)
			mission := strings.ReplaceAll(strings.ReplaceAll(c.mission, "VALUE", plainCanary), "HALVES", halves)
			p.write("m.star", "def main(coo, a = \"\"):\n    coo.write(\"before.txt\", \"x\")\n"+mission+"\n")
			p.write("notes.txt", "my key is "+plainCanary)
			p.write("names/"+plainCanary, "")
			args := []string{"run", "m.star"}
			for _, a := range c.args {
				args = append(args, strings.ReplaceAll(a, "VALUE", plainCanary))
			}
			r := p.ends(exitPolicy, args...)
			if want := c.where; !strings.Contains(r.stderr, "coo: "+want) || !strings.Contains(r.stderr, "CANARY_TOKEN") {
				t.Errorf("stderr = %q, want %q", r.stderr, want)
			}
			if strings.Contains(r.stdout+r.stderr, plainCanary) {
				t.Errorf("the terminal shows the value: %s%s", r.stdout, r.stderr)
			}
			if found := leaks(t, filepath.Join(p.dir, ".coo"), plainCanary); len(found) > 0 {
				t.Errorf("leaks:\n%s", strings.Join(found, "\n"))
			}
			if _, err := os.Stat(filepath.Join(p.dir, "before.txt")); err == nil {
				t.Error("a run that was refused has written a file")
			}
		})
	}
}
