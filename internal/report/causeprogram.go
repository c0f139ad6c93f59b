package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/flight"
)

// start is about two calls of which one or both start a program.
func (t *teller) start(was, is *flight.Call) string {
	old, errOld := t.recorded.Exec(was.Req)
	new, errNew := t.replayed.Exec(is.Req)
	switch {
	case was.Kind != is.Kind || errOld != nil || errNew != nil:
		return t.where(was, is)
	case !slices.Equal(old.Argv, new.Argv):
		return fmt.Sprintf("%s starts %s; it started %s when it was recorded", t.who(is), OneLine(commandLine(new.Argv), 160), OneLine(commandLine(old.Argv), 160))
	case !slices.Equal(old.Env, new.Env):
		return "the program is started with other variables: " + strings.Join(changedNames(old.Env, new.Env), ", ") + " changed"
	case !slices.Equal(old.DotEnv, new.DotEnv):
		return "the program is started with other .env files"
	case old.Tree != new.Tree:
		return "the program starts with other files" + t.treePaths(old.Tree, new.Tree)
	}
	return "the program is given another standard input"
}

func (t *teller) head(was, is *flight.Head) string {
	if was.Call != is.Call {
		return fmt.Sprintf("the answer to call %d begins where the answer to call %d began when it was recorded (order)", is.Call, was.Call)
	}
	if was.Head == is.Head {
		return otherTime(fmt.Sprintf("the answer to call %d begins", was.Call), was.At, is.At)
	}
	return fmt.Sprintf("the answer to call %d does not begin as it was recorded", was.Call)
}

// otherTime says that something happens at another time inside than when it
// was recorded.
func otherTime(what string, was, is *int64) string {
	if was == nil || is == nil {
		return what + " at another time"
	}
	return fmt.Sprintf("%s at %s by the program's clock; it was at %s when it was recorded", what, since(*is), since(*was))
}

// data is about chunks of answers. That they came is what was recorded: where
// they are other, the program has asked, printed or ended elsewhere.
func (t *teller) data(was, is *flight.Data) string {
	switch {
	case was.Call != is.Call:
		return fmt.Sprintf("the answer to call %d goes on where the answer to call %d went on when it was recorded (order)", is.Call, was.Call)
	case !slices.Equal(was.Lens, is.Lens):
		return fmt.Sprintf("the program goes on after %s of the answer to call %d; it did after %s when it was recorded",
			Count(len(is.Lens), "chunk"), is.Call, Count(len(was.Lens), "chunk"))
	}
	for i, at := range is.At {
		if i < len(was.At) && was.At[i] != at {
			return otherTime(fmt.Sprintf("chunk %d of the answer to call %d comes", i+1, is.Call), &was.At[i], &at)
		}
	}
	return t.where(was, is)
}

func (t *teller) out(was, is *flight.Out) string {
	switch {
	case was.Call != is.Call || was.FD != is.FD:
		return t.where(was, is)
	case was.SHA256 != is.SHA256:
		return "the program prints something else on " + outputName(is.FD)
	}
	return fmt.Sprintf("the program prints the same on %s in other pieces: %s; it was %s when it was recorded",
		outputName(is.FD), Count(len(is.Lens), "write"), Count(len(was.Lens), "write"))
}

func (t *teller) tail(was, is *flight.Tail) string {
	switch {
	case was.Call != is.Call:
		return fmt.Sprintf("the answer to call %d ends where the answer to call %d ended when it was recorded (order)", is.Call, was.Call)
	case is.How == "client" && was.How != "client":
		return fmt.Sprintf("the program leaves the answer to call %d before its end; it took all of it when it was recorded", is.Call)
	case was.How == "client" && is.How != "client":
		return fmt.Sprintf("the program takes all of the answer to call %d; it left before its end when it was recorded", is.Call)
	case was.How != is.How:
		return fmt.Sprintf("the answer to call %d ends otherwise: %s; when it was recorded: %s", is.Call, OneLine(is.How, 20), OneLine(was.How, 20))
	case is.How == "client":
		if was.Ans == is.Ans && was.At != nil {
			return otherTime(fmt.Sprintf("the program leaves the answer to call %d", is.Call), was.At, is.At)
		}
		return fmt.Sprintf("the program leaves the answer to call %d elsewhere than when it was recorded", is.Call)
	case was.Ans == is.Ans:
		return otherTime(fmt.Sprintf("the answer to call %d ends", is.Call), was.At, is.At)
	}
	return fmt.Sprintf("the answer to call %d is not the recorded one", is.Call)
}

func (t *teller) exit(was, is *flight.Exit) string {
	switch {
	case was.Call != is.Call:
		return t.where(was, is)
	case exitStatus(was) != exitStatus(is):
		return fmt.Sprintf("the program ends with %s; it ended with %s when it was recorded", exitStatus(is), exitStatus(was))
	case was.Stdout != is.Stdout:
		return "the program prints something else on stdout"
	case was.Stderr != is.Stderr:
		return "the program prints something else on stderr"
	}
	old, new := outputs(was.Writes), outputs(is.Writes)
	for _, w := range is.Writes {
		o, ok := old[w.Path]
		path := OneLine(w.Path, 120)
		switch {
		case !ok && w.SHA256 == nil:
			return "the program removes " + path + ", which it did not when it was recorded"
		case !ok:
			return "the program writes " + path + ", which it did not when it was recorded"
		case !equal(o.SHA256, w.SHA256) || o.Mode != w.Mode:
			return "the program writes other content to " + path
		}
	}
	for _, w := range was.Writes {
		if _, ok := new[w.Path]; !ok {
			return "the program does not write " + OneLine(w.Path, 120) + ", which it wrote when it was recorded"
		}
	}
	return "the program ends otherwise: " + changed(fields(was, is))
}

func outputs(list []flight.Output) map[string]flight.Output {
	out := make(map[string]flight.Output, len(list))
	for _, o := range list {
		out[o.Path] = o
	}
	return out
}
