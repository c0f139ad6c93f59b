package sandbox

import (
	"context"
	"os"
	"testing"

	"github.com/coo-runtime/coo/internal/box"
)

// conducted runs a program in the box and returns what it printed.
func conducted(t *testing.T, argv ...string) (out string, exit Exit) {
	t.Helper()
	p, err := Start(context.Background(), Command{
		Level: Deterministic, Argv: argv, Dir: t.TempDir(), Env: os.Environ(), Start: 1_700_000_000e9,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	g := p.Guest()
	for {
		e, err := g.Next()
		if err != nil {
			t.Fatalf("%q: %v", argv, err)
		}
		switch e.Kind {
		case box.Printed:
			out += string(e.Data)
		case box.Broken:
			t.Errorf("%q: %s", argv, e.Text)
		case box.Quiet:
			if err := g.Obey(box.Order{Kind: box.Wake}); err != nil {
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
	first, exit := conducted(t, "sh", "-c", script)
	if exit.Status != 3 {
		t.Errorf("exit = %+v, want status 3", exit)
	}
	for range 2 {
		if again, _ := conducted(t, "sh", "-c", script); again != first {
			t.Errorf("printed %q, then %q", first, again)
		}
	}
}
