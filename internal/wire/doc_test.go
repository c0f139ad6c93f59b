package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

func post(url, body string, headers ...string) *Request {
	r := &Request{Method: "post", URL: Lit(url), Body: Lit(body)}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, Field{headers[i], Lit(headers[i+1])})
	}
	return r
}

func mustDoc(t *testing.T, r *Request) *Doc {
	t.Helper()
	d, err := r.Doc(Builtin())
	if err != nil {
		t.Fatalf("Doc: %v", err)
	}
	return d
}

func TestDoc(t *testing.T) {
	r := post("HTTPS://API.Example.test:443/v1/Chat?q=A#frag", `{ "b": 1.0, "a": "x" }`, "Content-Type", "application/json", "X-Two", "1", "Accept", "*/*", "x-two", " 0\t")
	r.Headers = append(r.Headers, Field{"Authorization", Concat(Lit("Bearer "), Secret("KEY"))})
	d := mustDoc(t, r)
	want := `{"body":{"json":"` + digest.Of([]byte(`{"a":"x","b":1.0}`)).String() + `"},"headers":[["accept","*/*"],["authorization","Bearer <secret KEY>"],["content-type","application/json"],["x-two","1"],["x-two","0"]],"kind":"http","method":"POST","url":"https://api.example.test/v1/Chat?q=A"}`
	if string(d.Bytes) != want {
		t.Errorf("Doc = %s\nwant  %s", d.Bytes, want)
	}
	if string(d.Body) != `{"a":"x","b":1.0}` || d.Key != digest.Call(digest.Of(d.Bytes)) {
		t.Errorf("body %s, key %s", d.Body, d.Key)
	}
}

// The documents that records.md prints, by their published digests.
func TestDocAgainstPublishedDigest(t *testing.T) {
	d := mustDoc(t, &Request{Method: "GET", URL: Lit("https://kb.example.test/search?q=tides")})
	if got := d.Key.String(); got != "2be193479c40f545449b8732f97771e5b14f7200bbf2821316738e4e25d076c2" {
		t.Errorf("key %s of %s", got, d.Bytes)
	}
}

func TestDocSameCall(t *testing.T) {
	base := post("https://h.test/p", `{"model":"m","n":1}`, "content-type", "application/json")
	same := map[string]*Request{
		"header case":        post("https://h.test/p", `{"model":"m","n":1}`, "Content-TYPE", "application/json"),
		"body white space":   post("https://h.test/p", "{ \"n\":1,\n\"model\":\"m\"}", "content-type", "application/json"),
		"body escapes":       post("https://h.test/p", `{"model":"\u006d","n":1}`, "content-type", "application/json"),
		"scheme and host":    post("HTTPS://H.TEST:443/p#x", `{"model":"m","n":1}`, "content-type", "application/json"),
		"transport headers":  post("https://h.test/p", `{"model":"m","n":1}`, "content-type", "application/json", "Connection", "close", "Accept-Encoding", "gzip", "host", "h.test"),
		"per-attempt fields": post("https://h.test/p", `{"model":"m","n":1}`, "content-type", "application/json", "Idempotency-Key", "u-1", "traceparent", "00-1", "X-Stainless-Retry-Count", "3", "amz-sdk-request", "attempt=2"),
	}
	timeout := *base
	timeout.Timeout = 5
	same["timeout"] = &timeout
	key := mustDoc(t, base).Key
	for what, r := range same {
		if got := mustDoc(t, r); got.Key != key {
			t.Errorf("%s makes another call of it: %s", what, got.Bytes)
		}
	}
}

func TestDocOtherCall(t *testing.T) {
	base := post("https://h.test/p", `{"model":"m","n":1}`, "a", "1", "a", "2")
	none, empty := *base, *base
	none.Body, empty.Body = nil, Lit("")
	get := *base
	get.Method = "GET"
	seen := map[digest.Call]string{mustDoc(t, base).Key: "base"}
	other := []struct {
		what string
		r    *Request
	}{
		{"method", &get},
		{"no body", &none},
		{"empty body", &empty},
		{"number literal", post("https://h.test/p", `{"model":"m","n":1.0}`, "a", "1", "a", "2")},
		{"stream", post("https://h.test/p", `{"model":"m","n":1,"stream":true}`, "a", "1", "a", "2")},
		{"not JSON", post("https://h.test/p", `{"model":"m","n":1}}`, "a", "1", "a", "2")},
		{"white space in what is not JSON", post("https://h.test/p", `{"model":"m","n":1} }`, "a", "1", "a", "2")},
		{"path case", post("https://h.test/P", `{"model":"m","n":1}`, "a", "1", "a", "2")},
		{"query", post("https://h.test/p?", `{"model":"m","n":1}`, "a", "1", "a", "2")},
		{"port", post("https://h.test:80/p", `{"model":"m","n":1}`, "a", "1", "a", "2")},
		{"scheme", post("http://h.test/p", `{"model":"m","n":1}`, "a", "1", "a", "2")},
		{"same-name order", post("https://h.test/p", `{"model":"m","n":1}`, "a", "2", "a", "1")},
		{"header value case", post("https://h.test/p", `{"model":"m","n":1}`, "a", "1", "a", "2", "x", "Y")},
		{"another host header", post("https://h.test/p", `{"model":"m","n":1}`, "a", "1", "a", "2", "host", "other.test")},
	}
	for _, o := range other {
		key := mustDoc(t, o.r).Key
		if was, ok := seen[key]; ok {
			t.Errorf("%s: the same call as %s", o.what, was)
		}
		seen[key] = o.what
	}
}

func TestDocNumberLiteralsKept(t *testing.T) {
	d := mustDoc(t, post("https://h.test/", `{"id":9007199254740993}`))
	if string(d.Body) != `{"id":9007199254740993}` {
		t.Errorf("body %s", d.Body)
	}
}

func TestDocRefuses(t *testing.T) {
	many := post("https://h.test/", "")
	for i := range MaxHeaders + 1 {
		many.Headers = append(many.Headers, Field{fmt.Sprintf("x-%d", i), Lit("")})
	}
	for want, r := range map[string]*Request{
		`header authorization: a credential in clear text: use coo.secret(NAME)`:                  post("https://h.test/", "", "Authorization", "Bearer sk-123"),
		`header x-api-key: a credential in clear text: use coo.secret(NAME)`:                      post("https://h.test/", "", "X-API-Key", ""),
		`header cookie: a credential in clear text: use coo.secret(NAME)`:                         post("https://h.test/", "", "cookie", "a=b"),
		`header "a b": malformed name`:                                                            post("https://h.test/", "", "a b", "1"),
		`header "": malformed name`:                                                               post("https://h.test/", "", "", "1"),
		`header x: a control character in its value`:                                              post("https://h.test/", "", "X", "1\r\nevil: 1"),
		`header x: a string is not valid UTF-8`:                                                   post("https://h.test/", "", "X", "\xff"),
		`method "GE T": malformed`:                                                                {Method: "GE T", URL: Lit("https://h.test/")},
		`method "": malformed`:                                                                    {URL: Lit("https://h.test/")},
		`url: it must begin with http:// or https://`:                                             post("ftp://h.test/", ""),
		`url: user information is not allowed: use an authorization header with coo.secret(NAME)`: post("https://u:p@h.test/", ""),
		`url: malformed host ""`:                                                                  post("https:///p", ""),
		`url: malformed host "h.test:99999"`:                                                      post("https://h.test:99999/p", ""),
		`url: malformed host "h\\x"`:                                                              post(`https://h\x/p`, ""),
		`url: a space or control character must be written %20`:                                   post("https://h.test/a b", ""),
		`url: a space or control character must be written %0A`:                                   post("https://h.test/?\n", ""),
		`url: not valid UTF-8`:                                                                    post("https://h.test/\xff", ""),
		`url: longer than 65536 bytes`:                                                            post("https://h.test/"+strings.Repeat("a", MaxURL), ""),
		`headers: more than 1000`:                                                                 many,
		`url: a secret may stand only in the path or the query`:                                   {Method: "GET", URL: Concat(Lit("https://"), Secret("K"))},
	} {
		if d, err := r.Doc(Builtin()); err == nil {
			t.Errorf("Doc = %s, want %s", d.Bytes, want)
		} else if err.Error() != want {
			t.Errorf("Doc: %v\nwant %s", err, want)
		}
	}
}

func TestNormalURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://H:80":               "http://h",
		"http://h:/x":               "http://h/x",
		"https://[2001:DB8::1]:443": "https://[2001:db8::1]",
		"https://[::1]:8443/?a#b#c": "https://[::1]:8443/?a",
		"http://h:443/%7e/../é?x=%": "http://h:443/%7e/../é?x=%",
		"http://h?x":                "http://h?x",
	} {
		got, err := NormalURL(Lit(in))
		if err != nil || got.String() != want {
			t.Errorf("NormalURL(%q) = %q, %v, want %q", in, got, err, want)
			continue
		}
		if again, err := NormalURL(got); err != nil || again.String() != want {
			t.Errorf("NormalURL(%q) again = %q, %v", want, again, err)
		}
	}
	in := Concat(Lit("https://H/a/"), Secret("K"), Lit("/b?x#"), Secret("L"))
	got, err := NormalURL(in)
	if err != nil || got.String() != "https://h/a/<secret K>/b?x" {
		t.Errorf("NormalURL = %q, %v", got, err)
	}
	if in.String() != "https://H/a/<secret K>/b?x#<secret L>" {
		t.Errorf("NormalURL changed its argument to %q", in)
	}
}

func TestOrigin(t *testing.T) {
	for url, want := range map[string]string{
		"https://h/p": "https://h:443", "http://h?x": "http://h:80", "http://h:8080/": "http://h:8080",
		"https://[::1]/": "https://[::1]:443", "https://[::1]:1/": "https://[::1]:1",
	} {
		if got := Origin(url); got != want {
			t.Errorf("Origin(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestParseDoc(t *testing.T) {
	r := post("https://h.test/a?b", "plain", "accept", "x", "accept", "a")
	r.URL = Concat(r.URL, Lit("&k="), Secret("K"))
	d := mustDoc(t, r)
	info, err := ParseDoc(d.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if info.Method != "POST" || info.URL != "https://h.test/a?b&k=<secret K>" || info.Header("accept") != "x" || len(info.Headers) != 2 || info.BodyKind != "bytes" || *info.BodyDigest != digest.Of([]byte("plain")) {
		t.Errorf("ParseDoc = %+v", info)
	}
	info, err = ParseDoc(mustDoc(t, &Request{Method: "GET", URL: Lit("http://h/")}).Bytes)
	if err != nil || info.BodyKind != "" || info.BodyDigest != nil {
		t.Errorf("ParseDoc without a body = %+v, %v", info, err)
	}
}

func TestParseDocRefuses(t *testing.T) {
	const good = `{"body":null,"headers":[["a","1"],["b","2"]],"kind":"http","method":"GET","url":"https://h/"}`
	if _, err := ParseDoc([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string][2]string{
		"white space":      {`,"kind"`, ` ,"kind"`},
		"header order":     {`["a","1"]`, `["c","1"]`},
		"header case":      {`["a"`, `["A"`},
		"header triple":    {`"1"]`, `"1","2"]`},
		"untrimmed value":  {`"1"`, `"1 "`},
		"a control":        {`"1"`, `"\n"`},
		"method case":      {`GET`, `get`},
		"kind":             {`"http"`, `"ws"`},
		"default port":     {`//h/`, `//h:443/`},
		"host case":        {`//h/`, `//H/`},
		"fragment":         {`h/`, `h/#`},
		"space in the url": {`h/`, `h/ `},
		"bad secret name":  {`h/`, `h/<secret 9>`},
		"body kind":        {`null`, `{"text":"x"}`},
		"body digest":      {`null`, `{"json":"00"}`},
		"missing member":   {`"kind":"http",`, ``},
		"trailing":         {`h/"}`, `h/"}` + "\n"},
		"cut":              {`"}`, ``},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if info, err := ParseDoc([]byte(text)); err == nil {
			t.Errorf("%s accepted: %s as %+v", what, text, info)
		}
	}
}

// request writes the request that info tells, its body given.
func (d *DocInfo) request(body []byte) *Request {
	r := &Request{Method: d.Method, URL: ParseText(d.URL, Named(d.URL))}
	for _, h := range d.Headers {
		r.Headers = append(r.Headers, Field{h[0], ParseText(h[1], Named(h[1]))})
	}
	if d.BodyKind != "" {
		r.Body = Lit(string(body))
	}
	return r
}

// anyHeader are rules that leave nothing out.
var anyHeader = mustParseRules([]byte(`{"id":"test/0","omit":[],"credentials":[]}`))

func FuzzParseDoc(f *testing.F) {
	for _, s := range []string{
		`{"body":null,"headers":[],"kind":"http","method":"GET","url":"https://kb.example.test/search?q=tides"}`,
		`{"body":{"bytes":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"headers":[["authorization","Bearer <secret K>"],["x",""],["x","\"é"]],"kind":"http","method":"PUT","url":"http://[::1]:8/<secret K>?<secret A>"}`,
		`{"body":null,"headers":[["host","x"]],"kind":"http","method":"GET","url":"http://h:80/"}`,
		`{"body":null,"headers":[],"kind":"http","method":"get","url":"http://h"}`,
		`{"body":null,"headers":[],"kind":"http","method":"GET","url":"http://h/<secret >"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		info, err := ParseDoc(doc)
		if err != nil || info.BodyKind != "" && *info.BodyDigest != digest.Of(nil) {
			return // the body of another digest is not known here
		}
		d, err := info.request(nil).Doc(anyHeader)
		if err != nil || !bytes.Equal(d.Bytes, doc) && info.BodyKind != "json" {
			t.Errorf("accepted %q, makes %q, %v", doc, d, err)
		}
	})
}

func BenchmarkDoc(b *testing.B) {
	body := `{"model":"gpt-5-mini","messages":[{"role":"user","content":"` + strings.Repeat(`the tide comes in twice a day, \n`, 28) + `"}],"stream":true}`
	r := post("https://api.openai.com/v1/chat/completions", body, "content-type", "application/json")
	r.Headers = append(r.Headers, Field{"authorization", Concat(Lit("Bearer "), Secret("KEY"))})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Doc(Builtin()); err != nil {
			b.Fatal(err)
		}
	}
}
