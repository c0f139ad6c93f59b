package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/store"
)

// canaries returns the forms in which a value may not be on disk. They are
// made here by other means than in package wire, which would be blind to a
// form that it does not replace.
func canaries(value string) map[string]string {
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	var percent, escaped strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&percent, "%%%02X", c)
		fmt.Fprintf(&escaped, `\u%04x`, c)
	}
	forms := map[string]string{
		"raw":           value,
		"json":          string(quoted[1 : len(quoted)-1]),
		"json escapes":  escaped.String(),
		"percent":       percent.String(),
		"percent lower": strings.ToLower(percent.String()),
		"query":         url.QueryEscape(value),
		"hex":           hex.EncodeToString([]byte(value)),
		"hex upper":     strings.ToUpper(hex.EncodeToString([]byte(value))),
	}
	for _, enc := range []struct {
		name string
		*base64.Encoding
	}{{"base64", base64.StdEncoding}, {"base64url", base64.URLEncoding}} {
		for shift := range 3 {
			// What is the same whatever stands before and after the value.
			first := (shift*8 + 5) / 6
			whole := enc.EncodeToString(append(make([]byte, shift), value...))
			forms[fmt.Sprintf("%s at %d", enc.name, shift)] = whole[first : (shift+len(value))*8/6]
		}
	}
	return forms
}

// The search finds what it is for, wherever it stands.
func TestCanariesAreFound(t *testing.T) {
	const value = "canary/3fa+9c?\"é=0123456789"
	forms := canaries(value)
	for pad := range 3 {
		text := append(make([]byte, pad), value+"…"...)
		for name, coded := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString(text), "base64url": base64.URLEncoding.EncodeToString(text),
		} {
			if canary := forms[fmt.Sprintf("%s at %d", name, pad)]; len(canary) < len(value) || !strings.Contains(coded, canary) {
				t.Errorf("%s at %d: %q is not in %q", name, pad, canary, coded)
			}
		}
	}
}

// searchStore fails if a file of the store at dir, or the plain content of a
// blob of it, holds one of the values in any form.
func searchStore(t *testing.T, dir string, values []string) {
	t.Helper()
	look := func(where string, b []byte) {
		for _, v := range values {
			for form, canary := range canaries(v) {
				if strings.Contains(string(b), canary) {
					t.Errorf("%s holds the secret %s as %s", where, v, form)
				}
			}
		}
	}
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, blobs := 0, 0
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		look(name, b)
		if sum, err := digest.Parse(d.Name()); err == nil {
			plain, err := st.Get(sum)
			if err != nil {
				return err
			}
			blobs++
			look("the blob "+name, plain)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 || blobs < 5 {
		t.Fatalf("%s: searched only %d files, %d blobs", dir, files, blobs)
	}
}

// canaryMission sends a secret everywhere a secret may go, to a server that
// gives it back in every form.
const canaryMission = `
BASE = "http://model.coo.invalid"

def main(coo, chunks):
    key = coo.secret("CANARY_KEY")
    seen = []
    for form in ("json", "text", "sse", "hex", "base64", "base64url", "percent", "reply"):
        for pad in (0, 1, 2):
            a = coo.http("POST", BASE + "/v1/chat/completions?key=" + key, headers = {
                "authorization": "Bearer " + key,
                "x-sample": "echo; trailers; names; as=%s; pad=%d; chunks=%s" % (form, pad, chunks),
            }, json = {"model": "m", "messages": [{"role": "user", "content": "x"}], "key": key})
            seen.append(a.text)
            seen.append(str(a.headers))
    for _ in range(3):
        seen.append(coo.http("GET", BASE + "/split?key=" + key).text)
    moved = coo.http("GET", BASE + "/moved?key=" + key, headers = {"x-sample": "redirect, echo"})
    seen.append(moved.text)
    failed = coo.attempt(lambda: coo.fail("with " + str(key)))
    print(failed.error)
    for i in range(len(seen)):
        coo.write("seen/%d.txt" % i, seen[i])
    coo.log("\n".join(seen))
    return seen
`

// split echoes a query parameter byte by byte, slowly enough for each to be a
// chunk of its own.
func split(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("content-type", "text/event-stream")
	for _, c := range []byte("data: " + r.URL.Query().Get("key") + "\n\n") {
		w.Write([]byte{c})
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

// A secret that is echoed in every way is in no file afterwards: not in the
// store, not in what the mission wrote, not in what coo printed.
func TestCanary(t *testing.T) {
	const value = "canary/3fa+9c?\"é=0123456789"
	t.Setenv("CANARY_KEY", value)
	mux := http.NewServeMux()
	mux.Handle("/", modelserver.New(modelserver.Options{MinDelay: -1, MaxDelay: -1}))
	mux.HandleFunc("/split", split)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("canary.star", []byte(canaryMission), 0o644); err != nil {
		t.Fatal(err)
	}
	defer searchStore(t, filepath.Join(dir, store.Name), []string{value})
	for _, chunks := range []string{"3+1+8", "7+13"} {
		status, out, errs := coo("run", "canary.star", "--arg", "chunks="+chunks, "--calls=live",
			"--resolve", "model.coo.invalid:80:"+strings.TrimPrefix(srv.URL, "http://"))
		if status != exitOK || !strings.Contains(errs, "29 calls (29 sent, 0 frozen)") {
			t.Fatalf("coo run exits %d: %s", status, errs[max(0, len(errs)-300):])
		}
		for form, canary := range canaries(value) {
			if strings.Contains(out+errs, canary) {
				t.Errorf("what coo prints holds the secret as %s", form)
			}
		}
		if echoes := strings.Count(out, "<secret CANARY_KEY>"); echoes < 50 {
			t.Errorf("only %d echoes of the secret reached the mission", echoes)
		}
	}
	for name, content := range tree(t, filepath.Join(dir, "seen")) {
		for form, canary := range canaries(value) {
			if strings.Contains(content, canary) {
				t.Errorf("seen/%s holds the secret as %s", name, form)
			}
		}
	}
}

// Content that holds a known secret, and came in by another way, is refused
// before it is stored.
func TestCanaryRefused(t *testing.T) {
	const value = "canary-4b1d6f0123456789"
	for _, c := range []struct{ what, mission string }{
		{"a file", `coo.read("leak.txt")`},
		{"a variable", `coo.env("CANARY_PLACE")`},
		{"a line", `coo.log("canary-" + "4b1d6f0123456789")`},
		{"a written file", `coo.write("out.txt", "canary-" + "4b1d6f0123456789")`},
		{"a request", `coo.http("POST", "http://127.0.0.1:1/", body = "canary-" + "4b1d6f0123456789")`},
		{"the result", `return "canary-" + "4b1d6f0123456789"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Setenv("CANARY_KEY", value)
			t.Setenv("CANARY_PLACE", "at "+value)
			dir := t.TempDir()
			t.Chdir(dir)
			files := map[string]string{"leak.txt": "key: " + value + "\n", "m.star": "def main(coo):\n    " + c.mission + "\n"}
			for name, content := range files {
				if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			status, out, errs := coo("run", "m.star")
			if status != exitPolicy || strings.Contains(out+errs, value) {
				t.Errorf("exit %d, want %d: %s%s", status, exitPolicy, out, errs)
			}
			for name, content := range tree(t, filepath.Join(dir, store.Name)) {
				if strings.Contains(content, value) {
					t.Errorf("%s holds the secret", name)
				}
			}
			if _, err := os.Stat("out.txt"); err == nil {
				t.Error("the file was written")
			}
		})
	}
}
