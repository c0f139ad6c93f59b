package sandbox

import (
	"strings"
	"testing"
)

// What the kernel alone can say is said by Wait, in words.
func TestNotExecuted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := writeFile(t, dir+"/garbage", "\x7fELF and nothing else", 0o755)
	for _, level := range bothLevels {
		for _, c := range []struct {
			cmd  Command
			want string
		}{
			{Command{Argv: []string{garbage}}, "not in a format that this machine executes"},
			{Command{Argv: []string{"true", strings.Repeat("x", 200_000)}}, "larger than this system takes"},
		} {
			c.cmd.Level, c.cmd.Dir, c.cmd.Env = level, dir, environment(t)
			p, err := Start(t.Context(), c.cmd)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Run(); err != nil {
				t.Fatal(err)
			}
			if exit, err := p.Wait(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: Wait = %+v, %v, want %q", level, exit, err, c.want)
			}
		}
	}
}

func TestNotStarted(t *testing.T) {
	for _, c := range []struct {
		cmd  Command
		want string
	}{
		{Command{Level: Frozen}, "none is named"},
		{Command{Level: Frozen, Argv: []string{"true"}, Dir: "relative"}, "not absolute"},
		{Command{Level: Frozen, Argv: []string{"true"}, Dir: "/no/such"}, `program "true": working directory: stat /no/such`},
		{Command{Level: Frozen, Argv: []string{"no-such-program"}, Dir: "/"}, "not found in PATH"},
		{Command{Level: "firm", Argv: []string{"true"}, Dir: "/"}, `isolation "firm"`},
	} {
		c.cmd.Env = environment(t)
		if _, err := Start(t.Context(), c.cmd); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Start(%+v): %v, want %q", c.cmd.Argv, err, c.want)
		}
	}
}

// Arguments and variables are bytes.
func TestAnyBytes(t *testing.T) {
	for _, level := range bothLevels {
		c := sh(`printf '%s|%s' "$0" "$V"`)
		c.Argv = append(c.Argv, "a\xff\"\\\n")
		c.Level, c.Env = level, append(environment(t), "V=\xfe\xc3")
		want(t, "stdout", perform(t, c).stdout, "a\xff\"\\\n|\xfe\xc3")
	}
}

// A program that has not begun can be ended.
func TestKilledBeforeRun(t *testing.T) {
	for _, level := range bothLevels {
		p, err := Start(t.Context(), Command{Level: level, Argv: []string{"true"}, Dir: "/", Env: environment(t)})
		if err != nil {
			t.Fatal(err)
		}
		p.Kill()
		if exit, err := p.Wait(); err == nil {
			t.Errorf("%s: Wait = %+v", level, exit)
		}
	}
}
