package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary the program itself when asked to.
func TestMain(m *testing.M) {
	if os.Getenv("SAMPLESERVER_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// await waits for a ready file and returns the address in it.
func await(t *testing.T, file string) string {
	t.Helper()
	for range 1000 {
		if b, err := os.ReadFile(file); err == nil {
			addr, ok := strings.CutSuffix(string(b), "\n")
			if !ok {
				t.Fatalf("a ready file in part: %q", b)
			}
			return addr
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("never ready")
	return ""
}

// models asks for the list of models.
func models(t *testing.T, c *http.Client, url string) *http.Response {
	t.Helper()
	resp, err := c.Get(url + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(b, []byte("sample-large")) {
		t.Fatalf("%v: %s", err, b)
	}
	return resp
}

func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals between processes there")
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		ready := filepath.Join(t.TempDir(), "ready")
		// One that was left is not taken for a new one.
		if err := os.WriteFile(ready, []byte("127.0.0.1:1"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-ready", ready, "-delay", "0s,0s")
		cmd.Env = append(os.Environ(), "SAMPLESERVER_MAIN=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 100)
		n, err := out.Read(line) // the ready file is written before
		if err != nil {
			t.Fatal(err)
		}
		addr := await(t, ready)
		if got := string(line[:n]); got != "listening on http://"+addr+"\n" {
			t.Errorf("prints %q", got)
		}
		models(t, http.DefaultClient, "http://"+addr)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", signal, err)
		}
		if _, err := os.Stat(ready); !os.IsNotExist(err) {
			t.Errorf("%v: the ready file is still there: %v", signal, err)
		}
		if files, _ := filepath.Glob(filepath.Join(filepath.Dir(ready), ".ready*")); len(files) > 0 {
			t.Errorf("left behind: %v", files)
		}
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	ready := filepath.Join(dir, "ready")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	var stderr bytes.Buffer
	go func() { done <- run(ctx, []string{"-ready", ready, "-tls", cert + "," + key}, io.Discard, &stderr) }()
	addr := await(t, ready)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	resp := models(t, &http.Client{Transport: transport}, "https://"+addr)
	if resp.ProtoMajor != 2 {
		t.Errorf("over %s", resp.Proto)
	}
	transport.CloseIdleConnections()
	stop()
	if status := <-done; status != 0 {
		t.Errorf("status %d: %s", status, &stderr)
	}
}

// TestCA serves https under a name that no certificate was made for before.
func TestCA(t *testing.T) {
	dir := t.TempDir()
	ready, ca := filepath.Join(dir, "ready"), filepath.Join(dir, "ca.pem")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"-ready", ready, "-ca", ca}, io.Discard, io.Discard) }()
	addr := await(t, ready)
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "api.example.test"}}
	models(t, &http.Client{Transport: transport}, "https://"+addr)
	transport.CloseIdleConnections()
	stop()
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestCommandLine(t *testing.T) {
	ended, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"-delay 1ms,2ms -stall 1s -key k", 0, ""},
		{"-help", 0, "Usage of sampleserver"},
		{"-port 1", 2, "sampleserver: flag provided but not defined: -port\n"},
		{"more", 2, "sampleserver: unexpected argument: \"more\"\n"},
		{"-tls one", 2, "not CERT,KEY"},
		{"-tls a,b -ca c", 2, "one of them"},
		{"-delay 2ms,1ms", 2, "not MIN,MAX"},
		{"-addr nowhere", 1, "missing port"},
		{"-tls no.pem,no.key", 1, "no.pem"},
	} {
		var stderr bytes.Buffer
		status := run(ended, strings.Fields(c.args), io.Discard, &stderr)
		if status != c.status || !strings.Contains(stderr.String(), c.want) || c.want == "" && stderr.Len() > 0 {
			t.Errorf("%s: status %d: %s", c.args, status, &stderr)
		}
	}
}

// certificate makes a certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret), pool
}
