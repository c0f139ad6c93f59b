package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

func noBlob(digest.Digest) ([]byte, error) { return nil, errors.New("no blob was expected") }

func blobOf(b []byte) func(digest.Digest) ([]byte, error) {
	return func(d digest.Digest) ([]byte, error) {
		if d != digest.Of(b) {
			return nil, errors.New("unknown digest")
		}
		return b, nil
	}
}

// The first, second and last are printed in records.md with these digests.
func TestAnswerDocuments(t *testing.T) {
	big := strings.Repeat("x", MaxInline+1)
	for _, c := range []struct {
		a    Answer
		want string
		key  string
	}{
		{
			Answer{Status: 429, Headers: [][2]string{{"retry-after", "1"}}},
			`{"error":null,"headers":[["retry-after","1"]],"size":0,"status":429,"text":"","trailers":[]}`,
			"cbec71113f81838a7d5044dbcc936b134ca6e7c0f39988cc50c92b6ba390aaaa",
		},
		{
			Answer{Status: 200, Headers: [][2]string{{"content-type", "text/event-stream"}}, Body: []byte("data: {}\n\ndata: [DONE]\n\n"), Lens: []int{10, 14}},
			`{"error":null,"headers":[["content-type","text/event-stream"]],"lens":[10,14],"size":24,"status":200,"text":"data: {}\n\ndata: [DONE]\n\n","trailers":[]}`,
			"7ebc3a25f8ec65d8e2220fb26afd6a660f9fc898882578b132346cdcb1f560ea",
		},
		{Answer{Error: "refused"}, `{"error":"refused"}`, "016f9261c46b943e3f4cec600e4292c18768eba6b674ef7aeeeb4715dbbae24c"},
		{
			Answer{Error: "cut", Status: 200, Body: []byte("\xff"), Trailers: [][2]string{{"a", ""}, {"a", "é"}}},
			`{"body":"` + digest.Of([]byte("\xff")).String() + `","error":"cut","headers":[],"size":1,"status":200,"trailers":[["a",""],["a","é"]]}`, "",
		},
		{Answer{Status: 200, Body: []byte(big)}, `{"body":"` + digest.Of([]byte(big)).String() + `","error":null,"headers":[],"size":16385,"status":200,"trailers":[]}`, ""},
		{Answer{Status: 200, Body: []byte(big[1:])}, `{"error":null,"headers":[],"size":16384,"status":200,"text":"` + big[1:] + `","trailers":[]}`, ""},
		{Answer{Status: 204, Lens: []int{}}, `{"error":null,"headers":[],"lens":[],"size":0,"status":204,"text":"","trailers":[]}`, ""},
	} {
		doc, body, err := c.a.Encode()
		if err != nil || string(doc) != c.want {
			t.Errorf("Encode = %.300s, %v\nwant %.300s", doc, err, c.want)
			continue
		}
		if c.key != "" && digest.Of(doc).String() != c.key {
			t.Errorf("digest of %s is %s, want %s", doc, digest.Of(doc), c.key)
		}
		if named := strings.HasPrefix(c.want, `{"body"`); named != (body != nil) {
			t.Errorf("%.80s: a body apart of %d bytes", doc, len(body))
		}
		checkDecode(t, doc, body, &c.a)
	}
}

func checkDecode(t *testing.T, doc, body []byte, want *Answer) {
	t.Helper()
	got, err := DecodeAnswer(doc, blobOf(body))
	if err != nil {
		t.Errorf("DecodeAnswer(%.80s): %v", doc, err)
		return
	}
	if got.Error != want.Error || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) || !reflect.DeepEqual(got.Lens, want.Lens) || len(got.Headers) != len(want.Headers) || len(got.Trailers) != len(want.Trailers) {
		t.Errorf("DecodeAnswer(%.80s) = %+v", doc, got)
	}
	named, err := BodyOf(doc)
	if err != nil || (named != nil) != (body != nil) || named != nil && *named != digest.Of(body) {
		t.Errorf("BodyOf(%.80s) = %v, %v", doc, named, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for what, a := range map[string]Answer{
		"nothing":                 {},
		"unknown failure":         {Error: "oops"},
		"failure with a body":     {Error: "refused", Body: []byte("x")},
		"failure with chunks":     {Error: "timeout", Lens: []int{}},
		"refused with a status":   {Error: "refused", Status: 200},
		"status 99":               {Status: 99},
		"status 1000":             {Status: 1000},
		"unsorted headers":        {Status: 200, Headers: [][2]string{{"b", ""}, {"a", ""}}},
		"upper-case header":       {Status: 200, Headers: [][2]string{{"A", ""}}},
		"header injection":        {Status: 200, Headers: [][2]string{{"a", "1\r\nb: 2"}}},
		"untrimmed header":        {Status: 200, Headers: [][2]string{{"a", " 1"}}},
		"header not UTF-8":        {Status: 200, Headers: [][2]string{{"a", "\xff"}}},
		"trailer not a token":     {Status: 200, Trailers: [][2]string{{"a b", ""}}},
		"chunks too short":        {Status: 200, Body: []byte("abc"), Lens: []int{1, 1}},
		"chunks too long":         {Status: 200, Body: []byte("abc"), Lens: []int{2, 2}},
		"an empty chunk":          {Status: 200, Body: []byte("abc"), Lens: []int{3, 0}},
		"a negative chunk":        {Status: 200, Body: []byte("abc"), Lens: []int{4, -1}},
		"chunks that wrap around": {Status: 200, Body: []byte("abc"), Lens: []int{1 << 62, 1 << 62, 1 << 62, 1 << 62, 3}},
		"a body over the limit":   {Status: 200, Body: make([]byte, MaxBody+1)},
	} {
		if doc, _, err := a.Encode(); err == nil {
			t.Errorf("%s: Encode = %.200s", what, doc)
		}
	}
}

func TestDecodeAnswerRefuses(t *testing.T) {
	const good = `{"error":null,"headers":[["a","1"],["b","2"]],"lens":[1,2],"size":3,"status":200,"text":"abc","trailers":[]}`
	if _, err := DecodeAnswer([]byte(good), noBlob); err != nil {
		t.Fatal(err)
	}
	d := digest.Of([]byte("abc")).String()
	for what, edit := range map[string][2]string{
		"white space":          {`,"size"`, `, "size"`},
		"wrong size":           {`"size":3`, `"size":4`},
		"wrong chunks":         {`[1,2]`, `[2,2]`},
		"zero chunk":           {`[1,2]`, `[0,3]`},
		"number spelling":      {`[1,2]`, `[01,2]`},
		"negative size":        {`"size":3`, `"size":-3`},
		"huge size":            {`"size":3`, `"size":99999999999999999999`},
		"changed text":         {`abc`, `abcd`},
		"text spelling":        {`abc`, `\u0061bc`},
		"text and body":        {`{"error"`, `{"body":"` + d + `","error"`},
		"no text":              {`,"text":"abc"`, ``},
		"unknown failure":      {`null`, `"oops"`},
		"empty failure":        {`null`, `""`},
		"failure before":       {`null`, `"refused"`},
		"header order":         {`["a"`, `["c"`},
		"status":               {`200`, `20`},
		"order of members":     {`"size":3,"status":200`, `"status":200,"size":3`},
		"repeated member":      {`"size":3`, `"size":3,"size":3`},
		"a member too many":    {`"trailers":[]`, `"trailers":[],"x":1`},
		"trailing bytes":       {`[]}`, `[]}{}`},
		"only an empty object": {good, `{}`},
		"no failure at all":    {good, `{"error":null}`},
		"failure and body":     {good, `{"body":"` + d + `","error":"cut"}`},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if a, err := DecodeAnswer([]byte(text), blobOf([]byte("abc"))); err == nil {
			t.Errorf("%s accepted: %s as %+v", what, text, a)
		}
	}
}

func TestDecodeAnswerChecksTheBlob(t *testing.T) {
	body := []byte("\xff binary")
	doc, _, err := (&Answer{Status: 200, Body: body}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	give := func(b []byte) func(digest.Digest) ([]byte, error) {
		return func(digest.Digest) ([]byte, error) { return b, nil }
	}
	if _, err := DecodeAnswer(doc, give([]byte("\xff Binary"))); err == nil {
		t.Error("another body was accepted")
	}
	if _, err := DecodeAnswer(doc, noBlob); err == nil || !strings.Contains(err.Error(), "no blob was expected") {
		t.Errorf("a missing blob: %v", err)
	}
	inline := []byte("text")
	doc = []byte(`{"body":"` + digest.Of(inline).String() + `","error":null,"headers":[],"size":4,"status":200,"trailers":[]}`)
	if _, err := DecodeAnswer(doc, give(inline)); err == nil {
		t.Error("a body that belongs inline was accepted as a blob")
	}
	doc = bytes.Replace(doc, []byte(`:4`), []byte(`:5`), 1)
	if _, err := DecodeAnswer(doc, give(inline)); err == nil {
		t.Error("a wrong size was accepted")
	}
}

func TestHeaderList(t *testing.T) {
	got := HeaderList(map[string][]string{
		"Set-Cookie": {"b=1", " a=2\t"}, "Date": {"now"}, "X-Latin": {"caf\xe9"}, "X-Bad": {"a\x00b"}, "bad name": {"x"}, "x-latin": {"second"},
	})
	want := [][2]string{{"date", "now"}, {"set-cookie", "b=1"}, {"set-cookie", "a=2"}, {"x-bad", "a\ufffdb"}, {"x-latin", "café"}, {"x-latin", "second"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("HeaderList = %q", got)
	}
	if _, _, err := (&Answer{Status: 200, Headers: got}).Encode(); err != nil {
		t.Errorf("Encode refuses it: %v", err)
	}
}

func FuzzHeaderList(f *testing.F) {
	f.Add("X-A", " caf\xe9\x00\r\n ")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, name, value string) {
		a := Answer{Status: 200, Headers: HeaderList(map[string][]string{name: {value, value}, "B": {value}})}
		if _, _, err := a.Encode(); err != nil {
			t.Errorf("Encode refuses %q: %v", a.Headers, err)
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	body := []byte("\xff")
	for _, s := range []string{
		`{"error":null,"headers":[["a","1"],["b","2"]],"lens":[1,2],"size":3,"status":200,"text":"abc","trailers":[]}`,
		`{"body":"` + digest.Of(body).String() + `","error":"cut","headers":[],"lens":[1],"size":1,"status":200,"trailers":[["x",""]]}`,
		`{"error":"refused"}`, `{"error":"timeout","headers":[],"size":0,"status":504,"text":"","trailers":[]}`, `{"error":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := DecodeAnswer(doc, blobOf(body))
		if err != nil {
			return
		}
		again, _, err := a.Encode()
		if err != nil || !bytes.Equal(again, doc) {
			t.Errorf("accepted %q, encodes as %q, %v", doc, again, err)
		}
	})
}

func BenchmarkDecodeAnswer(b *testing.B) {
	a := Answer{Status: 200, Headers: [][2]string{{"content-type", "application/json"}, {"x-request-id", "req_1"}}, Body: []byte(strings.Repeat(`{"a":"line\n"} `, 64))}
	doc, _, err := a.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeAnswer(doc, noBlob); err != nil {
			b.Fatal(err)
		}
	}
}
