package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the scripts")

func TestMain(m *testing.M) {
	sandbox.Init()
	commands := map[string]func(){"coo": func() { os.Exit(Main()) }}
	maps.Copy(commands, confined)
	testscript.Main(tidy{m}, commands)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, params("testdata/script"))
}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Values["server"] = &holder{}
			e.Values["store"] = &holder{}
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o777)
		},
		Condition: func(name string) (bool, error) {
			if name != "caseless" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return workspace.SameName(os.TempDir(), "Read.me", "read.me")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":         exits,
			"server":        serverCmd,
			"stop-server":   stopCmd,
			"flip":          flip,
			"no-secret":     noSecret,
			"run-id":        runID,
			"same-lines":    sameLines,
			"orphan":        orphan,
			"damage-blob":   damageBlob,
			"hold-store":    holdStore,
			"release-store": releaseStore,
		},
	}
}

// exits STATUS CMD… runs a command that must exit with just that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS CMD ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// A holder keeps how to stop the server of one script.
type holder struct{ stop func() }

// server [tls [KEY]] starts a sample model server and sets ADDR; with tls, for the
// host name model.example.test, it also writes its certificate to ca.pem. It
// answers those who send KEY.
func serverCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! server")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	var o modelserver.Options
	if len(args) == 2 {
		o.Key = args[1]
	}
	s := &http.Server{Handler: modelserver.New(o), ErrorLog: log.New(noLog{}, "", 0)}
	serve := func() { s.Serve(ln) }
	if len(args) > 0 && args[0] == "tls" {
		cert, ca := certificate(ts, "model.example.test")
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o644))
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		serve = func() { s.ServeTLS(ln, "", "") }
	}
	go serve()
	stop := func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		s.Close()
	}
	ts.Defer(stop)
	ts.Value("server").(*holder).stop = stop
	ts.Setenv("ADDR", ln.Addr().String())
}

// stop-server kills the script's server.
func stopCmd(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value("server").(*holder).stop()
}

type noLog struct{}

func (noLog) Write(b []byte) (int, error) { return len(b), nil }

func certificate(ts *testscript.TestScript, host string) (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// flip FILE OFFSET changes one bit of a file; a negative offset counts from
// the end.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("flip: no file %s", args[0])
	}
	b, err := os.ReadFile(names[0])
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	b[n] ^= 1
	ts.Check(os.Chmod(names[0], 0o644))
	ts.Check(os.WriteFile(names[0], b, 0o644))
}

// no-secret VALUE… fails if a file below the script's directory holds one of
// the values in any form in which a secret is searched for, or if a blob of
// a store below it does, decompressed. Files named *.txt are the script's own.
func noSecret(ts *testscript.TestScript, neg bool, values []string) {
	named := map[string]string{}
	for i, v := range values {
		named["SECRET_"+strconv.Itoa(i)] = v
	}
	secrets, err := wire.NewSecrets(named)
	ts.Check(err)
	found := ""
	look := func(where string, b []byte) {
		if hit, ok := secrets.Find(b); ok && found == "" {
			found = where + " holds " + hit.Name + " as " + hit.Form
		}
	}
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == store.Name {
			ts.Check(lookInStore(path, look))
		}
		if !d.Type().IsRegular() || strings.HasSuffix(path, ".txt") {
			return nil
		}
		b, err := os.ReadFile(path)
		look(path, b)
		return err
	}))
	if neg && found == "" {
		ts.Fatalf("no file holds a secret")
	}
	if !neg && found != "" {
		ts.Fatalf("%s", found)
	}
}

func lookInStore(dir string, look func(string, []byte)) error {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		d, err := digest.Parse(filepath.Base(name))
		if err != nil {
			return err
		}
		b, err := st.Get(d)
		if err != nil {
			return err
		}
		look(name, b)
	}
	return nil
}

// run-id VAR sets a variable to the ID of the newest run.
func runID(ts *testscript.TestScript, _ bool, args []string) {
	st, err := store.Open(ts.MkAbs("."))
	ts.Check(err)
	executions, err := st.Executions()
	ts.Check(err)
	ts.Setenv(args[0], executions[len(executions)-1].Run.String())
}

// same-lines A B PREFIX fails unless the lines of the two files that begin
// with the prefix are the same.
func sameLines(ts *testscript.TestScript, neg bool, args []string) {
	pick := func(name string) string {
		var b strings.Builder
		for line := range strings.Lines(ts.ReadFile(name)) {
			if strings.HasPrefix(line, args[2]) {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	a, b := pick(args[0]), pick(args[1])
	if a == "" {
		ts.Fatalf("%s has no line that begins with %q", args[0], args[2])
	}
	if (a == b) == neg {
		ts.Fatalf("%s: %s\n%s: %s", args[0], a, args[1], b)
	}
}

func openStore(ts *testscript.TestScript) *store.Store {
	st, err := store.Open(ts.MkAbs("."))
	ts.Check(err)
	return st
}

// orphan TEXT puts a blob into the store that nothing names.
func orphan(ts *testscript.TestScript, _ bool, args []string) {
	_, err := openStore(ts).Put([]byte(args[0]))
	ts.Check(err)
}

// damage-blob FILE spoils the blob that has the content of FILE, and removes
// what of it lies in the workspace as out.txt.
func damageBlob(ts *testscript.TestScript, _ bool, args []string) {
	name := openStore(ts).Path(store.BlobPath(digest.Of([]byte(ts.ReadFile(args[0])))))
	_, err := os.Stat(name)
	ts.Check(err)
	ts.Check(os.WriteFile(name, make([]byte, 100), 0o644))
	ts.Check(os.RemoveAll(ts.MkAbs("out.txt")))
}

// hold-store uses the store as a command would, until release-store.
func holdStore(ts *testscript.TestScript, _ bool, _ []string) {
	done, err := openStore(ts).Use()
	ts.Check(err)
	ts.Value("store").(*holder).stop = done
}

func releaseStore(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value("store").(*holder).stop()
}
