package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/dotenv"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// ofProgram reports whether records are those of the run of a program.
func ofProgram(records []flight.Record) bool {
	if len(records) == 0 {
		return false
	}
	open, ok := records[0].(*flight.Open)
	return ok && open.Mission.Kind == "program"
}

// programName returns the command line of an exec call, or its key when its
// document is not to be had.
func programName(r *flight.Call, d Docs) string {
	e, err := d.Exec(r.Req)
	if err != nil {
		return r.Req.String()[:12]
	}
	return OneLine(commandLine(e.Argv), 160)
}

// commandLine joins arguments as a shell would read them: those with anything
// but plain characters in quotes.
func commandLine(argv []string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = a
		if a == "" || strings.Trim(a, plain) != "" {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// exitStatus says how a program ended: "status 0", "SIGKILL".
func exitStatus(x *flight.Exit) string {
	if x.Signal != "" {
		return OneLine(x.Signal, 20)
	}
	return fmt.Sprintf("status %d", x.Status)
}

func startDetail(r *flight.Call, d Docs) string {
	e, err := d.Exec(r.Req)
	if err != nil {
		return digest.Digest(r.Req).Short()
	}
	stdin := ""
	if e.Stdin != nil {
		stdin = ", stdin " + e.Stdin.Short()
	}
	return fmt.Sprintf("start %s, %s, tree %s%s", OneLine(commandLine(e.Argv), 160), Count(len(e.Env), "variable"), e.Tree.Short(), stdin)
}

func headDetail(r *flight.Head, d Docs) string {
	h, err := d.Head(r.Head)
	if err != nil {
		return fmt.Sprintf("to call %d: %s", r.Call, r.Head.Short())
	}
	s := fmt.Sprintf("to call %d: %d", r.Call, h.Status)
	if t := h.Header("content-type"); t != "" {
		s += " " + OneLine(t, 60)
	}
	return s + ", " + Count(len(h.Headers), "header") + inside(r.At)
}

// inside says when something was by the clock of a program at level
// deterministic: " at +12.345ms". At other levels that is not known: "".
func inside(at *int64) string {
	if at == nil {
		return ""
	}
	return " at " + since(*at)
}

// since writes nanoseconds since a program began, to the microsecond.
func since(at int64) string {
	return fmt.Sprintf("+%d.%03dms", at/1e6, at%1e6/1e3)
}

func dataDetail(r *flight.Data) string {
	s := fmt.Sprintf("to call %d: %s, %s", r.Call, Count(len(r.Lens), "chunk"), Size(flight.Sum(r.Lens)))
	if len(r.At) == 0 {
		return s
	}
	first, last := r.At[0], r.At[len(r.At)-1]
	if s += inside(&first); last != first {
		s += " to " + since(last)
	}
	return s
}

func outDetail(r *flight.Out) string {
	return fmt.Sprintf("of program %d: %s, %s in %s %s", r.Call, outputName(r.FD), Size(flight.Sum(r.Lens)), Count(len(r.Lens), "write"), r.SHA256.Short())
}

// outputName names an output of a program.
func outputName(fd int64) string {
	switch fd {
	case 1:
		return "stdout"
	case 2:
		return "stderr"
	}
	return fmt.Sprintf("output %d", fd)
}

func tailDetail(r *flight.Tail, d Docs) string {
	s := fmt.Sprintf("to call %d: %s", r.Call, r.How)
	a, err := d.Answer(r.Ans)
	if err == nil && a.Status != 0 {
		s = fmt.Sprintf("to call %d: %s", r.Call, AnswerStatus(a))
	}
	return s + " " + digest.Digest(r.Ans).Short() + inside(r.At)
}

func exitDetail(r *flight.Exit, d Docs) string {
	s := fmt.Sprintf("of program %d: %s", r.Call, exitStatus(r))
	for _, out := range []struct {
		name string
		sum  digest.Digest
	}{{"stdout", r.Stdout}, {"stderr", r.Stderr}} {
		if size, _, err := d.look(out.sum, 0); err == nil {
			s += fmt.Sprintf(", %s %s", out.name, Size(size))
		}
	}
	return s + ", " + Count(len(r.Writes), "file") + " written"
}

// variables returns what a program could read in a file of variables.
func (d Docs) variables(f wire.NamedBlob) ([][2]string, error) {
	text, err := d.Blob(f.SHA256)
	if err != nil {
		return nil, err
	}
	file, err := dotenv.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	var out [][2]string
	for _, v := range file.Variables() {
		out = append(out, [2]string{v.Name, v.Value})
	}
	return out, nil
}

// Program prints a program as people read it: what it was started with, how it
// ended, what it printed and wrote.
func Program(w io.Writer, records []flight.Record, call *flight.Call, d Docs) error {
	e, err := d.Exec(call.Req)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "program %d  %s\nstart     %s\n", call.N, OneLine(commandLine(e.Argv), 400), digest.Digest(call.Req))
	for _, v := range e.Env {
		fmt.Fprintf(w, "  %s=%s\n", OneLine(v[0], 80), OneLine(v[1], 400))
	}
	for _, f := range e.DotEnv {
		vars, err := d.variables(f)
		if err != nil {
			return err
		}
		for _, v := range vars {
			fmt.Fprintf(w, "  %s  %s=%s\n", OneLine(f.Path, 80), OneLine(v[0], 80), OneLine(v[1], 400))
		}
	}
	fmt.Fprintf(w, "workspace %s\n", e.Tree)
	if e.Stdin != nil {
		fmt.Fprintf(w, "stdin     %s\n", e.Stdin)
	}
	for _, r := range records {
		if x, ok := r.(*flight.Exit); ok && x.Call == call.N {
			return exitText(w, x, d)
		}
	}
	fmt.Fprintln(w, "\nhas not ended")
	return nil
}

func exitText(w io.Writer, x *flight.Exit, d Docs) error {
	fmt.Fprintf(w, "\nended     %s\n", exitStatus(x))
	for _, o := range x.Writes {
		fmt.Fprintf(w, "  %s  %s\n", short(o.SHA256, "removed     "), OneLine(o.Path, 160))
	}
	for _, out := range []struct {
		name string
		sum  digest.Digest
	}{{"stdout", x.Stdout}, {"stderr", x.Stderr}} {
		size, b, err := d.look(out.sum, maxShown)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s    %s  %s\n", out.name, out.sum, Size(size))
		switch {
		case size > maxShown || !isText(b):
			fmt.Fprintf(w, "\n(no text, or too long to be shown)\n")
		case size > 0:
			fmt.Fprintf(w, "\n%s\n", strings.TrimRight(Visible(string(b)), "\n"))
		}
	}
	return nil
}
