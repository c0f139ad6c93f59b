package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	Init()
	if level := os.Getenv(holdVariable); level != "" {
		hold(Level(level), os.Args[1:])
	}
	os.Exit(m.Run())
}

// holdVariable marks a process that does what coo does around a program: it
// gives it its own stdin and output, and ends as the program ends.
const holdVariable = "COO_TEST_HOLD"

func hold(level Level, argv []string) {
	os.Unsetenv(holdVariable)
	ca, _ := os.ReadFile(os.Getenv("COO_TEST_CA"))
	p, err := Start(context.Background(), Command{
		CA: ca, Level: level, Argv: argv, Dir: "/", Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err == nil {
		err = p.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	exit, err := p.Wait()
	fmt.Fprintln(os.Stderr, "ended", exit, err)
	os.Exit(exit.Status)
}

// A result is what a program did.
type result struct {
	exit           Exit
	stdout, stderr string
	targets        []string // what it connected to, in order
}

// perform runs a program; its connections are answered by a small server
// that speaks HTTP and says what was asked for.
func perform(t *testing.T, c Command) result {
	t.Helper()
	return performWith(t, c, answerHTTP)
}

func performWith(t *testing.T, c Command, serve func(net.Conn, string)) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	p, targets := start(t, c, serve)
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil {
		t.Fatalf("%q: %v; stderr %q", c.Argv, err, stderr.String())
	}
	return result{exit: exit, stdout: stdout.String(), stderr: stderr.String(), targets: targets()}
}

// start starts a program whose connections are given to serve, with what
// each was meant for.
func start(t *testing.T, c Command, serve func(net.Conn, string)) (*Process, func() []string) {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Env == nil {
		c.Env = environment(t)
	}
	p, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	accept := func(l net.Listener, target func(net.Conn) string) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				meant := target(c)
				mu.Lock()
				seen = append(seen, meant)
				mu.Unlock()
				serve(c, meant)
			}()
		}
	}
	if l := p.Transparent(); l != nil {
		go accept(l, func(c net.Conn) string { return describe(p.Target(c)) })
	}
	if l := p.Proxy(); l != nil {
		go accept(l, func(net.Conn) string { return "proxy" })
	}
	return p, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func environment(t *testing.T) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}
}

func describe(target Target, err error) string {
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%s|%s|%d", target.Host, target.Addr, target.Port)
	if target.Allowed {
		s += "|allowed"
	}
	return s
}

// answerHTTP answers one request with what its connection was meant for.
func answerHTTP(c net.Conn, target string) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	body := target + " " + r.Host + "\n"
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}

func sh(script string) Command {
	return Command{Level: Frozen, Argv: []string{"sh", "-c", script}}
}

func python(script string) Command {
	return Command{Level: Frozen, Argv: []string{"/usr/bin/python3", "-c", script}}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func contains(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s = %q, want %q in it", what, got, p)
		}
	}
}
