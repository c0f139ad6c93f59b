package flight

import (
	"bytes"
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// Format is the name of the recorder's format; Epoch fixes what the format
// does not: interpreter, Unicode tables, scheduling, random streams,
// canonicaliser, limits, error texts.
const (
	Format = "coo.flight/0"
	Epoch  = 1
)

// An Envelope is what every record carries.
type Envelope struct {
	// Branch is where in the mission the record was made: absent in the main
	// branch, "3.1" in branch 1 of the fork at record 3.
	Branch string `json:"b,omitempty"`
	// N numbers the records from 0; Prev is the SHA-256 of the line before,
	// without its newline.
	N int64 `json:"n"`
	// P is the exec call whose program made a call; absent in a call of the
	// mission's own, and in every other record.
	P    int64         `json:"p,omitempty"`
	Prev digest.Digest `json:"prev"`
	// T is the record's type: open, input, clock, …
	T string `json:"t"`
}

func (e *Envelope) envelope() *Envelope { return e }

// A Record is one of the record types of this package, by pointer.
type Record interface {
	envelope() *Envelope
	kind() string
}

// Env returns the envelope of r.
func Env(r Record) *Envelope { return r.envelope() }

// Open is the first record: what is run, under which rules.
type Open struct {
	Envelope
	Format  string            `json:"format"`
	Epoch   int64             `json:"epoch"`
	Level   string            `json:"level"`  // isolation level: script, deterministic, frozen, proxied
	Limits  string            `json:"limits"` // name of the limits profile: "limits/1"
	Args    map[string]string `json:"args"`
	Seed    string            `json:"seed"`  // decimal
	Clock   *string           `json:"clock"` // RFC 3339 when pinned, else null
	Rules   []Rule            `json:"rules"`
	Mission Mission           `json:"mission"`
}

// A Rule names a set of identity rules by its content.
type Rule struct {
	ID     string        `json:"id"`
	SHA256 digest.Digest `json:"sha256"`
}

// A Mission names what is run: a script by its content, a program by its name;
// what a program is started with is in its exec call.
type Mission struct {
	Kind  string `json:"kind"` // script, program
	Main  string `json:"main"`
	Files []File `json:"files"` // main and every file it loads, sorted by path
}

// A File is a path and the digest of its content.
type File struct {
	Path   string        `json:"path"`
	SHA256 digest.Digest `json:"sha256"`
}

// Input records what entered from the workspace or the environment: at the
// first reading of a name.
type Input struct {
	Envelope
	Kind   string         `json:"kind"` // file, list, env
	Name   string         `json:"name"`
	SHA256 *digest.Digest `json:"sha256"` // of the content; null when there is none
}

// Clock records a reading of the clock, RFC 3339 in UTC with milliseconds.
type Clock struct {
	Envelope
	Now string `json:"now"`
}

// Call records a request at the moment the mission makes it, the start of a
// program (exec), or a request of a program (P is set): that one directly
// before its [Head], or before its [Tail] when it has none; at level
// deterministic, where that moment is no accident, when the program makes it.
type Call struct {
	Envelope
	At   *int64      `json:"at,omitempty"` // of a program, at level deterministic: see [Data]
	Kind string      `json:"kind"`         // http, exec
	Req  digest.Call `json:"req"`
}

// Answer records the delivery of a whole answer to the mission.
type Answer struct {
	Envelope
	Call int64         `json:"call"` // n of the call record
	Ans  digest.Answer `json:"ans"`
}

// Head records that status and headers of an answer went to a program.
type Head struct {
	Envelope
	At   *int64        `json:"at,omitempty"` // at level deterministic: see [Data]
	Call int64         `json:"call"`         // n of the program's call
	Head digest.Digest `json:"head"`         // of the document that wire.EncodeHead makes
}

// Data records that chunks of an answer went to a program one after the other,
// and nothing else in between. It is made at level deterministic only, and is
// full with [MaxDataChunks], or with [MaxDataSize] bytes: then the next begins.
type Data struct {
	Envelope
	// At are the times inside at which the chunks were delivered, in
	// nanoseconds since the program began.
	At   []int64 `json:"at"`
	Call int64   `json:"call"` // n of the program's call
	Lens []int64 `json:"lens"` // of the chunks, in bytes
}

// Tail records the end of an answer that went to a program. At level
// deterministic the last chunk of the answer may have come with it, and is in
// no [Data] then.
type Tail struct {
	Envelope
	At   *int64        `json:"at,omitempty"` // at level deterministic: see [Data]
	Call int64         `json:"call"`         // n of the program's call
	How  string        `json:"how"`          // eof, or the failure that the answer names
	Ans  digest.Answer `json:"ans"`
}

// HowEOF is how an answer ends that came whole.
const HowEOF = "eof"

// Out records what a program printed on one of its outputs, call by call, with
// nothing else in between. It is made at level deterministic only, and is full
// with [MaxOutWrites], or with [MaxOutSize] bytes: then the next begins. The
// bytes themselves are in the content that [Exit] names.
type Out struct {
	Envelope
	Call   int64         `json:"call"`   // n of the exec call
	FD     int64         `json:"fd"`     // 1: stdout, 2: stderr
	Lens   []int64       `json:"lens"`   // of what it wrote at once, in bytes
	SHA256 digest.Digest `json:"sha256"` // of all of it, secrets replaced; no blob
}

// The limits at which a [Data] or an [Out] is full.
const (
	MaxDataChunks = 256
	MaxDataSize   = 1 << 20
	MaxOutWrites  = 256
	MaxOutSize    = 64 << 10
)

// Exit records that a program and all it has started have ended.
type Exit struct {
	Envelope
	Call   int64         `json:"call"`             // n of the exec call
	Status int64         `json:"status"`           // 128 + number for a signal
	Signal string        `json:"signal,omitempty"` // such as SIGKILL
	Stdout digest.Digest `json:"stdout"`           // of all that it wrote there
	Stderr digest.Digest `json:"stderr"`
	// Writes are the files of the workspace that it has changed or, sha256
	// null and mode file, removed, sorted by path. The content of a link is
	// its target.
	Writes []Output `json:"writes"`
}

// Write records a file written (mode file or exec) or removed (sha256 null).
type Write struct {
	Envelope
	Path   string         `json:"path"`
	Mode   string         `json:"mode"`
	SHA256 *digest.Digest `json:"sha256"`
	Size   int64          `json:"size"`
}

// Step records the beginning of a step or attempt, a checkpoint.
type Step struct {
	Envelope
	Name string        `json:"name"`
	Kind string        `json:"kind"` // step, attempt
	Tree digest.Digest `json:"tree"` // the footprint tree at this moment
}

// Rollback records that what a failed step wrote was undone.
type Rollback struct {
	Envelope
	Step   int64         `json:"step"` // n of the step record
	Tree   digest.Digest `json:"tree"` // the footprint tree restored
	Undone []Undone      `json:"undone"`
	Why    string        `json:"why"`
}

// An Undone is one write taken back, the newest first.
type Undone struct {
	Path  string         `json:"path"`
	Wrote *digest.Digest `json:"wrote"` // null: it was removed
}

// StepEnd records how a step or attempt ended.
type StepEnd struct {
	Envelope
	Step  int64  `json:"step"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Fork records that a branch split in Width branches named "n.0", "n.1", ….
type Fork struct {
	Envelope
	Width int64 `json:"width"`
}

// BranchEnd records how a branch of a fork ended.
type BranchEnd struct {
	Envelope
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Join records that every branch of a fork has ended.
type Join struct {
	Envelope
	Fork int64 `json:"fork"`
}

// Log records what the mission printed. A text above 4 KiB is a blob.
type Log struct {
	Envelope
	Kind   string         `json:"kind"` // print, log
	Text   *string        `json:"text,omitempty"`
	SHA256 *digest.Digest `json:"sha256,omitempty"`
}

// End records the mission's outcome.
type End struct {
	Envelope
	Outcome string         `json:"outcome"` // ok, failed
	Status  int64          `json:"status"`
	Result  *digest.Digest `json:"result,omitempty"` // of the JSON main returned
	Error   string         `json:"error,omitempty"`
	Trace   []Frame        `json:"trace,omitempty"`
}

// A Frame is one call of a failed mission's stack, outermost first.
type Frame struct {
	File string `json:"file"`
	Line int64  `json:"line"`
	Col  int64  `json:"col"`
	Func string `json:"func"`
}

// Seal is the last record. Its digest is the run's ID.
type Seal struct {
	Envelope
	Count   int64         `json:"count"`  // of the records before the seal
	Root    digest.Digest `json:"root"`   // Merkle root over them
	Freeze  digest.Digest `json:"freeze"` // of the freeze manifest
	Before  digest.Digest `json:"before"` // footprint tree: what was read
	After   digest.Digest `json:"after"`  // footprint tree: read and written
	Outputs []Output      `json:"outputs"`
}

// An Output is a file the run leaves behind; sha256 null: one it removed.
type Output struct {
	Path   string         `json:"path"`
	Mode   string         `json:"mode"`
	SHA256 *digest.Digest `json:"sha256"`
}

func (*Open) kind() string      { return "open" }
func (*Input) kind() string     { return "input" }
func (*Clock) kind() string     { return "clock" }
func (*Call) kind() string      { return "call" }
func (*Answer) kind() string    { return "answer" }
func (*Head) kind() string      { return "head" }
func (*Data) kind() string      { return "data" }
func (*Tail) kind() string      { return "tail" }
func (*Out) kind() string       { return "out" }
func (*Exit) kind() string      { return "exit" }
func (*Write) kind() string     { return "write" }
func (*Step) kind() string      { return "step" }
func (*Rollback) kind() string  { return "rollback" }
func (*StepEnd) kind() string   { return "step-end" }
func (*Fork) kind() string      { return "fork" }
func (*BranchEnd) kind() string { return "branch-end" }
func (*Join) kind() string      { return "join" }
func (*Log) kind() string       { return "log" }
func (*End) kind() string       { return "end" }
func (*Seal) kind() string      { return "seal" }

func newRecord(t string) Record {
	switch t {
	case "open":
		return new(Open)
	case "input":
		return new(Input)
	case "clock":
		return new(Clock)
	case "call":
		return new(Call)
	case "answer":
		return new(Answer)
	case "head":
		return new(Head)
	case "data":
		return new(Data)
	case "tail":
		return new(Tail)
	case "out":
		return new(Out)
	case "exit":
		return new(Exit)
	case "write":
		return new(Write)
	case "step":
		return new(Step)
	case "rollback":
		return new(Rollback)
	case "step-end":
		return new(StepEnd)
	case "fork":
		return new(Fork)
	case "branch-end":
		return new(BranchEnd)
	case "join":
		return new(Join)
	case "log":
		return new(Log)
	case "end":
		return new(End)
	case "seal":
		return new(Seal)
	}
	return nil
}

// Encode fills in the type of r and returns its line, without a newline.
func Encode(r Record) ([]byte, error) {
	r.envelope().T = r.kind()
	return canon.Marshal(r)
}

// Decode is the inverse of [Encode]. It refuses a line that is not byte for
// byte what Encode makes of the record.
func Decode(line []byte) (Record, error) {
	if r := scan(line); r != nil {
		return r, nil
	}
	return decode(line)
}

func decode(line []byte) (Record, error) {
	t := typeOf(line)
	r := newRecord(t)
	if r == nil {
		return nil, fmt.Errorf("unknown record type %.40q", t)
	}
	if err := canon.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("%s record: %w", t, err)
	}
	if r.envelope().T != t {
		return nil, fmt.Errorf("%s record: ambiguous type", t)
	}
	return r, nil
}

// typeOf returns what the member "t" of a canonical line seems to be. In a
// record it is the last member of that name: an argument may be called t, but
// args come before. Any other line is found out by its decoding.
func typeOf(line []byte) string {
	member := []byte(`"t":"`)
	i := bytes.LastIndex(line, member)
	if i < 0 {
		return ""
	}
	t := line[i+len(member):]
	return string(t[:max(0, bytes.IndexByte(t, '"'))])
}
