package report

import (
	"fmt"
	"strings"
	"testing"
)

// A side of a table of calls: what newTape.request takes.
type asked struct {
	method, url, body string
	headers           []string
}

func (a asked) request(t *testing.T) *Request {
	t.Helper()
	p := newTape(t)
	r, err := p.docs().Request(p.request(a.method, a.url, a.body, a.headers...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func chatCall(model, content string) asked {
	return asked{"POST", chatURL, chatBody(model, content), nil}
}

func TestCallDiff(t *testing.T) {
	tests := []struct {
		name     string
		old, new asked
		class    string
		want     string
	}{
		{"the same", chatCall("sample", "a"), chatCall("sample", "a"), SameCall, ""},
		{
			"prompt", chatCall("sample", "Summarise the tides"), chatCall("sample", "Summarise the moons"), ChangedPrompt,
			`/messages/1/content: "Summarise the tides" → "Summarise the moons"
--- recorded
+++ replayed
@@ -2,4 +2,4 @@
 Be brief.
 
 [user]
-Summarise the tides
+Summarise the moons
`,
		},
		{"model", chatCall("sample", "a"), chatCall("large", "a"), ChangedParameter, "/model: \"sample\" → \"large\"\n"},
		{
			"a parameter more",
			asked{"POST", chatURL, `{"model":"m","messages":[]}`, nil},
			asked{"POST", chatURL, `{"model":"m","messages":[],"temperature":0.5,"stream":true}`, nil},
			ChangedParameter, "/stream: added true\n/temperature: added 0.5\n",
		},
		{
			"prompt before parameter", chatCall("sample", "a"), chatCall("large", "b"), ChangedPrompt,
			"/messages/1/content: \"a\" → \"b\"\n/model: \"sample\" → \"large\"\n--- recorded\n+++ replayed\n@@ -2,4 +2,4 @@\n Be brief.\n \n [user]\n-a\n+b\n",
		},
		{
			"tools are a parameter, not the prompt",
			asked{"POST", chatURL, `{"model":"m","messages":[],"tools":[]}`, nil},
			asked{"POST", chatURL, `{"model":"m","messages":[],"tools":[1]}`, nil},
			ChangedParameter, "/tools/0: added 1\n",
		},
		{
			"Gemini's model stands in the URL",
			asked{"POST", "http://g.invalid/v1beta/models/flash:generateContent", `{"contents":[]}`, nil},
			asked{"POST", "http://g.invalid/v1beta/models/pro:generateContent", `{"contents":[]}`, nil},
			ChangedParameter,
			"url: \"http://g.invalid/v1beta/models/flash:generateContent\" → \"http://g.invalid/v1beta/models/pro:generateContent\"\n",
		},
		{
			"method and URL",
			asked{"GET", "http://a.invalid/x", "", nil},
			asked{"PUT", "http://b.invalid/x", "", nil},
			ChangedAddress,
			"method: GET → PUT\nurl: \"http://a.invalid/x\" → \"http://b.invalid/x\"\n",
		},
		{
			"headers",
			asked{"GET", "http://a.invalid/x", "", []string{"accept", "text/plain", "x-a", "1", "x-same", "s"}},
			asked{"GET", "http://a.invalid/x", "", []string{"accept", "text/html", "x-b", "1", "x-b", "2", "x-same", "s"}},
			ChangedHeader,
			"header accept: \"text/plain\" → \"text/html\"\nheader x-a: only recorded: \"1\"\nheader x-b: only replayed: \"1, 2\"\n",
		},
		{
			"other JSON",
			asked{"POST", "http://a.invalid/x", `{"q":1}`, nil},
			asked{"POST", "http://a.invalid/x", `{"q":2}`, nil},
			ChangedBody, "/q: 1 → 2\n",
		},
		{
			"text body",
			asked{"POST", "http://a.invalid/x", "a=1", nil},
			asked{"POST", "http://a.invalid/x", "a=2", nil},
			ChangedBody, "--- recorded\n+++ replayed\n@@ -1,1 +1,1 @@\n-a=1\n+a=2\n",
		},
		{
			"JSON to none",
			asked{"POST", "http://a.invalid/x", `{"q":1}`, nil},
			asked{"POST", "http://a.invalid/x", "", nil},
			ChangedBody, "body: JSON → none\n--- recorded\n+++ replayed\n@@ -1,3 +0,0 @@\n-{\n-  \"q\": 1\n-}\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old, new := tt.old.request(t), tt.new.request(t)
			if got := CallClass(old, new); got != tt.class {
				t.Errorf("CallClass = %q, want %q", got, tt.class)
			}
			var b strings.Builder
			CallDiff(&b, "recorded", old, "replayed", new)
			if b.String() != tt.want {
				t.Errorf("CallDiff = %q\nwant %q", b.String(), tt.want)
			}
		})
	}
}

func TestCallDiffIsBounded(t *testing.T) {
	body := func(v int) string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `,"k%03d":%d`, i, v)
		}
		return "{" + b.String()[1:] + "}"
	}
	old := asked{"POST", "http://a.invalid/x", body(1), nil}.request(t)
	new := asked{"POST", "http://a.invalid/x", body(2), nil}.request(t)
	var b strings.Builder
	CallDiff(&b, "a", old, "b", new)
	if !strings.HasSuffix(b.String(), "/k039: 1 → 2\n… 60 more changes\n") {
		t.Errorf("CallDiff = %q", b.String())
	}
}
