package sandbox

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/box"
)

// conducted runs a program in the box and returns what it printed. To each
// connection serve is given what came on it so far, and returns what the
// program gets, and how the connection ends.
func conducted(t *testing.T, serve func(e box.Event, got string) (answer, end string), argv ...string) (out string, exit Exit) {
	t.Helper()
	p, err := Start(context.Background(), Command{
		Level: Deterministic, Argv: argv, Dir: t.TempDir(), Env: os.Environ(), Clock: 1_700_000_000e3,
		Trace: os.Getenv("COO_TEST_TRACE"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	g := p.Guest()
	opened, got, due := map[int64]box.Event{}, map[int64]string{}, []int64{}
	for {
		e, err := g.Next()
		if err != nil {
			t.Fatalf("%q: %v", argv, err)
		}
		switch e.Kind {
		case box.Opened:
			opened[e.Conn] = e
		case box.Sent:
			got[e.Conn] += string(e.Data)
			due = append(due, e.Conn)
		case box.Printed:
			out += string(e.Data)
		case box.Broken:
			t.Errorf("%q: %s", argv, e.Text)
		case box.Quiet:
			o := box.Order{Kind: box.Wake}
			if len(due) > 0 {
				o = box.Order{Kind: box.Deliver, At: e.At + 1e6, Conn: due[0]}
				var answer string
				answer, o.Close = serve(opened[due[0]], got[due[0]])
				o.Data = []byte(answer)
				due = due[1:]
			} else if e.Deadline < 0 {
				o.Kind = box.Stop
			}
			if err := g.Obey(o); err != nil {
				t.Fatal(err)
			}
		case box.Ended:
			exit, err := p.Wait()
			if err != nil {
				t.Fatal(err)
			}
			return out, exit
		}
	}
}

func TestConducted(t *testing.T) {
	const script = `date +%s.%N; echo $$; head -c 8 /dev/urandom | od -An -tx1; sleep 3600; (exit 3)`
	first, exit := conducted(t, nil, "sh", "-c", script)
	if exit.Status != 3 {
		t.Errorf("exit = %+v, want status 3", exit)
	}
	for range 2 {
		if again, _ := conducted(t, nil, "sh", "-c", script); again != first {
			t.Errorf("printed %q, then %q", first, again)
		}
	}
}

// fetch asks twenty things at once, of a server that answers at random times.
const fetch = `
import concurrent.futures as cf, urllib.request, socket, time, threading
def ask(i):
    with urllib.request.urlopen("http://api.example.test/%d" % i) as r:
        return i, r.read().decode(), threading.get_native_id(), time.time()
with cf.ThreadPoolExecutor(8) as ex:
    for f in cf.as_completed([ex.submit(ask, i) for i in range(20)]):
        print(f.result())
s = socket.create_connection(("reset.example.test", 81))
print(s.getpeername(), s.getsockname(), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
s.sendall(b"x" * 300000)
try:
    print(s.recv(10))
except OSError as e:
    print(e)
`

func TestConductedConnections(t *testing.T) {
	var first string
	for range 3 {
		out, exit := conducted(t, func(e box.Event, got string) (string, string) {
			if e.Addr.Port() == 81 {
				if e.Host != "reset.example.test" {
					t.Errorf("connected to %+v, want the name reset.example.test", e)
				}
				return "", "reset"
			}
			return "HTTP/1.0 200 OK\r\n\r\n" + strings.Fields(got)[1], "eof"
		}, "python3", "-c", fetch)
		if exit.Status != 0 || strings.Count(out, "/") != 20 || !strings.Contains(out, "reset by peer") {
			t.Errorf("exit = %+v, printed %q", exit, out)
		}
		if first == "" {
			first = out
		}
		if out != first {
			t.Errorf("printed %q, then %q", first, out)
		}
	}
}
