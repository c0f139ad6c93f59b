package wire

import (
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

func TestBuiltinRules(t *testing.T) {
	r := Builtin()
	if r.ID != "http/1" || r.Digest != digest.Of(r.Bytes) {
		t.Errorf("rules %s, digest %s", r.ID, r.Digest)
	}
	for name, class := range map[string]string{
		"connection": "transport", "content-length": "transport", "accept-encoding": "transport", "user-agent": "client",
		"x-stainless-retry-count": "client", "idempotency-key": "attempt", "amz-sdk-invocation-id": "attempt", "traceparent": "attempt", "date": "attempt",
	} {
		if om := r.Omits(name); om == nil || om.Class != class || om.Reason == "" {
			t.Errorf("Omits(%q) = %+v, want class %s", name, om, class)
		}
	}
	for _, name := range []string{
		"authorization", "x-api-key", "content-type", "accept", "accept-language", "anthropic-version", "anthropic-beta",
		"openai-organization", "openai-beta", "x-stainless", "range", "if-none-match", "content-encoding",
	} {
		if om := r.Omits(name); om != nil {
			t.Errorf("%s is left out as %s: %s", name, om.Class, om.Reason)
		}
	}
	if !r.Credential("authorization") || !r.Credential("x-goog-api-key") || r.Credential("accept") {
		t.Error("credentials are confused")
	}
}

func TestParseRulesRefuses(t *testing.T) {
	const good = `{"id":"t/1","omit":[{"class":"c","reason":"r","names":["a","b-*"]}],"credentials":["k"]}`
	if _, err := ParseRules([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string][2]string{
		"no id":              {`t/1`, ``},
		"unknown member":     {`"id"`, `"x":1,"id"`},
		"repeated member":    {`"id":"t/1"`, `"id":"t/1","id":"t/1"`},
		"upper case":         {`"a"`, `"A"`},
		"repeated name":      {`"a"`, `"a","a"`},
		"covered name":       {`"b-*"`, `"b-*","b-c"`},
		"everything":         {`"a"`, `"*"`},
		"star inside":        {`"a"`, `"a*b*"`},
		"no class":           {`"c"`, `""`},
		"no reason":          {`"r"`, `""`},
		"left-out secret":    {`"k"`, `"a"`},
		"trailing":           {`["k"]}`, `["k"]} {}`},
		"wrong kind":         {`["k"]`, `"k"`},
		"malformed credname": {`"k"`, `"k k"`},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if _, err := ParseRules([]byte(text)); err == nil {
			t.Errorf("%s accepted: %s", what, text)
		}
	}
}
