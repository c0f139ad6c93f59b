package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

func TestExecDoc(t *testing.T) {
	stdin := digest.Of([]byte("tides"))
	e := &Exec{
		Argv:  []string{"python3", "", "a \"b\"\n"},
		Env:   [][2]string{{"HOME", "/root"}, {"OPENAI_API_KEY", "<secret OPENAI_API_KEY>"}},
		Stdin: &stdin,
		Tree:  digest.Of([]byte("[]")),
	}
	doc, err := e.Doc()
	want := `{"argv":["python3","","a \"b\"\n"],"env":[["HOME","/root"],["OPENAI_API_KEY","<secret OPENAI_API_KEY>"]],"kind":"exec","stdin":"` +
		stdin.String() + `","tree":"` + e.Tree.String() + `"}`
	if err != nil || string(doc.Bytes) != want || digest.Digest(doc.Key) != digest.Of([]byte(want)) || doc.Body != nil {
		t.Errorf("Doc() = %s, %v, want %s", doc.Bytes, err, want)
	}
	if got, err := ParseExec(doc.Bytes); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("ParseExec = %+v, %v, want %+v", got, err, e)
	}
}

func TestExecDocRefuses(t *testing.T) {
	for what, e := range map[string]Exec{
		"no program":               {},
		"an empty name":            {Argv: []string{"", "x"}},
		"a NUL in an argument":     {Argv: []string{"x", "a\x00"}},
		"an argument not UTF-8":    {Argv: []string{"x", "\xff"}},
		"variables out of order":   {Argv: []string{"x"}, Env: [][2]string{{"B", ""}, {"A", ""}}},
		"a variable twice":         {Argv: []string{"x"}, Env: [][2]string{{"A", "1"}, {"A", "2"}}},
		"a variable without name":  {Argv: []string{"x"}, Env: [][2]string{{"", "1"}}},
		"an = in a variable":       {Argv: []string{"x"}, Env: [][2]string{{"A=", "1"}}},
		"a NUL in a value":         {Argv: []string{"x"}, Env: [][2]string{{"A", "\x00"}}},
		"a value that is no UTF-8": {Argv: []string{"x"}, Env: [][2]string{{"A", "\xc3"}}},
		".env elsewhere":           {Argv: []string{"x"}, DotEnv: []NamedBlob{{Path: "../.env"}}},
		".env files out of order":  {Argv: []string{"x"}, DotEnv: []NamedBlob{{Path: "a/.env"}, {Path: ".env"}}},
		"a backslash in a .env":    {Argv: []string{"x"}, DotEnv: []NamedBlob{{Path: `a\.env.b`}}},
	} {
		if doc, err := e.Doc(); err == nil {
			t.Errorf("%s: Doc() = %s, want an error", what, doc.Bytes)
		}
	}
}

func TestHeadDoc(t *testing.T) {
	headers := [][2]string{{"content-type", "text/event-stream"}, {"set-cookie", "b"}, {"set-cookie", "a"}}
	const want = `{"headers":[["content-type","text/event-stream"],["set-cookie","b"],["set-cookie","a"]],"status":200}`
	doc, err := EncodeHead(200, headers)
	if err != nil || string(doc) != want {
		t.Errorf("EncodeHead = %s, %v, want %s", doc, err, want)
	}
	if status, got, err := ParseHead(doc); err != nil || status != 200 || !reflect.DeepEqual(got, headers) {
		t.Errorf("ParseHead = %d, %q, %v", status, got, err)
	}
	if doc, err := EncodeHead(0, nil); err == nil {
		t.Errorf("EncodeHead of no status = %s, want an error", doc)
	}
	if doc, err := EncodeHead(200, [][2]string{{"b", ""}, {"a", ""}}); err == nil {
		t.Errorf("EncodeHead of unsorted headers = %s, want an error", doc)
	}
}

// An answer to a program may be longer than what is held whole, and is taken
// apart without its body.
func TestParseAnswerOfAStream(t *testing.T) {
	body := digest.Of([]byte("never read"))
	i := &AnswerInfo{
		Answer: Answer{Error: "client", Status: 200, Headers: [][2]string{}, Trailers: [][2]string{}, Lens: []int{MaxBody, 1}},
		Size:   MaxBody + 1, Body: &body,
	}
	doc, err := i.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseAnswer(doc)
	if err != nil || !reflect.DeepEqual(got, i) {
		t.Errorf("ParseAnswer(%s) = %+v, %v", doc, got, err)
	}
	if err := got.CheckBody(MaxBody+1, nil); err != nil {
		t.Errorf("CheckBody = %v", err)
	}
	if err := got.CheckBody(MaxBody, nil); err == nil || !strings.Contains(err.Error(), "size is") {
		t.Errorf("CheckBody of another size = %v", err)
	}
	if _, err := DecodeAnswer(doc, noBlob); err == nil {
		t.Error("DecodeAnswer = nil, want it refused: it is too long to be held")
	}
	i.Size, i.Lens = MaxStream+1, nil
	if _, err := i.Encode(); err == nil {
		t.Error("Encode above MaxStream = nil, want an error")
	}
}

func FuzzParseExec(f *testing.F) {
	tree := digest.Of([]byte("[]")).String()
	f.Add([]byte(`{"argv":["a","b"],"env":[["A","1"],["B",""]],"kind":"exec","stdin":null,"tree":"` + tree + `"}`))
	f.Add([]byte(`{"argv":["a"],"env":[],"kind":"exec","stdin":"` + tree + `","tree":"` + tree + `"}`))
	f.Add([]byte(`{"argv":["a"],"dotenv":[[".env","` + tree + `"]],"env":[],"kind":"exec","stdin":null,"tree":"` + tree + `"}`))
	f.Add([]byte(`{"argv":["a"],"dotenv":[],"env":[],"kind":"exec","stdin":null,"tree":"` + tree + `"}`))
	f.Add([]byte(`{"argv":[],"env":[],"kind":"exec","stdin":null,"tree":"` + tree + `"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := ParseExec(doc)
		if err != nil {
			return
		}
		if again, err := e.Doc(); err != nil || !bytes.Equal(again.Bytes, doc) {
			t.Errorf("accepted %q, encodes as %v, %v", doc, again, err)
		}
	})
}

func FuzzParseHead(f *testing.F) {
	f.Add([]byte(`{"headers":[["a","1"],["a","0"],["b",""]],"status":200}`))
	f.Add([]byte(`{"headers":[],"status":99}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		status, headers, err := ParseHead(doc)
		if err != nil {
			return
		}
		if again, err := EncodeHead(status, headers); err != nil || !bytes.Equal(again, doc) {
			t.Errorf("accepted %q, encodes as %q, %v", doc, again, err)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	body := digest.Of([]byte("x")).String()
	for _, s := range []string{
		`{"error":null,"headers":[["a","1"]],"lens":[1,2],"size":3,"status":200,"text":"abc","trailers":[]}`,
		`{"body":"` + body + `","error":"client","headers":[],"lens":[70000000],"size":70000000,"status":200,"trailers":[["x",""]]}`,
		`{"error":"client"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		i, err := ParseAnswer(doc)
		if err != nil {
			return
		}
		if again, err := i.Encode(); err != nil || !bytes.Equal(again, doc) {
			t.Errorf("accepted %q, encodes as %q, %v", doc, again, err)
		}
	})
}
