// Sampleserver is a stand-in for a model server: it speaks the wire formats of
// OpenAI, Anthropic, Gemini, Ollama and Bedrock, answers at random, and misbehaves on request.
// What it serves is described in internal/modelserver and in the README beside
// this file.
//
//	sampleserver [-addr HOST:PORT] [-ready FILE] [-tls CERT,KEY] [-ca FILE] [-key KEY]
//	             [-delay MIN,MAX] [-stall DURATION] [-retry-after DURATION]
//
// It prints one line when it listens, and ends with status 0 at SIGINT or
// SIGTERM. Status 1 is a failure, 2 a wrong command line.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coo-runtime/coo/internal/modelserver"
)

// grace is how long answers on their way may take when the server ends.
const grace = 2 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// A config is what the command line says.
type config struct {
	addr, ready string
	cert, key   string // files; empty: no TLS of that kind
	ca          string // the file for the certificate of an authority; empty: none
	options     modelserver.Options
}

// run serves until ctx ends and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "sampleserver: %v\n", err)
		return 2
	}
	if err := serve(ctx, c, stdout); err != nil {
		fmt.Fprintf(stderr, "sampleserver: %v\n", err)
		return 1
	}
	return 0
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	f := flag.NewFlagSet("sampleserver", flag.ContinueOnError)
	f.SetOutput(io.Discard) // run reports errors
	f.StringVar(&c.addr, "addr", "127.0.0.1:0", "listen at `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&c.ready, "ready", "", "write the address to `FILE` when listening; removed at the end")
	f.StringVar(&c.options.Key, "key", "", "answer 401 to requests without this API `KEY`")
	f.StringVar(&c.ca, "ca", "", "serve https for any host name; write the certificate to trust to `FILE`")
	f.DurationVar(&c.options.RetryAfter, "retry-after", time.Second, "what clients are told to wait")
	f.DurationVar(&c.options.Stall, "stall", 5*time.Minute, "how long a stalled answer lasts")
	f.Func("tls", "serve https with the PEM files `CERT,KEY`", func(text string) error {
		var ok bool
		if c.cert, c.key, ok = strings.Cut(text, ","); !ok || c.cert == "" || c.key == "" {
			return errors.New("not CERT,KEY")
		}
		return nil
	})
	f.Func("delay", "random delays between `MIN,MAX`, such as 1ms,8ms; 0s,0s for none", func(text string) error {
		return parseDelay(text, &c.options)
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(stderr)
			f.Usage()
		}
		return nil, err
	}
	if c.ca != "" && c.cert != "" {
		return nil, errors.New("-ca and -tls: one of them")
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument: %q", f.Arg(0))
	}
	return c, nil
}

// parseDelay reads MIN,MAX.
func parseDelay(text string, o *modelserver.Options) error {
	lo, hi, _ := strings.Cut(text, ",")
	from, err1 := time.ParseDuration(lo)
	to, err2 := time.ParseDuration(hi)
	if err1 != nil || err2 != nil || from < 0 || to < from {
		return errors.New("not MIN,MAX")
	}
	if to == 0 {
		to = -1 // zero would mean the usual delays
	}
	o.MinDelay, o.MaxDelay = from, to
	return nil
}

// serve listens and answers until ctx ends.
func serve(ctx context.Context, c *config, stdout io.Writer) error {
	server := &http.Server{
		Handler:           modelserver.New(c.options),
		ReadHeaderTimeout: 10 * time.Second,
	}
	var err error
	if server.TLSConfig, err = c.tls(); err != nil {
		return err
	}
	scheme, start := "http", server.Serve
	if server.TLSConfig != nil {
		scheme, start = "https", func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if c.ready != "" {
		os.Remove(c.ready) // one left by a server that was killed would mislead
		defer os.Remove(c.ready)
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- start(listener) }()
	defer server.Close()
	if c.ready != "" {
		if err := writeReady(c.ready, listener.Addr().String()); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "listening on %s://%s\n", scheme, listener.Addr())
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		server.Shutdown(end) // what takes longer, a stalled answer, is closed
		return nil
	}
}

// tls is how https is served; nil: it is not.
func (c *config) tls() (*tls.Config, error) {
	switch {
	case c.ca != "":
		authority, err := modelserver.NewAuthority()
		if err != nil {
			return nil, err
		}
		return authority.TLS(), os.WriteFile(c.ca, authority.PEM(), 0o644)
	case c.cert != "":
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		return &tls.Config{Certificates: []tls.Certificate{pair}}, err
	}
	return nil, nil
}

// writeReady writes the address and a newline to a file, which is there with
// all of its content or not at all.
func writeReady(file, addr string) error {
	t, err := os.CreateTemp(filepath.Dir(file), ".ready-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // fails, harmlessly, once the file is renamed
	_, werr := t.WriteString(addr + "\n")
	if err := errors.Join(werr, t.Close()); err != nil {
		return err
	}
	return os.Rename(t.Name(), file)
}
