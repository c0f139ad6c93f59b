package pack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/wire"
)

// A layout is where each content is, and why it is there.
type layout struct {
	from   flight.Blobs
	roles  map[digest.Digest][]string
	order  []digest.Digest // as they were first named
	places map[digest.Digest][]string
	taken  map[string]digest.Digest // folded paths, of files
	dirs   map[string]bool          // folded paths, of directories
	calls  []callDoc
	begun  flight.Beginnings

	surroundings *digest.Digest // the environment manifest; nil: there is none

	jsonBody bool // the body of the request that was read last is JSON
}

// A callDoc is a document of a call, or the body it names, that may be placed
// in freeze/.
type callDoc struct {
	digest digest.Digest
	name   string
}

// plan works out where the contents of a run and its attachments are, in the
// order of the archive.
func plan(run *flight.Run, attachments [][]byte, from flight.Blobs) ([]File, error) {
	l := &layout{
		from: from, roles: map[digest.Digest][]string{}, places: map[digest.Digest][]string{},
		taken: map[string]digest.Digest{}, dirs: map[string]bool{},
		begun: flight.Beginnings{},
	}
	for _, rec := range run.Records {
		if err := l.record(rec); err != nil {
			return nil, fmt.Errorf("record %d: %w", flight.Env(rec).N, err)
		}
	}
	for i, v := range attachments {
		if err := l.attachment(v); err != nil {
			return nil, fmt.Errorf("attachment %d: %w", i, err)
		}
	}
	l.place(run)
	return l.files()
}

// use notes that something names d.
func (l *layout) use(d digest.Digest, role string) {
	roles, known := l.roles[d]
	if !known {
		l.order = append(l.order, d)
	}
	if !slices.Contains(roles, role) {
		l.roles[d] = append(roles, role)
	}
}

// record notes the contents that a record names, and those that documents name
// in turn.
func (l *layout) record(rec flight.Record) error {
	for _, name := range flight.Names(nil, rec) {
		if err := l.name(rec, flight.Ref{Name: name}); err != nil {
			return fmt.Errorf("%s: %w", name.What, err)
		}
	}
	if rec, ok := rec.(*flight.Tail); ok {
		doc, err := l.from.Get(digest.Digest(rec.Ans))
		if err == nil {
			err = flight.CheckTail(rec, l.begun[rec.Call], doc)
		}
		if err != nil {
			return err
		}
	}
	l.begun.Add(rec)
	return nil
}

// name notes one content, holds it to what the document says that names it, and
// follows it when it is a document itself.
func (l *layout) name(rec flight.Record, ref flight.Ref) error {
	l.use(ref.Digest, role(rec, ref.What))
	size, err := l.size(ref.Digest)
	if err != nil {
		return err
	}
	var content []byte
	if ref.IsDoc() || size <= wire.MaxInline {
		if content, err = l.from.Get(ref.Digest); err != nil {
			return err
		}
	}
	if err := ref.Check(size, content); err != nil {
		return err
	}
	l.callDoc(rec, ref, content)
	if !ref.IsDoc() {
		return nil
	}
	refs, err := flight.ParseDoc(ref.Name, content)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if err := l.name(rec, r); err != nil {
			return err
		}
	}
	return nil
}

// role says what a content is to the record that names it, as what.
func role(rec flight.Record, what string) string {
	switch rec.(type) {
	case *flight.Open:
		if strings.HasPrefix(what, "file ") {
			return "mission"
		}
		return "rules"
	case *flight.Call:
		return requestRole(what)
	case *flight.Answer, *flight.Tail:
		return "answer" + strings.TrimPrefix(what, "ans")
	case *flight.End:
		return "result"
	}
	switch what {
	case "tree", "before", "after":
		return "footprint"
	case "wrote":
		return "undone"
	case "sha256":
		return flight.Env(rec).T
	}
	return what
}

func requestRole(what string) string {
	switch {
	case what == "req tree":
		return "footprint"
	case strings.HasPrefix(what, "req tree "), strings.HasPrefix(what, "req dotenv "):
		return "input"
	}
	return "request" + strings.TrimPrefix(what, "req")
}

// callDoc notes a document of a call, or what it names, for freeze/.
func (l *layout) callDoc(rec flight.Record, ref flight.Ref, content []byte) {
	var n int64
	var name string
	switch rec := rec.(type) {
	case *flight.Call:
		n = rec.N
		name = map[string]string{"req": "request.json", "req body": "request-body", "req stdin": "request-stdin"}[ref.What]
		if ref.What == "req body" && l.jsonBody {
			name += ".json"
		}
	case *flight.Answer:
		n = rec.Call
	case *flight.Tail:
		n = rec.Call
	default:
		return
	}
	switch ref.What {
	case "req":
		l.jsonBody = bytes.HasPrefix(content, []byte(`{"body":{"json":`))
	case "ans":
		name = "answer.json"
	case "ans body":
		name = "answer-body"
	}
	if name != "" {
		l.calls = append(l.calls, callDoc{ref.Digest, fmt.Sprintf("freeze/%04d-%s", n, name)})
	}
}

var errMissing = errors.New("a content is missing")

func (l *layout) size(d digest.Digest) (int64, error) {
	n, ok, err := l.from.Size(d)
	if err == nil && !ok {
		err = errMissing
	}
	return n, err
}

// attachment notes the contents that an attachment names, whatever it is: a
// member "tree" is a whole tree, any other digest a content if it is there.
func (l *layout) attachment(value []byte) error {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if o, ok := v.(map[string]any); ok && o["t"] == "environment" {
		return l.environment(value)
	}
	return l.value("", v)
}

func (l *layout) value(member string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := l.value(k, v[k]); err != nil {
				return err
			}
		}
	case []any:
		for _, x := range v {
			if err := l.value(member, x); err != nil {
				return err
			}
		}
	case string:
		d, err := digest.Parse(v)
		if err != nil {
			return nil // not a digest
		}
		return l.attached(d, member == "tree")
	}
	return nil
}

func (l *layout) attached(d digest.Digest, tree bool) error {
	if tree {
		names, err := snapshot.Names(l.from, d)
		if err != nil {
			return err
		}
		for _, n := range names {
			l.use(n, "workspace")
		}
		return nil
	}
	_, ok, err := l.from.Size(d)
	if ok {
		l.use(d, "workspace")
	}
	return err
}

// place gives each content the paths where it is.
func (l *layout) place(run *flight.Run) {
	open, seal := run.Records[0].(*flight.Open), run.Seal
	for _, f := range open.Mission.Files {
		l.put(f.SHA256, "mission/", f.Path)
	}
	for _, o := range seal.Outputs {
		if o.SHA256 != nil {
			l.put(*o.SHA256, "outputs/", o.Path)
		}
	}
	for _, rec := range run.Records {
		if in, ok := rec.(*flight.Input); ok && in.Kind == "file" && in.SHA256 != nil {
			l.put(*in.SHA256, "inputs/", in.Name)
		}
	}
	l.once(seal.Freeze, "freeze/manifest.json")
	if l.surroundings != nil {
		l.once(*l.surroundings, "environment.jsonl")
	}
	for _, c := range l.calls {
		l.once(c.digest, c.name)
	}
	for _, d := range l.order {
		l.once(d, "blobs/"+d.String())
	}
}

func (l *layout) once(d digest.Digest, name string) {
	if len(l.places[d]) == 0 {
		l.places[d] = []string{name}
	}
}

// put places d at a recorded path, if that can be a path everywhere and
// nothing is there yet.
func (l *layout) put(d digest.Digest, dir, path string) {
	name := dir + plain(path)
	if len(name) > maxPath || archive.CheckName(name) != nil {
		return
	}
	folded := archive.Fold(name)
	if _, ok := l.taken[folded]; ok || l.dirs[folded] {
		return
	}
	var parents []string
	for i := range folded {
		if folded[i] != '/' {
			continue
		}
		if _, ok := l.taken[folded[:i]]; ok {
			return
		}
		parents = append(parents, folded[:i])
	}
	for _, p := range parents {
		l.dirs[p] = true
	}
	l.taken[folded] = d
	l.places[d] = append(l.places[d], name)
}

// files returns the contents' files.
func (l *layout) files() ([]File, error) {
	var out []File
	for _, d := range l.order {
		size, ok, err := l.from.Size(d)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%s: %w", d.Short(), errMissing)
		}
		slices.Sort(l.roles[d])
		for _, path := range l.places[d] {
			out = append(out, File{Path: path, Roles: l.roles[d], SHA256: d, Size: size})
		}
	}
	return out, nil
}

// Limits of the spelling of a recorded path.
const (
	maxPart = 200
	maxPath = 900
)

// plain spells a recorded path so that it is one on every system; where it
// cannot be, the result is longer than maxPath.
func plain(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = plainPart(p)
		if n := len(parts[i]); n > maxPart || n == 0 {
			return strings.Repeat("-", maxPath+1)
		}
	}
	return strings.Join(parts, "/")
}

func plainPart(part string) string {
	var b strings.Builder
	for i := range len(part) {
		c := part[i]
		ends := i == len(part)-1 && (c == '.' || c == ' ')
		if archive.PlainByte(c) && !ends && !(i == 0 && archive.Reserved(part)) {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
