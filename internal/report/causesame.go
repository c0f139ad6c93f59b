package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
)

// same is about two records of one type; "" when they are of two.
func (t *teller) same(was, is flight.Record) string {
	switch was := was.(type) {
	case *flight.Open:
		return on(is, func(is *flight.Open) string { return "the run begins otherwise: " + changed(fields(was, is)) })
	case *flight.Input:
		return on(is, func(is *flight.Input) string { return t.input(was, is) })
	case *flight.Clock:
		return on(is, func(is *flight.Clock) string {
			return fmt.Sprintf("the clock tells %s; it told %s when the run was recorded", OneLine(is.Now, 40), OneLine(was.Now, 40))
		})
	case *flight.Call:
		return on(is, func(is *flight.Call) string { return t.call(was, is) })
	case *flight.Answer:
		return on(is, func(*flight.Answer) string {
			return fmt.Sprintf("the answer to call %d is not the recorded one", was.Call)
		})
	case *flight.Head:
		return on(is, func(is *flight.Head) string { return t.head(was, is) })
	case *flight.Data:
		return on(is, func(is *flight.Data) string { return t.data(was, is) })
	case *flight.Tail:
		return on(is, func(is *flight.Tail) string { return t.tail(was, is) })
	case *flight.Out:
		return on(is, func(is *flight.Out) string { return t.out(was, is) })
	case *flight.Exit:
		return on(is, func(is *flight.Exit) string { return t.exit(was, is) })
	case *flight.Write:
		return on(is, func(is *flight.Write) string { return t.write(was, is) })
	case *flight.Step:
		return on(is, func(is *flight.Step) string { return t.begin(was, is) })
	case *flight.Rollback:
		return on(is, func(is *flight.Rollback) string { return t.rollback(was, is) })
	case *flight.StepEnd:
		return on(is, func(is *flight.StepEnd) string {
			if was.Step != is.Step {
				return t.where(was, is)
			}
			return t.ends("the "+t.step(is.Step), was.OK, was.Error, is.OK, is.Error)
		})
	case *flight.BranchEnd:
		return on(is, func(is *flight.BranchEnd) string {
			if was.Branch != is.Branch {
				return t.where(was, is)
			}
			return t.ends(branch(is), was.OK, was.Error, is.OK, is.Error)
		})
	case *flight.Fork:
		return on(is, func(is *flight.Fork) string { return t.where(was, is) })
	case *flight.Join:
		return on(is, func(is *flight.Join) string { return t.where(was, is) })
	case *flight.Log:
		return on(is, func(is *flight.Log) string { return t.who(is) + " prints something else" })
	case *flight.End:
		return on(is, func(is *flight.End) string { return t.end(was, is) })
	case *flight.Seal:
		return on(is, func(is *flight.Seal) string {
			return "the run is sealed with another outcome: " + changed(fields(was, is))
		})
	}
	return ""
}

// on returns what fn says of r if r is a T.
func on[T flight.Record](r flight.Record, fn func(T) string) string {
	if r, ok := r.(T); ok {
		return fn(r)
	}
	return ""
}

// fields returns the fields in which two records differ, but for their
// number and what they follow.
func fields(was, is flight.Record) []Change {
	a, errA := flight.Encode(was)
	b, errB := flight.Encode(is)
	if errA != nil || errB != nil {
		return nil
	}
	changes, _ := JSONDiff(a, b)
	return slices.DeleteFunc(changes, func(c Change) bool { return c.Path == "/n" || c.Path == "/prev" })
}

// changed names what changed, three places at most: "/a and /b changed".
func changed(changes []Change) string { return paths(changes, 3) + " changed" }

func (t *teller) input(was, is *flight.Input) string {
	if was.Kind != is.Kind || was.Name != is.Name {
		return fmt.Sprintf("%s %s, which the recorded run did not; it %s", t.who(is), t.now(is), t.then(was))
	}
	name, there, not := "the file "+OneLine(is.Name, 120), "there", "not there"
	switch is.Kind {
	case "list":
		return "the files that match " + OneLine(is.Name, 120) + " are not those of when the run was recorded"
	case "env":
		name, there, not = "the environment variable "+OneLine(is.Name, 120), "set", "not set"
	}
	switch {
	case is.SHA256 == nil:
		return fmt.Sprintf("%s is %s; it was when the run was recorded", name, not)
	case was.SHA256 == nil:
		return fmt.Sprintf("%s is %s; it was not when the run was recorded", name, there)
	}
	return name + " is not what it was when the run was recorded"
}

func (t *teller) call(was, is *flight.Call) string {
	if was.Kind != is.Kind || was.Kind == "exec" {
		return t.start(was, is)
	}
	who := t.who(is)
	old, errOld := t.recorded.Request(was.Req)
	new, errNew := t.replayed.Request(is.Req)
	if errOld != nil || errNew != nil {
		return t.where(was, is)
	}
	var where []Change
	if old.Body != nil && new.Body != nil {
		where, _ = JSONDiff(old.Body, new.Body)
	}
	what := func(s string) string {
		if len(where) == 0 {
			return s
		}
		return s + ": " + changed(where)
	}
	switch CallClass(old, new) {
	case ChangedPrompt:
		return what(who + " asks another question")
	case ChangedParameter:
		return what(who + " asks with other parameters")
	case ChangedBody:
		return what(who + " sends another body")
	case ChangedHeader:
		return who + " sends other headers: " + strings.Join(changedNames(old.Headers, new.Headers), ", ") + " changed"
	case ChangedAddress:
		return t.newCall(was, is)
	}
	return t.where(was, is)
}

func (t *teller) write(was, is *flight.Write) string {
	path := OneLine(is.Path, 120)
	switch {
	case was.Path != is.Path:
		return t.where(was, is)
	case is.SHA256 == nil:
		return t.who(is) + " removes " + path + ", which it wrote when it was recorded"
	case was.SHA256 == nil:
		return t.who(is) + " writes " + path + ", which it removed when it was recorded"
	case *was.SHA256 != *is.SHA256:
		return t.who(is) + " writes other content to " + path
	}
	return fmt.Sprintf("%s writes %s with the mode %s; it was %s when it was recorded", t.who(is), path, OneLine(is.Mode, 20), OneLine(was.Mode, 20))
}

func (t *teller) begin(was, is *flight.Step) string {
	if was.Name != is.Name || was.Kind != is.Kind {
		return t.where(was, is)
	}
	return fmt.Sprintf("the %s begins with other files%s", stepName(is), t.treePaths(was.Tree, is.Tree))
}

func (t *teller) rollback(was, is *flight.Rollback) string {
	name := "the " + t.step(is.Step)
	switch {
	case was.Step != is.Step:
		return t.where(was, is)
	case was.Why != is.Why:
		return t.ends(name, false, was.Why, false, is.Why)
	case was.Tree != is.Tree:
		return fmt.Sprintf("the rollback of %s restores other files%s", name, t.treePaths(was.Tree, is.Tree))
	}
	return "the rollback of " + name + " takes back other writes"
}

// ends is about one thing that ended in two ways.
func (t *teller) ends(name string, wasOK bool, was string, isOK bool, is string) string {
	was, is = OneLine(was, 160), OneLine(is, 160)
	switch {
	case !isOK && wasOK:
		return name + " fails: " + is + "; it ended well when it was recorded"
	case isOK && !wasOK:
		return name + " ends well; when it was recorded it failed: " + was
	}
	return name + " fails otherwise: " + is + "; when it was recorded: " + was
}

func (t *teller) end(was, is *flight.End) string {
	wasOK, isOK := was.Outcome == "ok", is.Outcome == "ok"
	switch {
	case wasOK != isOK || was.Error != is.Error:
		return t.ends(t.who(is), wasOK, was.Error, isOK, is.Error)
	case !equal(was.Result, is.Result):
		return t.who(is) + " returns another result" + t.resultPaths(was.Result, is.Result)
	case len(was.Trace) > 0 && len(is.Trace) > 0:
		return fmt.Sprintf("%s fails at another place: %s; when it was recorded at %s", t.who(is), place(is.Trace), place(was.Trace))
	}
	return t.who(is) + " ends otherwise: " + changed(fields(was, is))
}

// place names the innermost frame of a stack.
func place(trace []flight.Frame) string {
	f := trace[len(trace)-1]
	return fmt.Sprintf("%s:%d:%d", OneLine(f.File, 80), f.Line, f.Col)
}

func (t *teller) resultPaths(was, is *digest.Digest) string {
	if was == nil || is == nil {
		return ""
	}
	old, errOld := t.recorded.Blob(*was)
	new, errNew := t.replayed.Blob(*is)
	if errOld != nil || errNew != nil {
		return ""
	}
	changes, ok := JSONDiff(old, new)
	if !ok || len(changes) == 0 {
		return ""
	}
	return ": " + changed(changes)
}

// treePaths names the files in which two footprint trees differ.
func (t *teller) treePaths(was, is digest.Digest) string {
	old, errOld := tree(t.recorded, was)
	new, errNew := tree(t.replayed, is)
	if errOld != nil || errNew != nil {
		return ""
	}
	var changes []Change
	both := maps.Clone(old)
	maps.Copy(both, new)
	for _, path := range slices.Sorted(maps.Keys(both)) {
		if old[path] != new[path] {
			changes = append(changes, Change{Path: path})
		}
	}
	if len(changes) == 0 {
		return ""
	}
	return ": " + paths(changes, 3)
}

// tree returns mode and digest of each file of a footprint tree.
func tree(d Docs, sum digest.Digest) (map[string]string, error) {
	b, err := d.Blob(sum)
	if err != nil {
		return nil, err
	}
	var entries []flight.Output // a tree has the shape of a seal's outputs
	if err := canon.Unmarshal(b, &entries); err != nil {
		return nil, err
	}
	files := make(map[string]string, len(entries))
	for _, e := range entries {
		files[e.Path] = e.Mode + " " + short(e.SHA256, "")
	}
	return files, nil
}
