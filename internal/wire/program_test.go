package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

const programKey = "sk-live-0123456789abcdefghijklmnop"

func TestPlaceholdersLookLikeKeys(t *testing.T) {
	for _, tt := range []struct {
		name, prefix string
		size         int
	}{
		{"OPENAI_API_KEY", "sk-proj-", 0},
		{"ANTHROPIC_API_KEY", "sk-ant-api03-", 0},
		{"GEMINI_API_KEY", "AIza", 39},
		{"GOOGLE_API_KEY", "AIza", 39},
		{"GITHUB_TOKEN", "ghp_", 40},
		{"AWS_ACCESS_KEY_ID", "AKIA", 20},
		{"AWS_SECRET_ACCESS_KEY", "coo-", 0},
		{"MY_TOKEN", "coo-", 0},
	} {
		got := Placeholder(tt.name)
		if !strings.HasPrefix(got, tt.prefix) || len(got) < 20 || tt.size > 0 && len(got) != tt.size {
			t.Errorf("Placeholder(%q) = %q", tt.name, got)
		}
		if strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("Placeholder(%q) = %q: needs an escape", tt.name, got)
		}
		if got != Placeholder(tt.name) || got == Placeholder(tt.name+"2") {
			t.Errorf("Placeholder(%q) is not fixed, or not of its name", tt.name)
		}
	}
	// Fixed for ever: recordings hold it.
	if got, want := Placeholder("OPENAI_API_KEY"), "sk-proj-coo"; !strings.HasPrefix(got, want) || len(got) != 41 {
		t.Errorf("Placeholder = %q", got)
	}
}

// ask returns what a program's request is recorded as.
func ask(t *testing.T, url string, header [][2]string, body string, rules *Rules) (*Request, *Doc, []string) {
	t.Helper()
	values, err := NewSecrets(map[string]string{"OPENAI_API_KEY": programKey})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlaceholders([]string{"OPENAI_API_KEY", "DB_PASSWORD"}).WithValues(values)
	req, doc, used, err := ProgramRequest("post", url, header, []byte(body), p, rules)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseDoc(doc.Bytes); err != nil {
		t.Errorf("ParseDoc: %v", err)
	}
	return req, doc, used
}

func revealed(t *testing.T, text Text) string {
	t.Helper()
	s, err := text.Reveal(func(name string) (string, error) {
		return map[string]string{"OPENAI_API_KEY": programKey, "DB_PASSWORD": `pass"word/1`}[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProgramRequests(t *testing.T) {
	key, pass := Placeholder("OPENAI_API_KEY"), Placeholder("DB_PASSWORD")
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	const unknown = "tok0123456789abcdefg"
	for _, tt := range []struct {
		name, url string
		header    [][2]string
		body      string
		doc, kept string // the document without its body member, the body
		sent      string // first header, URL, body
	}{
		{
			name: "placeholder in a header and JSON", url: "HTTPS://API.openai.com:443/v1/x?key=" + pass,
			header: [][2]string{{"Authorization", "Bearer " + key}, {"User-Agent", "x/1"}},
			body:   `{"b": 1.0, "a":"` + pass + `"}`,
			doc:    `"headers":[["authorization","Bearer <secret OPENAI_API_KEY>"]],"kind":"http","method":"POST","url":"https://api.openai.com/v1/x?key=<secret DB_PASSWORD>"}`,
			kept:   `{"a":"<secret DB_PASSWORD>","b":1.0}`,
			sent:   "Bearer " + programKey + ` https://api.openai.com/v1/x?key=pass%22word%2F1 {"b": 1.0, "a":"pass\"word/1"}`,
		},
		{
			name: "basic", url: "http://h/", header: [][2]string{{"authorization", basic("me:" + pass)}},
			doc:  `"headers":[["authorization","Basic me:<secret DB_PASSWORD>"]],"kind":"http","method":"POST","url":"http://h/"}`,
			sent: basic(`me:pass"word/1`) + " http://h/ ",
		},
		{
			name: "the value itself", url: "http://h/", header: [][2]string{{"x-mine", programKey}}, body: "k=" + programKey,
			doc:  `"headers":[["x-mine","<secret OPENAI_API_KEY>"]],"kind":"http","method":"POST","url":"http://h/"}`,
			kept: "k=<secret OPENAI_API_KEY>",
			sent: programKey + " http://h/ k=" + programKey,
		},
		{
			name: "unknown credentials", url: "http://h/?access_token=" + unknown + "&key=short&token=" + unknown + "&X-Amz-Date=2026&a=1",
			header: [][2]string{{"authorization", "Bearer " + unknown}, {"cookie", "a=b"}}, body: `"` + unknown + `"`,
			doc:  `"headers":[["authorization","<credential>"],["cookie","<credential>"]],"kind":"http","method":"POST","url":"http://h/?access_token=<credential>&key=short&token=<credential>&X-Amz-Date=<credential>&a=1"}`,
			kept: `"<credential>"`,
			sent: "Bearer " + unknown + " http://h/?access_token=" + unknown + "&key=short&token=" + unknown + "&X-Amz-Date=2026&a=1 \"" + unknown + `"`,
		},
		{
			name: "a signature with the name of a key that is known", url: "http://h/",
			header: [][2]string{{"authorization", "AWS4-HMAC-SHA256 Credential=" + programKey + "/20261123/us-east-1/bedrock/aws4_request, Signature=ab12"}},
			doc:    `"headers":[["authorization","<credential>"]],"kind":"http","method":"POST","url":"http://h/"}`,
			sent:   "AWS4-HMAC-SHA256 Credential=" + programKey + "/20261123/us-east-1/bedrock/aws4_request, Signature=ab12 http://h/ ",
		},
		{
			name: "multipart", url: "http://h/up", header: [][2]string{{"content-type", "multipart/form-data; boundary=xx123"}},
			body: "--xx123\r\n\r\nxx123\r\n--xx123--\r\n",
			doc:  `"headers":[["content-type","multipart/form-data; boundary=coo-boundary"]],"kind":"http","method":"POST","url":"http://h/up"}`,
			kept: "--coo-boundary\r\n\r\nxx123\r\n--coo-boundary--\r\n",
			sent: "multipart/form-data; boundary=xx123 http://h/up --xx123\r\n\r\nxx123\r\n--xx123--\r\n",
		},
		{
			name: "form", url: "http://h/token", header: [][2]string{{"content-type", "application/x-www-form-urlencoded"}},
			body: "grant_type=x&assertion=" + unknown + "&client_secret=" + pass,
			doc:  `"headers":[["content-type","application/x-www-form-urlencoded"]],"kind":"http","method":"POST","url":"http://h/token"}`,
			kept: "grant_type=x&assertion=<credential>&client_secret=<secret DB_PASSWORD>",
			sent: "application/x-www-form-urlencoded http://h/token grant_type=x&assertion=" + unknown + "&client_secret=pass%22word%2F1",
		},
		{
			name: "a member of a provider", url: "https://api.anthropic.com/v1/messages", header: [][2]string{{"a", "b"}},
			body: `{"model":"m","metadata":{"user_id":"session_7","x":1}}`,
			doc:  `"headers":[["a","b"]],"kind":"http","method":"POST","url":"https://api.anthropic.com/v1/messages"}`,
			kept: `{"metadata":{"x":1},"model":"m"}`,
			sent: `b https://api.anthropic.com/v1/messages {"model":"m","metadata":{"user_id":"session_7","x":1}}`,
		},
		{
			name: "what clients should not send", url: "http://h/a b\xff?q=ä", header: [][2]string{{"x", "caf\xe9"}},
			doc:  `"headers":[["x","café"]],"kind":"http","method":"POST","url":"http://h/a%20b%FF?q=%C3%A4"}`,
			sent: "caf\xe9 http://h/a%20b%FF?q=%C3%A4 ",
		},
	} {
		req, doc, _ := ask(t, tt.url, tt.header, tt.body, ProgramRules())
		_, got, _ := strings.Cut(string(doc.Bytes), `,`)
		if got != tt.doc {
			t.Errorf("%s: document\n got %s\nwant %s", tt.name, got, tt.doc)
		}
		if string(doc.Body) != tt.kept {
			t.Errorf("%s: kept body %q, want %q", tt.name, doc.Body, tt.kept)
		}
		sent := revealed(t, req.Headers[0].Value) + " " + revealed(t, req.URL) + " " + revealed(t, req.Body)
		if sent != tt.sent {
			t.Errorf("%s: sent\n got %s\nwant %s", tt.name, sent, tt.sent)
		}
		for _, form := range []string{programKey, `pass"word`, unknown} {
			if bytes.Contains(doc.Bytes, []byte(form)) || bytes.Contains(doc.Body, []byte(form)) {
				t.Errorf("%s: %q is in what is stored", tt.name, form)
			}
		}
	}
}

func TestRulesUsedAreTold(t *testing.T) {
	_, _, used := ask(t, "http://h/?sig=tok0123456789abcdefg", [][2]string{
		{"host", "h"}, {"user-agent", "x"}, {"traceparent", "y"}, {"authorization", "Bearer none"},
	}, "", ProgramRules())
	want := "program/1 header authorization, program/1 header traceparent, program/1 header user-agent, program/1 query sig"
	if got := strings.Join(used, ", "); got != want {
		t.Errorf("used = %s, want %s", got, want)
	}
}

// TestCodedBodies: a coded body counts by what was coded, and goes out as the
// program sent it unless a secret stands in it.
func TestCodedBodies(t *testing.T) {
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(s))
		z.Close()
		return b.String()
	}
	header := [][2]string{{"content-encoding", "gzip"}, {"content-type", "application/json"}}
	req, doc, used := ask(t, "http://h/", header, pack(`{"b":1, "a":2}`), ProgramRules())
	if string(doc.Body) != `{"a":2,"b":1}` || revealed(t, req.Body) != pack(`{"b":1, "a":2}`) || len(req.Headers) != 2 {
		t.Errorf("plain: %q, %q, %v", doc.Body, req.Body, req.Headers)
	}
	if fmt.Sprint(used) != "[program/1 decoded gzip]" {
		t.Errorf("used = %v", used)
	}
	req, doc, _ = ask(t, "http://h/", header, pack(`{"a":"`+Placeholder("DB_PASSWORD")+`"}`), ProgramRules())
	if string(doc.Body) != `{"a":"<secret DB_PASSWORD>"}` || revealed(t, req.Body) != `{"a":"pass\"word/1"}` || len(req.Headers) != 1 {
		t.Errorf("with a secret: %q, %q, %v", doc.Body, req.Body, req.Headers)
	}
	for _, broken := range []string{"no gzip", pack("x")[:10]} {
		if _, doc, _ = ask(t, "http://h/", header, broken, ProgramRules()); string(doc.Body) != broken {
			t.Errorf("broken: %q, want %q", doc.Body, broken)
		}
	}
}

func TestPointersCut(t *testing.T) {
	doc := `{"a":[{"b":1,"c":[]},{"b":"x\"]}"}],"d/e~":{"f":{}},"g":"\\","h":[]}`
	for _, tt := range []struct{ pointers, want string }{
		{"/x /a/7 /g/0 /h/0", doc},
		{"/a/0/b /a/1/b", `{"a":[{"c":[]},{}],"d/e~":{"f":{}},"g":"\\","h":[]}`},
		{"/a /d~1e~0/f", `{"d/e~":{},"g":"\\","h":[]}`},
		{"/d~1e~0 /g /h /a/0", `{"a":[{"b":"x\"]}"}]}`},
		{"/a /d~1e~0 /g /h", `{}`},
		{"/a/0/c /a", `{"d/e~":{"f":{}},"g":"\\","h":[]}`},
	} {
		var rules []*PointerRule
		for p := range strings.FieldsSeq(tt.pointers) {
			tokens, err := parsePointer(p)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, &PointerRule{Pointer: p, tokens: tokens})
		}
		got := cutPointers([]byte(doc), rules, func(*PointerRule, []byte) bool { return true })
		if string(got) != tt.want {
			t.Errorf("cut %s: %s, want %s", tt.pointers, got, tt.want)
		}
	}
	for _, bad := range []string{"", "a", "/~2", "/" + strings.Repeat("a/", 40)} {
		if _, err := parsePointer(bad); err == nil {
			t.Errorf("parsePointer(%.10q): no error", bad)
		}
	}
}

func TestUsersRules(t *testing.T) {
	user, err := UserRules([]Ignore{
		{Pointer: "/metadata", Host: "H"}, {Header: "X-Trace-*"}, {Pointer: "/run/id", Reason: "fresh"}, {Pointer: "/other", Host: "else"},
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := UserRules([]Ignore{
		{Pointer: "/other", Host: "else"},
		{Pointer: "/run/id", Reason: "fresh"},
		{Header: "x-trace-*"},
		{Pointer: "/metadata", Host: "h"},
		{Pointer: "/run/id", Reason: "once more"},
	})
	if err != nil || again.Digest != user.Digest {
		t.Errorf("the same rules in another order: %s, %s, %v", again.Bytes, user.Bytes, err)
	}
	rules := ProgramRules().With(user)
	header := [][2]string{{"x-trace-id", "7"}, {"a", "b"}}
	_, doc, used := ask(t, "http://h:8080/", header, `{"metadata":{"t":1},"run":{"id":7,"x":8},"model":"m","other":1}`, rules)
	if got := string(doc.Body); got != `{"model":"m","other":1,"run":{"x":8}}` {
		t.Errorf("body %s", got)
	}
	if strings.Contains(string(doc.Bytes), "x-trace-id") || strings.Join(used, ", ") != "user/1 /metadata, user/1 /run/id, user/1 header x-trace-id" {
		t.Errorf("document %s, used %v", doc.Bytes, used)
	}
	// What holds the heart of a request stays whole.
	_, doc, _ = ask(t, "http://h/", nil, `{"metadata":{"t":[{"model":"m"}]}}`, rules)
	if got := string(doc.Body); got != `{"metadata":{"t":[{"model":"m"}]}}` {
		t.Errorf("body %s", got)
	}
	for _, bad := range []string{
		"/model", "/messages", "/messages/0/id", "/system", "/systemInstruction", "/tools", "/stream", "/temperature", "/top_p",
		"/generationConfig/topK", "/x/Max_Tokens", "", "header:", "header:a b", "model", "/~x",
	} {
		if _, err := ParseIgnore(bad); err == nil {
			t.Errorf("ParseIgnore(%q): no error", bad)
		} else if strings.HasPrefix(bad, "/m") && !strings.Contains(err.Error(), "always counts") {
			t.Errorf("ParseIgnore(%q): %v", bad, err)
		}
	}
	if r, err := UserRules(nil); r != nil || err != nil {
		t.Errorf("no rules: %v, %v", r, err)
	}
}

// TestRequestsCanBeNormalisedAgain: the document under more rules follows from
// the one under fewer.
func TestRequestsCanBeNormalisedAgain(t *testing.T) {
	rules := func(pointers ...string) *Rules {
		var list []Ignore
		for _, p := range pointers {
			ig, err := ParseIgnore(p)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, ig)
		}
		user, err := UserRules(list)
		if err != nil {
			t.Fatal(err)
		}
		return ProgramRules().With(user)
	}
	header := [][2]string{{"x-run", "7"}, {"x-other", "8"}, {"authorization", "Bearer " + Placeholder("OPENAI_API_KEY")}}
	for _, body := range []string{
		"", `{"a":{"b":1,"c":{"d":[1,2]}},"e":"f","model":"m"}`, `{"a":{"b":{"model":1},"c":2}}`, `[1]`, "text",
	} {
		for _, tt := range []struct{ fewer, more []string }{
			{nil, []string{"/a/b", "header:x-run"}},
			{[]string{"/a/b"}, []string{"/a", "/a/b"}},
			{[]string{"header:x-run"}, []string{"header:x-run", "header:x-other", "/e", "/0"}},
			{nil, nil},
		} {
			_, before, _ := ask(t, "http://h/", header, body, rules(tt.fewer...))
			_, want, _ := ask(t, "http://h/", header, body, rules(tt.more...))
			got, err := rules(tt.more...).Again(before.Bytes, before.Body)
			if err != nil || got.Key != want.Key || string(got.Bytes) != string(want.Bytes) || string(got.Body) != string(want.Body) {
				t.Errorf("%s from %v to %v:\n got %s %s, %v\nwant %s %s", body, tt.fewer, tt.more, got.Bytes, got.Body, err, want.Bytes, want.Body)
			}
			if lacks := rules(tt.more...).Lacks(rules(tt.fewer...).User()); lacks != "" {
				t.Errorf("%v lacks %s of %v", tt.more, lacks, tt.fewer)
			}
		}
	}
	if got := rules("/a").Lacks(rules("/a", "/b").User()); got != "/b" {
		t.Errorf("Lacks = %q", got)
	}
	if got := rules().Lacks(rules("header:x").User()); got != "header:x" {
		t.Errorf("Lacks = %q", got)
	}
}

func TestUsersRulesForOneHost(t *testing.T) {
	user, err := UserRules([]Ignore{{Header: "x-a", Host: "one.test"}, {Header: "x-a", Host: "two.test:81"}})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{
		"http://one.test:8080/": false, "http://two.test:81/": false, "http://two.test/": true, "http://three.test/": true,
	} {
		_, doc, _ := ask(t, url, [][2]string{{"x-a", "v"}}, "", ProgramRules().With(user))
		if got := strings.Contains(string(doc.Bytes), "x-a"); got != want {
			t.Errorf("%s: the header counts: %v, want %v", url, got, want)
		}
	}
}

// TestPlaceholdersAndValuesMixed: many of both in one text, in linear time.
func TestPlaceholdersAndValuesMixed(t *testing.T) {
	values, err := NewSecrets(map[string]string{"OPENAI_API_KEY": programKey})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlaceholders([]string{"A_KEY", "OPENAI_API_KEY"}).WithValues(values)
	piece := Placeholder("A_KEY") + " " + programKey + Placeholder("OPENAI_API_KEY") + "x"
	want := "<secret A_KEY> <secret OPENAI_API_KEY><secret OPENAI_API_KEY>x"
	const n = 20000
	if got := p.Text([]byte(strings.Repeat(piece, n)), Raw).String(); got != strings.Repeat(want, n) {
		t.Errorf("Text = %.200q…", got)
	}
	if got := p.Text([]byte(strings.Repeat(Placeholder("A_KEY"), n)), Raw).String(); got != strings.Repeat("<secret A_KEY>", n) {
		t.Errorf("Text = %.200q…", got)
	}
	var none *Placeholders
	if got := none.Text([]byte("a"), Raw).String(); got != "a" {
		t.Errorf("none: %q", got)
	}
}
