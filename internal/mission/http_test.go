package mission

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/wire"
)

// issued returns the requests of a trace.
func issued(w *fake) []string {
	var out []string
	for _, line := range w.trace {
		if _, req, ok := strings.Cut(line, " issue [] "); ok {
			out = append(out, req)
		}
	}
	return out
}

func TestRequest(t *testing.T) {
	for _, c := range []struct{ call, want string }{
		{`"get", "http://H:80/a b?q=é&x=%20#f"`, `GET http://h/a%20b?q=%C3%A9&x=%20 [] `},
		{
			`"POST", "https://h/", json = {"b": 1, "a": [coo.secret("K"), "x" + coo.secret("K") + "\"y"]}`,
			`POST https://h/ [content-type=application/json] {"a":["<secret K>","x<secret K>\"y"],"b":1}`,
		},
		{
			`"POST", "https://h/", {"X-A": "b", "Content-Type": "application/vnd.x+json", "Authorization": "Bearer " + coo.secret("K")}, json = [None]`,
			`POST https://h/ [authorization=Bearer <secret K> content-type=application/vnd.x+json x-a=b] [null]`,
		},
		{`"PUT", "https://h/", body = "text"`, `PUT https://h/ [] text`},
		{`"PUT", "https://h/?k=" + coo.secret("K") + " z", body = b"\x01"`, "PUT https://h/?k=<secret K>%20z [] \x01"},
		{`"GET", "http://h/", headers = None, json = None, body = None, timeout = 0.5`, `GET http://h/ [] `},
	} {
		w := newFake()
		value(t, w, "coo.http("+c.call+")")
		if got := issued(w); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.call, got, c.want)
		}
	}
}

// TestEscapes: where a secret stands decides how its value will be written.
func TestEscapes(t *testing.T) {
	w := newFake()
	var seen *wire.Request
	w.answer = func(r *wire.Request) *wire.Answer { seen = r; return reply(200, "") }
	value(t, w, `coo.http("POST", "http://h/" + coo.secret("K"), {"x": coo.secret("K")}, json = [coo.secret("K")], timeout = 2)`)
	reveal := func(text wire.Text) string {
		s, err := text.Reveal(func(string) (string, error) { return `a"/b`, nil })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := reveal(seen.URL) + " " + reveal(seen.Headers[1].Value) + " " + reveal(seen.Body)
	if want := `http://h/a%22%2Fb a"/b ["a\"/b"]`; got != want || seen.Timeout != 2000 {
		t.Errorf("got %s, timeout %d", got, seen.Timeout)
	}
}

func TestRequestErrors(t *testing.T) {
	for call, want := range map[string]string{
		`"GET", "ftp://h/"`:                           "coo.http: url: it must begin with http:// or https://",
		`"GET", "http://u:p@h/"`:                      "coo.http: url: user information is not allowed",
		`"GET", "http://" + coo.secret("K")`:          "coo.http: url: a secret may stand only in the path or the query",
		`"GET", 5`:                                    "coo.http: url: got int, want string",
		`"GET", "http://h/\n"`:                        "coo.http: url: ",
		`"GET", "http://h/", body = 5`:                "coo.http: body: got int, want string or bytes",
		`"GET", "http://h/", body = "a", json = 1`:    "coo.http: json and body are both given",
		`"GET", "http://h/", {"a": 1}`:                `coo.http: headers: "a": got int, want string`,
		`"GET", "http://h/", {"a": "1", "A": "2"}`:    `coo.http: headers: "a" is given twice`,
		`"GET", "http://h/", timeout = 0`:             "coo.http: timeout: no time at all",
		`"GET", "http://h/", timeout = 1e9`:           "coo.http: timeout: time too long",
		`"GET", "http://h/", json = {"a": lambda: 1}`: "coo.http: json: a value of type function has no JSON form",
		`"GET"`: "coo.http: missing argument for url",
	} {
		if got := failure(t, newFake(), "coo.http("+call+")"); !strings.HasPrefix(got, want) {
			t.Errorf("%s\ngot %q, want %q", call, got, want)
		}
	}
}

func TestAnswerValue(t *testing.T) {
	w := newFake()
	w.answer = func(r *wire.Request) *wire.Answer {
		switch r.URL.String() {
		case "http://h/json":
			return reply(201, `{"a":[1]}`, "content-type", "application/json", "x", "1", "x", "2")
		case "http://h/sse":
			return reply(200, "event: e\ndata: {\"n\":1}\n\ndata: [DONE]\n\n", "content-type", "text/event-stream")
		case "http://h/raw":
			return reply(200, "a\xffb")
		}
		return &wire.Answer{Error: "timeout"}
	}
	got := value(t, w, `
j = coo.http("GET", "http://h/json")
s = coo.http("GET", "http://h/sse")
r = coo.http("GET", "http://h/raw")
f = coo.http("GET", "http://h/none")
return [
    j.status, j.headers, j.text, j.json(), j.error, len(j.body), type(j), str(j),
    [(e.name, e.data) for e in s.events()], s.events()[0].json(),
    r.text, [x for x in r.body.elems()],
    f.status, f.error, f.headers, f.text,
    coo.attempt(j.events).error, coo.attempt(r.json).error,
]`)
	want := `[201,{"content-type":"application/json","x":"1, 2"},"{\"a\":[1]}",{"a":[1]},null,9,"answer","<answer>",` +
		`[["e","{\"n\":1}"],["message","[DONE]"]],{"n":1},"a�b",[97,255,98],0,"timeout",{},"",` +
		`"events: content type \"application/json\" is not text/event-stream or newline-delimited JSON","json: not valid UTF-8"]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := failure(t, w, `coo.http("GET", "http://h/json").headers["y"] = "1"`); !strings.Contains(got, "frozen") {
		t.Errorf("headers can be changed: %s", got)
	}
}

func TestRedirects(t *testing.T) {
	const auth = `{"Authorization": coo.secret("K"), "X-Own": "1", "Content-Type": "text/plain", "Cookie": coo.secret("C")}`
	for _, c := range []struct {
		call, status, location string
		want                   []string // requests after the first
	}{
		{`"GET", "http://h/a/b?c"`, "302", "../d?e#f", []string{"GET http://h/d?e [] "}},
		{`"POST", "http://h/", ` + auth + `, body = "x"`, "302", "/next", []string{"GET http://h/next [authorization=<secret K> cookie=<secret C> x-own=1] "}},
		{`"PUT", "http://h/", body = "x"`, "301", "/next", []string{"PUT http://h/next [] x"}},
		{`"PUT", "http://h/", body = "x"`, "303", "/next", []string{"GET http://h/next [] "}},
		{`"HEAD", "http://h/"`, "303", "/next", []string{"HEAD http://h/next [] "}},
		{`"POST", "http://h/", ` + auth + `, body = "x"`, "307", "/next", []string{"POST http://h/next [authorization=<secret K> content-type=text/plain cookie=<secret C> x-own=1] x"}},
		{`"POST", "http://h/", ` + auth + `, body = "x"`, "308", "http://other/next", []string{"POST http://other/next [content-type=text/plain x-own=1] x"}},
		{`"GET", "http://h/", ` + auth, "302", "https://h/", []string{"GET https://h/ [content-type=text/plain x-own=1] "}},
		{`"GET", "http://h/", ` + auth, "302", "http://h:8080/", []string{"GET http://h:8080/ [content-type=text/plain x-own=1] "}},
		{`"GET", "http://h/", ` + auth, "302", "http://H:80/x", []string{"GET http://h/x [authorization=<secret K> content-type=text/plain cookie=<secret C> x-own=1] "}},
		{`"GET", "http://h/k/" + coo.secret("K") + "/x"`, "302", "y", []string{"GET http://h/k/<secret K>/y [] "}},
		{`"GET", "http://h/?k=" + coo.secret("K")`, "302", "/z?k=<secret K>&l=<secret L>", []string{"GET http://h/z?k=<secret K>&l=%3Csecret%20L%3E [] "}},
		{`"GET", "http://h/?k=" + coo.secret("K")`, "302", "//other/z?k=<secret K>", []string{"GET http://other/z?k=%3Csecret%20K%3E [] "}},
		{`"GET", "http://h/secret-0-?k=" + coo.secret("K")`, "302", "?l=secret-1-", []string{"GET http://h/secret-0-?l=secret-1- [] "}},
		{`"GET", "http://h/"`, "302", "mailto:a@b", nil},
		{`"GET", "http://h/"`, "302", "http://%zz/", nil},
		{`"GET", "http://h/"`, "304", "/next", nil},
		{`"GET", "http://h/"`, "302", "", nil},
	} {
		w := newFake()
		first := true
		w.answer = func(*wire.Request) *wire.Answer {
			if !first {
				return reply(200, "end")
			}
			first = false
			var status int
			fmt.Sscan(c.status, &status)
			return reply(status, "", "location", c.location)
		}
		value(t, w, "coo.http("+c.call+")")
		if got := issued(w)[1:]; strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s, %s to %q\ngot  %q\nwant %q", c.call, c.status, c.location, got, c.want)
		}
	}
}

func TestRedirectLimits(t *testing.T) {
	w := newFake()
	w.answer = func(*wire.Request) *wire.Answer { return reply(302, "", "location", "/") }
	if got := failure(t, w, `coo.http("GET", "http://h/")`); got != "coo.http: more than 10 redirects" || len(issued(w)) != 11 {
		t.Errorf("got %q after %d calls", got, len(issued(w)))
	}
	w.answer = func(*wire.Request) *wire.Answer { return reply(307, "", "location", "http://evil/") }
	got := failure(t, w, `coo.http("POST", "http://h/", body = "k=" + coo.secret("K"))`)
	if got != "coo.http: redirect: secret K would leave http://h:80 for http://evil:80" {
		t.Errorf("got %q", got)
	}
}

func TestChat(t *testing.T) {
	w := newFake()
	w.env["OPENAI_BASE_URL"] = "http://model.test/v1"
	w.answer = func(*wire.Request) *wire.Answer {
		return reply(200, `{"id":"x","model":"m-1","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"hi",`+
			`"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
			"content-type", "application/json")
	}
	got := value(t, w, `
r = coo.chat(model = "m", messages = [{"role": "user", "content": "Q"}], temperature = 0.5, top_k = None)
c = r.tool_calls[0]
return [r.text, r.model, r.finish, r.usage.input, r.usage.output, c.id, c.name, json.decode(c.arguments), r.response.status]`)
	if want := `["hi","m-1","tool_calls",3,4,"c1","f",{"a":1},200]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	trace := strings.Join(w.trace, "\n")
	for _, want := range []string{
		"env [] OPENAI_BASE_URL", "secret [] OPENAI_API_KEY",
		"POST http://model.test/v1/chat/completions [authorization=Bearer <secret OPENAI_API_KEY> content-type=application/json]",
		`"temperature":0.5`, `"messages":[{"content":"Q","role":"user"}]`,
	} {
		if !strings.Contains(trace, want) {
			t.Errorf("no %s in\n%s", want, trace)
		}
	}
	if strings.Contains(trace, "top_k") {
		t.Error("a parameter that is None was sent")
	}
}

func TestChatArguments(t *testing.T) {
	for _, provider := range []string{"openai", "anthropic", "gemini"} {
		w := newFake()
		w.answer = func(*wire.Request) *wire.Answer { return reply(429, `{"error":{"message":"slow down"}}`) }
		got := failure(t, w, fmt.Sprintf(`coo.chat("m", [{"role": "user", "content": "Q"}], provider = %q, base_url = "http://h", key = "Bearer" + coo.secret("MINE"))`, provider))
		if want := "coo.chat: " + provider + ": 429: slow down"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if trace := strings.Join(w.trace, "\n"); strings.Contains(trace, "env [") || !strings.Contains(trace, "secret [] MINE") {
			t.Errorf("base_url and key were not used:\n%s", trace)
		}
	}
	for call, want := range map[string]string{
		`"m", "Q"`:                          "coo.chat: messages: got string, want list",
		`"m", [], provider = "x"`:           `coo.chat: unknown provider "x": openai, anthropic and gemini are known`,
		`"m", [], key = "sk-1"`:             "coo.chat: key: a credential in clear text: use coo.secret(NAME)",
		`"m", [], x = lambda: 1`:            "coo.chat: x: a value of type function has no JSON form",
		`"m", []`:                           "",
		`"m", [{"role": "user"}], key = ""`: "",
	} {
		w := newFake()
		w.refuse["secret OPENAI_API_KEY"] = fmt.Errorf("OPENAI_API_KEY: refused")
		r := runBody(t, w, "coo.chat("+call+")", Options{})
		if r.Err == nil || !strings.HasPrefix(r.Err.Msg, want) {
			t.Errorf("%s: got %+v, want %q", call, r.Err, want)
		}
	}
}
