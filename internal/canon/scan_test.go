package canon

import (
	"bytes"
	"testing"
)

// scanSample reads {"n":INT,"s":STRING}.
func scanSample(doc []byte) (int64, string, error) {
	s := NewScanner(doc)
	s.Lit(`{"n":`)
	n := s.Int()
	s.Lit(`,"s":`)
	text := s.String()
	s.Lit(`}`)
	return n, text, s.End()
}

func TestScanner(t *testing.T) {
	n, text, err := scanSample([]byte(`{"n":9007199254740991,"s":"a\"\\\b\f\n\r\t\u0001é/"}`))
	if err != nil || n != MaxInt || text != "a\"\\\b\f\n\r\t\x01é/" {
		t.Errorf("read %d, %q, %v", n, text, err)
	}
}

func TestScannerErrorIsTheFirst(t *testing.T) {
	_, _, err := scanSample([]byte(`{"n":1,"t":"x"}`))
	if want := `byte 6: ",\"s\":" is missing`; err == nil || err.Error() != want {
		t.Errorf("read %v, want %s", err, want)
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`{"n":0,"s":""}`, `{"n":9007199254740992,"s":""}`, `{"n":00,"s":""}`, `{"n":-1,"s":""}`, `{"n":1,"s":"\u000a"}`,
		`{"n":1,"s":"\u001F"}`, `{"n":1,"s":"\/"}`, "{\"n\":1,\"s\":\"\xff\"}", "{\"n\":1,\"s\":\"\\n\xff\"}", `{"n":1,"s":"\u0041"}`,
		`{"n":1,"s":"\`, `{"n":1,"s":"a`, `{"n":12,"s":"é\t"}x`, "{\"n\":1,\"s\":\"\x01\"}", `{"n":,"s":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		n, text, err := scanSample(doc)
		again, merr := Marshal(map[string]any{"n": n, "s": text})
		if same := merr == nil && bytes.Equal(again, doc); same != (err == nil) {
			t.Errorf("%q: %v, and Marshal makes %q of what was read", doc, err, again)
		}
	})
}
