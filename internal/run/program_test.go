package run_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A node is one thing that a generated mission does. Its children are the
// bodies of the functions it runs.
type node struct {
	kind   string
	prompt int // which of a few prompts, so that equal calls are common
	kids   [][]*node
}

// leaves are the kinds of node that hold no other; calls come more than once
// because they are what matters.
var leaves = []string{
	"call", "call", "call", "depends", "retry", "stream", "events", "redirect", "cut", "refused",
	"write", "rewrite", "read", "list", "sleep", "clock", "random", "print", "env",
}

// generate makes the body of one function.
func generate(r *rand.Rand, depth int) []*node {
	var out []*node
	for range 2 + r.IntN(4) {
		n := &node{prompt: r.IntN(4)}
		switch k := r.IntN(10); {
		case depth > 0 && k < 2:
			n.kind = "parallel"
			width := 2 + r.IntN(3)
			body := generate(r, depth-1)
			for range width {
				if r.IntN(2) == 0 { // else: the same function again
					body = generate(r, depth-1)
				}
				n.kids = append(n.kids, body)
			}
		case depth > 0 && k < 4:
			n.kind = []string{"step", "attempt", "failing"}[r.IntN(3)]
			n.kids = [][]*node{generate(r, depth-1)}
		default:
			n.kind = leaves[r.IntN(len(leaves))]
		}
		out = append(out, n)
	}
	return out
}

// change makes another mission of a body: some calls ask something else, some
// are gone, some are new.
func change(r *rand.Rand, body []*node) []*node {
	var out []*node
	for _, n := range body {
		c := &node{kind: n.kind, prompt: n.prompt}
		switch k := r.IntN(12); {
		case k == 0 && len(n.kids) == 0:
			continue
		case k == 1:
			out = append(out, &node{kind: "call", prompt: r.IntN(8)})
		case k < 4:
			c.prompt = 4 + r.IntN(4)
		}
		changed := map[*node][]*node{} // equal bodies stay equal
		for _, kid := range n.kids {
			body, ok := changed[kid[0]]
			if !ok {
				body = change(r, kid)
				changed[kid[0]] = body
			}
			c.kids = append(c.kids, body)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, &node{kind: "call"})
	}
	return out
}

// A script renders nodes as the source of a mission.
type script struct {
	b strings.Builder
	n int // functions so far
}

// source returns a mission that does body and, if fails, fails at its end.
func source(body []*node, fails bool) string {
	var s script
	s.b.WriteString("load(\"lib/ask.star\", \"ask\", \"retry\", \"row\")\n\ndef main(coo, topic):\n")
	s.body(body, "    ")
	if fails {
		s.b.WriteString("    coo.fail(\"so it ends: %d\" % len(str(out)))\n")
	}
	s.b.WriteString("    return out\n")
	return s.b.String()
}

func (s *script) line(indent, format string, args ...any) {
	fmt.Fprintf(&s.b, indent+format+"\n", args...)
}

// body renders what one function does; the caller renders its return.
func (s *script) body(body []*node, indent string) {
	s.line(indent, "out = []")
	for _, n := range body {
		s.node(n, indent)
	}
}

// function renders a function and returns its name.
func (s *script) function(body []*node, indent, end string) string {
	s.n++
	name := fmt.Sprintf("f%d", s.n)
	s.line(indent, "def %s():", name)
	s.body(body, indent+"    ")
	s.line(indent+"    ", end)
	return name
}

func (s *script) node(n *node, indent string) {
	const keep = "return out"
	switch n.kind {
	case "parallel":
		names := map[*node]string{} // equal bodies are one function, run several times
		var list []string
		for _, kid := range n.kids {
			name, ok := names[kid[0]]
			if !ok {
				name = s.function(kid, indent, keep)
				names[kid[0]] = name
			}
			list = append(list, name)
		}
		s.line(indent, "out.append(coo.parallel([%s]))", strings.Join(list, ", "))
	case "step":
		name := s.function(n.kids[0], indent, keep)
		s.line(indent, "out.append(coo.step(\"step %d\", %s))", s.n, name)
	case "attempt", "failing":
		end := keep
		if n.kind == "failing" {
			end = "coo.fail(\"wanted: %d\" % len(str(out)))"
		}
		name := s.function(n.kids[0], indent, strings.ReplaceAll(end, "%", "%%"))
		s.line(indent, "a = coo.attempt(%s)", name)
		s.line(indent, "out.append([a.ok, a.value, a.error])")
	default:
		for line := range strings.Lines(leafSource[n.kind]) {
			line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "PROMPT", fmt.Sprintf("prompt %d", n.prompt))
			s.b.WriteString(indent + line + "\n")
		}
	}
}

// leafSource is what each leaf does. Names of files come from coo.uuid, so
// that branches do not meet in them.
var leafSource = map[string]string{
	"call":     `out.append(row(ask(coo, "PROMPT")))`,
	"depends":  `out.append(row(ask(coo, "PROMPT, after %d" % (len(str(out)) % 3))))`,
	"retry":    `out.append(retry(coo, "PROMPT"))`,
	"stream":   `out.append(row(ask(coo, "PROMPT", stream = True)))`,
	"events":   `out.append([e.data for e in ask(coo, "PROMPT", stream = True).events()][:3])`,
	"redirect": `out.append(row(ask(coo, "PROMPT", sample = "redirect; hops=2")))`,
	"cut":      `out.append(row(ask(coo, "PROMPT", sample = "cut", stream = True)))`,
	"refused":  `out.append(coo.http("GET", "http://nobody.test/PROMPT").error)`,
	"write":    "path = \"out/%s.txt\" % coo.uuid()\ncoo.write(path, str(out))\nout.append(len(coo.read(path)))",
	"rewrite":  "path = \"out/%s.txt\" % coo.uuid()\nfor i in range(2):\n    coo.write(path, str(i))\ncoo.remove(path)",
	"read":     `out.append(coo.read("notes.txt"))`,
	"list":     `out.append(coo.list("*.txt"))`,
	"sleep":    `coo.sleep(0.002)`,
	"clock":    `out.append([coo.now(), coo.unix()])`,
	"random":   `out.append([coo.random.int(0, 1000), coo.random.float(), coo.uuid(), coo.random.shuffle([1, 2, 3, 4])])`,
	"print":    `print("at", len(str(out)))`,
	"env":      `out.append(coo.env("COO_RERUN_TOPIC"))`,
}

// library is the file that every generated mission loads.
const library = `
def ask(coo, prompt, sample = "", stream = False):
    headers = {"x-request-id": coo.uuid()}
    if sample:
        headers["x-sample"] = sample
    return coo.http("POST", "http://model.test/v1/chat/completions", headers = headers, json = {
        "model": "sample-small", "max_tokens": 16, "stream": stream,
        "messages": [{"role": "user", "content": prompt}],
    })

def retry(coo, prompt):
    seen = []
    for i in range(5):
        a = ask(coo, prompt, sample = "429-once")
        seen.append(a.status)
        if a.status != 429:
            return [seen, a.text]
        coo.sleep(0.001 * (i + 1))
    return seen

def row(a):
    return [a.status, a.error, a.text, a.headers.get("content-type")]
`
