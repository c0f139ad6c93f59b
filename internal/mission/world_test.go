package mission

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/wire"
)

// A fake is a World in memory. It notes every call of its methods in trace,
// which is what the tests compare.
type fake struct {
	files  map[string]string
	env    map[string]string
	answer func(req *wire.Request) *wire.Answer
	pick   func(waiting []int64) int // index of the call delivered next
	refuse map[string]error          // by "method argument"

	trace   []string
	order   []int64 // of deliveries
	waiting []int64
	answers map[int64]*wire.Answer
	now     int64
	n       int64
	inside  bool // to catch concurrent use
}

func newFake() *fake {
	return &fake{
		files: map[string]string{}, env: map[string]string{},
		refuse: map[string]error{}, answers: map[int64]*wire.Answer{},
		answer: func(*wire.Request) *wire.Answer { return reply(200, "ok") },
		pick:   func([]int64) int { return 0 },
		now:    1_795_424_400_000, // 2026-11-23T09:00:00Z
	}
}

func reply(status int, body string, headers ...string) *wire.Answer {
	a := &wire.Answer{Status: status, Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		a.Headers = append(a.Headers, [2]string{headers[i], headers[i+1]})
	}
	return a
}

// note records a call and returns its number, and the error it is to fail with.
func (f *fake) note(method, b string, args ...any) (int64, error) {
	if f.inside {
		panic("two branches in the World at once")
	}
	f.inside = true
	defer func() { f.inside = false }()
	n := f.n
	f.n++
	line := fmt.Sprint(args...)
	f.trace = append(f.trace, fmt.Sprintf("%d %s [%s] %s", n, method, b, line))
	return n, f.refuse[method+" "+line]
}

func (f *fake) Issue(b string, req *wire.Request) (int64, error) {
	var headers []string
	for _, h := range req.Headers {
		headers = append(headers, h.Name+"="+h.Value.String())
	}
	n, err := f.note("issue", b, req.Method, " ", req.URL, " ", headers, " ", req.Body)
	if err != nil {
		return 0, err
	}
	f.answers[n] = f.answer(req)
	f.waiting = append(f.waiting, n)
	return n, nil
}

func (f *fake) Deliver() (int64, *wire.Answer, error) {
	if len(f.waiting) == 0 {
		return 0, nil, errors.New("nothing was issued")
	}
	i := f.pick(f.waiting)
	if i < 0 {
		return 0, nil, Fatal(errors.New("no frozen answer"))
	}
	call := f.waiting[i]
	f.waiting = slices.Delete(f.waiting, i, i+1)
	f.order = append(f.order, call)
	_, err := f.note("deliver", "", call, " ", f.answers[call].Status)
	return call, f.answers[call], err
}

func (f *fake) Now(b string) (int64, error) {
	_, err := f.note("now", b)
	return f.now, err
}

func (f *fake) Sleep(b string, ms int64) error {
	_, err := f.note("sleep", b, ms)
	f.now += ms
	return err
}

func (f *fake) Read(b, p string) ([]byte, error) {
	if _, err := f.note("read", b, p); err != nil {
		return nil, err
	}
	data, ok := f.files[p]
	if !ok {
		return nil, fmt.Errorf("%q: no such file", p)
	}
	return []byte(data), nil
}

func (f *fake) List(b, glob string) ([]string, error) {
	_, err := f.note("list", b, glob)
	var out []string
	for _, p := range sortedKeys(f.files) {
		if ok, _ := path.Match(glob, p); ok {
			out = append(out, p)
		}
	}
	return out, err
}

func (f *fake) Write(b, p string, data []byte) error {
	_, err := f.note("write", b, p, " ", string(data))
	if err == nil {
		f.files[p] = string(data)
	}
	return err
}

func (f *fake) Remove(b, p string) error {
	_, err := f.note("remove", b, p)
	delete(f.files, p)
	return err
}

// Exec is a program that prints its arguments and variables, exits with the
// status that the argument after "exit" names, and is ended by a signal or by
// the clock when that is asked for.
func (f *fake) Exec(b string, e *Exec) (*Exited, error) {
	var env []string
	for _, v := range e.Env {
		env = append(env, v.Name+"="+v.Value.String())
	}
	if _, err := f.note("exec", b, e.Argv, " ", env, " ", string(e.Stdin), " ", e.Timeout); err != nil {
		return nil, err
	}
	x := &Exited{Stdout: []byte(strings.Join(append(e.Argv[1:], env...), " ")), Stderr: e.Stdin}
	switch e.Argv[0] {
	case "exit":
		x.Status = int64(len(e.Argv))
	case "die":
		x.Status, x.Signal = 0, "SIGKILL"
	case "sleep":
		x.Signal, x.TimedOut = "SIGKILL", true
	}
	return x, nil
}

func (f *fake) Env(b, name string) (string, bool, error) {
	_, err := f.note("env", b, name)
	v, ok := f.env[name]
	return v, ok, err
}

func (f *fake) Secret(name string) error {
	_, err := f.note("secret", "", name)
	return err
}

func (f *fake) Begin(b, name, kind string) (int64, error) { return f.note("begin", b, kind, " ", name) }

func (f *fake) End(b string, step int64, failure error) error {
	_, err := f.note("end", b, step, " ", failure)
	return err
}

func (f *fake) Fork(b string, width int) (int64, error) { return f.note("fork", b, width) }

func (f *fake) BranchEnd(b string, failure error) error {
	_, err := f.note("branch-end", b, failure)
	return err
}

func (f *fake) Join(b string, fork int64) error {
	_, err := f.note("join", b, fork)
	return err
}

func (f *fake) Log(b, kind, text string) error {
	_, err := f.note("log", b, kind, " ", text)
	return err
}

// inOrder delivers answers in the order given.
func inOrder(order []int64) func([]int64) int {
	return func(waiting []int64) int {
		if len(order) == 0 {
			return -1
		}
		next := order[0]
		order = order[1:]
		return slices.Index(waiting, next)
	}
}

func shuffled(r *rand.Rand) func([]int64) int {
	return func(waiting []int64) int { return r.IntN(len(waiting)) }
}

// mission compiles the body of a file m.star.
func mission(t testing.TB, src string) *Program {
	t.Helper()
	return missionFiles(t, map[string]string{"m.star": src})
}

func missionFiles(t testing.TB, files map[string]string) *Program {
	t.Helper()
	p, err := Load("m.star", func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, errors.New("no such file")
		}
		return []byte(text), nil
	})
	if err != nil {
		t.Fatalf("Load: %v\n%s", err, files["m.star"])
	}
	return p
}

// runBody runs statements as the body of main.
func runBody(t testing.TB, w World, body string, o Options) *Result {
	t.Helper()
	src := "def main(coo):\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
	return mission(t, src).Run(w, o)
}

// value runs a body that must end well and returns its JSON.
func value(t testing.TB, w World, body string) string {
	t.Helper()
	r := runBody(t, w, body, Options{})
	if r.Fatal != nil || r.Err != nil {
		t.Errorf("%s\nfailed: %v %v", body, r.Err, r.Fatal)
		return ""
	}
	return string(r.JSON)
}

// failure runs a body that must fail and returns the message.
func failure(t testing.TB, w World, body string) string {
	t.Helper()
	r := runBody(t, w, body, Options{})
	if r.Fatal != nil || r.Err == nil {
		t.Errorf("%s\ngave %s and fatal error %v, want a failure", body, r.JSON, r.Fatal)
		return ""
	}
	return r.Err.Msg
}

// chatAnswer answers as an OpenAI server does.
func chatAnswer(text string) func(*wire.Request) *wire.Answer {
	return func(*wire.Request) *wire.Answer {
		return reply(200, fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}],`+
			`"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`, text), "content-type", "application/json")
	}
}
