//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// check demands coo's promises of the store and workspace in dir, on which a
// crash has left the tree. It changes the directory.
func (b *bench) check(dir string, left *node, st *story, said promise) error {
	if r := b.run(dir, "logs"); r.status != 0 {
		if r.status == 2 && strings.Contains(r.stderr, "no store") && len(said.runs) == 0 && said.answers == 0 {
			return b.checkNext(dir, said) // a crash while the store was made
		}
		return fmt.Errorf("the next command: %s", r)
	}
	now, err := readTree(dir)
	if err != nil {
		return err
	}
	if err := checkWorkspace(now.without(".coo"), st, said); err != nil {
		return err
	}
	es, err := b.executions(dir)
	if err != nil {
		return err
	}
	if err := b.checkRuns(dir, now, es, said); err != nil {
		return err
	}
	if err := b.checkRecords(dir, left, now, es, st, said); err != nil {
		return err
	}
	return b.checkNext(dir, said)
}

// P5: all of what a mission wrote, or nothing, and what was said of it.
func checkWorkspace(now *node, st *story, said promise) error {
	before, after := equalTrees(".", now, st.before), equalTrees(".", now, st.after)
	switch {
	case before != nil && after != nil:
		return fmt.Errorf("P5: the workspace is neither as before (%v) nor as after (%v)", before, after)
	case said.applied[true] && after != nil:
		return fmt.Errorf("P5: the workspace was said to be written, and is not: %v", after)
	case said.applied[false] && !said.applied[true] && before != nil:
		return fmt.Errorf("P5: the workspace was said to be as before, and is not: %v", before)
	}
	return nil
}

// Every run that was told of is there, and every run that is there verifies.
func (b *bench) checkRuns(dir string, now *node, es []execution, said promise) error {
	listed := map[string]int{}
	for _, e := range es {
		listed[e.Run[:12]] = e.N
	}
	for run, n := range said.runs {
		if got, ok := listed[run]; !ok || n > got {
			return fmt.Errorf("run %s, execution #%d, was told of and is not listed", run, n)
		}
	}
	verify := map[string]bool{}
	for run := range now.at(".coo", "runs").entries {
		verify[run] = true
	}
	for _, e := range es {
		verify[e.Run] = true
	}
	for run := range verify {
		if r := b.run(dir, "verify", run); r.status != 0 {
			return fmt.Errorf("P3: a sealed run does not verify: %s", r)
		}
	}
	return nil
}

// P1 and P2: what was shown is recorded; of what is in the journal, nothing
// but an unfinished end is dropped, and coo says so.
func (b *bench) checkRecords(dir string, left, now *node, es []execution, st *story, said promise) error {
	sealed, id := false, ""
	for _, e := range es {
		if e.Run == st.id || st.id == "" && e.Name == st.mission {
			sealed, id = true, e.Run
		}
	}
	var lines [][]byte
	if open := now.at(".coo", "open"); open != nil && len(open.entries) > 0 && !sealed {
		journal := b.openJournal(left)
		r := b.run(dir, "logs", "@open", "--json")
		if r.status != 0 && journal != nil {
			return fmt.Errorf("P2: an incomplete run cannot be read: %s", r)
		}
		lines = bytes.SplitAfter([]byte(r.stdout), []byte("\n"))
		lines = lines[:len(lines)-1]
		v := b.run(dir, "verify", "@open")
		if v.status != 0 && journal != nil {
			return fmt.Errorf("P2: an incomplete run does not verify: %s", v)
		}
		if err := checkDropped(journal, st.journal, len(lines), v); err != nil {
			return err
		}
	}
	if sealed {
		r := b.run(dir, "logs", id, "--json")
		if r.status != 0 {
			return fmt.Errorf("P1: a sealed run cannot be read: %s", r)
		}
		lines = bytes.SplitAfter([]byte(r.stdout), []byte("\n"))
		lines = lines[:len(lines)-1]
	}
	answers := 0
	for i, line := range lines {
		if st.lines != nil && (i >= len(st.lines) || !bytes.Equal(line, st.lines[i])) {
			return fmt.Errorf("P2: record %d is not what was recorded: %s", i, line)
		}
		if bytes.Contains(line, []byte(`"t":"answer"}`)) {
			answers++
		}
	}
	if answers < said.answers {
		return fmt.Errorf("P1: %d answers were shown, %d are recorded (sealed: %v)", said.answers, answers, sealed)
	}
	return nil
}

// openJournal returns the journal that the crash has left, nil if none that
// coo can know of.
func (b *bench) openJournal(left *node) []byte {
	open := left.at(".coo", "open")
	if open == nil || len(open.entries) != 1 {
		return nil
	}
	for _, run := range open.entries {
		if run.at("lock") != nil && run.at("journal") != nil {
			return run.at("journal").data
		}
	}
	return nil
}

// checkDropped compares a journal with the whole one: as many records as it
// holds whole must be shown, and what is left must be told of.
func checkDropped(journal, whole []byte, records int, verify result) error {
	if journal == nil || whole == nil {
		return nil
	}
	const header, frame = 26, 9
	if bytes.HasPrefix(journal, []byte("coo.journal/0\n")) && !bytes.HasPrefix(whole, journal[:min(len(journal), header)]) {
		return nil // of another run than the one that was followed: its salt is another
	}
	end, want := 0, 0
	for at := header; at <= len(journal) && at <= len(whole) && bytes.Equal(journal[:at], whole[:at]); {
		end = at
		if at+frame > len(whole) {
			break
		}
		next := at + frame + int(binary.BigEndian.Uint32(whole[at+1:]))
		if next <= len(journal) && next <= len(whole) && bytes.Equal(journal[:next], whole[:next]) && whole[at] == 1 {
			want++
		}
		at = next
	}
	if records != want {
		return fmt.Errorf("P2: the journal holds %d whole records, coo shows %d", want, records)
	}
	dropped := len(journal) - end
	if says := strings.Contains(verify.stderr, "an unfinished record, which is left out"); says != (dropped > 0) {
		return fmt.Errorf("P2: %d bytes of the journal are dropped; said: %v: %s", dropped, says, verify)
	}
	digits := strings.NewReplacer(",", "", " ", "", "\u00a0", "").Replace(verify.stderr)
	if dropped > 0 && !strings.Contains(digits, fmt.Sprintf("last%dbyte", dropped)) {
		return fmt.Errorf("P2: %d bytes of the journal are dropped: %s", dropped, verify)
	}
	return nil
}

// The next run works, and leaves what was told of where it was.
func (b *bench) checkNext(dir string, said promise) error {
	r := b.run(dir, "run", "next.star")
	if r.status != 0 || r.stdout != "\"next\"\n" {
		return fmt.Errorf("the next run: %s", r)
	}
	if r := b.run(dir, "verify", "@last"); r.status != 0 {
		return fmt.Errorf("the next run does not verify: %s", r)
	}
	es, err := b.executions(dir)
	if err != nil {
		return err
	}
	for run, n := range said.runs {
		ok := false
		for i, e := range es {
			if e.N != i+1 {
				return fmt.Errorf("execution #%d is in place %d of the list", e.N, i+1)
			}
			ok = ok || strings.HasPrefix(e.Run, run) && (n == 0 || e.N == n)
		}
		if !ok {
			return fmt.Errorf("run %s, execution #%d, was told of and is not listed after the next run", run, n)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".coo", "apply", "*"))
	if len(left) > 0 {
		return fmt.Errorf("intents are left: %v", left)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, ".coo", "tmp")); len(left) > 0 {
		return fmt.Errorf("after the next run tmp holds %d files", len(left))
	}
	if r := b.run(dir, "fsck"); r.status != 0 || !strings.Contains(r.stdout, "no damage") {
		return fmt.Errorf("the store is damaged: %s%s", r.stdout, r)
	}
	return nil
}
