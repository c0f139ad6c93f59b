// Package wire holds HTTP exchanges as values: what makes two requests the
// same, answers as documents, event streams, views of LLM traffic, and the
// secrets that must not be in any of them. It does no I/O.
//
// A request is recorded as its document ([Request.Doc]), whose digest is the
// key by which the call finds a frozen answer:
//
//	{"body":{"json":"b2df6912…"},"headers":[["authorization","Bearer <secret OPENAI_API_KEY>"],["content-type","application/json"]],"kind":"http","method":"POST","url":"https://api.openai.com/v1/chat/completions"}
//
// and an answer as its own ([Answer.Encode]):
//
//	{"error":null,"headers":[["retry-after","1"]],"size":0,"status":429,"text":"","trailers":[]}
//
// Both are canonical JSON with one spelling; their readers refuse any other.
package wire

import "github.com/coo-runtime/coo/internal/digest"

// A Text is a string with secrets in it that are known by name only. It is
// the form in which URLs, headers and bodies of a request travel until the
// moment a live call leaves.
type Text []Part

// A Part is a literal, or the place of a secret.
type Part struct {
	Lit    string // with Secret: the value as the program wrote it, if Escape is AsSent
	Secret string // name; empty for a literal
	Escape Escape // how the value is escaped where it stands
}

// An Escape says how a secret's value is written where it stands.
type Escape uint8

// The escapes.
const (
	Raw    Escape = iota // as it is
	InJSON               // inside a JSON string
	InURL                // inside a URL
	// InBasic is for the user and password of RFC 7617: a run of parts with
	// this escape, literals among them, is one base64 text.
	InBasic
	// AsSent is for a value that the program itself wrote: it stays so.
	AsSent
)

// A Field is one header or trailer field. Names are lower-case.
type Field struct {
	Name  string
	Value Text
}

// A Request is a call as a mission makes it.
type Request struct {
	Method  string
	URL     Text
	Headers []Field
	Body    Text  // nil: none
	Timeout int64 // milliseconds; not part of its identity
	// Credentials are values that a program sent and that nobody knows by
	// name. They must not come back in the answer, and are stored nowhere.
	Credentials []string
}

// A Doc is a request document, the identity of a call, with the blobs it names.
type Doc struct {
	Key   digest.Call // the digest of Bytes
	Bytes []byte      // canonical JSON
	Body  []byte      // canonical body, named by Bytes; nil when there is none
}

// An Answer is what came back for a call. A failure is an answer too.
type Answer struct {
	Error    string // "", timeout, refused, unresolved, reset, tls, cut, limit, encoding, client
	Status   int
	Headers  [][2]string // names lower-case, sorted; same-name order kept
	Trailers [][2]string
	Body     []byte
	Lens     []int // lengths of the chunks as they came; only for event streams and program traffic
}
