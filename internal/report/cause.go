package report

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/replay"
)

// Cause says in one sentence, without a full stop, why a replay differs from
// its record: what the mission does at the first difference and what it did
// there when it was recorded. It says no more than follows from the records:
// a replay stops at the first difference, so what is missing there may have
// come later.
func Cause(d *replay.Divergence, records []flight.Record, docs Docs) string {
	t := newTeller(d, records, docs)
	switch {
	case d.Replayed == nil && d.Recorded == nil:
		return t.who(nil) + " asks to " + OneLine(d.Asked, 200) + " after the end of the recorded run"
	case d.Replayed == nil && d.Asked == "nothing more":
		return "the replay is at its end; when it was recorded " + t.who(d.Recorded) + " " + t.then(d.Recorded)
	case d.Replayed == nil:
		return t.who(nil) + " asks to " + OneLine(d.Asked, 200) + ", which the recorded run did not"
	case d.Recorded == nil:
		return "the recorded run ends here; " + t.who(d.Replayed) + " goes on: it " + t.now(d.Replayed)
	}
	if s := t.moment(d); s != "" {
		return s
	}
	if s := t.order(d); s != "" {
		return s
	}
	if s := t.same(d.Recorded, d.Replayed); s != "" {
		return s
	}
	return t.other(d.Recorded, d.Replayed)
}

func newTeller(d *replay.Divergence, records []flight.Record, docs Docs) *teller {
	return &teller{records: records, program: ofProgram(records), recorded: docs, replayed: replayedDocs(d, docs)}
}

// replayedDocs reads what a replayed record names: made anew, or recorded.
func replayedDocs(d *replay.Divergence, docs Docs) Docs {
	return Docs{Blob: func(sum digest.Digest) ([]byte, error) {
		if b, ok := d.Blobs[sum]; ok {
			return b, nil
		}
		return docs.Blob(sum)
	}}
}

func (t *teller) now(r flight.Record) string  { return t.phrase(r, t.replayed).present() }
func (t *teller) then(r flight.Record) string { return t.phrase(r, t.recorded).past() }

// where is the sentence that is true of every two records.
func (t *teller) where(was, is flight.Record) string {
	return t.who(is) + " " + t.now(is) + " where " + t.it(is, was) + " " + t.then(was) + " when it was recorded"
}

// order finds the replayed record among the later recorded ones: the mission
// does then what it did, but not in the recorded order.
func (t *teller) order(d *replay.Divergence) string {
	was, is := d.Recorded, d.Replayed
	if a, ok := is.(*flight.Answer); ok {
		if b, ok := was.(*flight.Answer); ok && a.Call != b.Call {
			return fmt.Sprintf("the answer to call %d arrives where the answer to call %d was recorded (order)", a.Call, b.Call)
		}
	}
	if changes := fields(was, is); len(changes) == 1 && changes[0].Path == "/b" {
		return fmt.Sprintf("%s %s, where %s did when it was recorded (order)", branch(is), t.now(is), branch(was))
	}
	if sameAbout(was, is) {
		return "" // not another thing, but this one changed
	}
	for n := d.N + 1; n < int64(len(t.records)); n++ {
		if !sameThing(t.records[n], is) {
			continue
		}
		if c, ok := is.(*flight.Call); ok {
			return t.earlierCall(was, c, n)
		}
		return fmt.Sprintf("%s %s earlier than recorded, where it %s (order)", t.who(is), t.now(is), t.then(was))
	}
	return ""
}

func (t *teller) earlierCall(was flight.Record, c *flight.Call, n int64) string {
	name := callName(c, t.replayed)
	if b, ok := was.(*flight.Call); ok {
		return fmt.Sprintf("%s makes the recorded call %d earlier than recorded, before or without call %d (order): %s", t.who(c), n, b.N, name)
	}
	return fmt.Sprintf("%s makes the recorded call %d earlier than recorded, where it %s (order): %s", t.who(c), n, t.then(was), name)
}

// sameThing reports whether two records say that the mission did the same
// thing: the kinds of record whose content tells them from one another.
func sameThing(a, b flight.Record) bool {
	switch a := a.(type) {
	case *flight.Call:
		b, ok := b.(*flight.Call)
		return ok && a.Req == b.Req
	case *flight.Input:
		b, ok := b.(*flight.Input)
		return ok && a.Kind == b.Kind && a.Name == b.Name
	case *flight.Write:
		b, ok := b.(*flight.Write)
		return ok && a.Path == b.Path && equal(a.SHA256, b.SHA256)
	}
	return false
}

// sameAbout reports whether two records are about one file, variable or
// listing.
func sameAbout(a, b flight.Record) bool {
	switch a := a.(type) {
	case *flight.Input:
		b, ok := b.(*flight.Input)
		return ok && a.Kind == b.Kind && a.Name == b.Name
	case *flight.Write:
		b, ok := b.(*flight.Write)
		return ok && a.Path == b.Path
	}
	return false
}

func equal(a, b *digest.Digest) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// other is about two records of different types.
func (t *teller) other(was, is flight.Record) string {
	if s := t.failing(was, is); s != "" {
		return s
	}
	switch was := was.(type) {
	case *flight.Call:
		if ended(is) {
			return fmt.Sprintf("%s no longer makes the recorded call %d, %s: it %s", t.who(was), was.N, callName(was, t.recorded), t.now(is))
		}
	case *flight.Rollback:
		return fmt.Sprintf("the %s no longer fails here: %s %s; when it was recorded it failed: %s", t.step(was.Step), t.who(is), t.now(is), OneLine(was.Why, 160))
	case *flight.BranchEnd:
		if !was.OK {
			return fmt.Sprintf("%s no longer fails here: %s %s; when it was recorded it failed: %s", branch(was), t.who(is), t.now(is), OneLine(was.Error, 160))
		}
	case *flight.End:
		if was.Outcome != "ok" {
			return fmt.Sprintf("%s no longer fails here: it %s; when it was recorded it failed: %s", t.who(is), t.now(is), OneLine(was.Error, 160))
		}
		return t.who(is) + " goes on where it ended when it was recorded: it " + t.now(is)
	}
	switch is := is.(type) {
	case *flight.Call:
		return t.newCall(was, is)
	case *flight.Input:
		return fmt.Sprintf("%s %s, which the recorded run did not; it %s", t.who(is), t.now(is), t.then(was))
	case *flight.End:
		return t.who(is) + " ends here; when it was recorded it went on: it " + t.then(was)
	}
	return t.where(was, is)
}

// ended reports whether a record says that the mission, a branch or a step
// came to its end, so that nothing more follows in it.
func ended(r flight.Record) bool {
	switch r.(type) {
	case *flight.End, *flight.BranchEnd, *flight.StepEnd, *flight.Exit, *flight.Seal:
		return true
	}
	return false
}

// failing is about a failure that was not recorded at this place.
func (t *teller) failing(was, is flight.Record) string {
	switch is := is.(type) {
	case *flight.End:
		if is.Outcome != "ok" {
			return fmt.Sprintf("%s fails: %s; %s", t.who(is), OneLine(is.Error, 160), t.recordedEnd())
		}
	case *flight.Rollback:
		return fmt.Sprintf("the %s fails: %s; %s", t.step(is.Step), OneLine(is.Why, 160), t.recordedStepEnd(is.Step))
	case *flight.StepEnd:
		if !is.OK {
			return fmt.Sprintf("the %s fails: %s; %s", t.step(is.Step), OneLine(is.Error, 160), t.recordedStepEnd(is.Step))
		}
	case *flight.BranchEnd:
		if !is.OK {
			return fmt.Sprintf("%s fails: %s; when it was recorded %s %s here", branch(is), OneLine(is.Error, 160), t.who(was), t.then(was))
		}
	}
	return ""
}

// recordedEnd says how the recorded run ended.
func (t *teller) recordedEnd() string {
	for i := len(t.records) - 1; i >= 0; i-- {
		if e, ok := t.records[i].(*flight.End); ok {
			return endedAs(e.Outcome == "ok", e.Error)
		}
	}
	return "it went on when it was recorded"
}

// recordedStepEnd says how the recorded step n ended.
func (t *teller) recordedStepEnd(n int64) string {
	for _, r := range t.records {
		if e, ok := r.(*flight.StepEnd); ok && e.Step == n {
			return endedAs(e.OK, e.Error)
		}
	}
	return "it went on when it was recorded"
}

func endedAs(ok bool, err string) string {
	if ok {
		return "it ended well when it was recorded"
	}
	return "when it was recorded it failed later: " + OneLine(err, 160)
}
