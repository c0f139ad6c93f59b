package wire

import (
	"bytes"
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/coding"
)

// Plain returns a with its content codings undone, for showing: its body
// decoded, content-encoding and content-length gone, no chunks. Without a
// coding it is a itself. Of a body that ends early, is broken or becomes longer
// than [MaxBody] there is as much as could be decoded, and an error.
func Plain(a *Answer) (*Answer, error) {
	var values []string
	for _, h := range a.Headers {
		if h[0] == "content-encoding" {
			values = append(values, h[1])
		}
	}
	codings, err := coding.Parse(values)
	if err != nil {
		return a, err
	}
	if len(codings) == 0 {
		return a, nil
	}
	r, done, err := coding.Decode(bytes.NewReader(a.Body), codings)
	if err != nil {
		return a, err
	}
	defer done()
	out := *a
	out.Lens, out.Headers = nil, nil
	for _, h := range a.Headers {
		if h[0] != "content-encoding" && h[0] != "content-length" {
			out.Headers = append(out.Headers, h)
		}
	}
	if out.Body, err = io.ReadAll(io.LimitReader(r, MaxBody+1)); len(out.Body) > MaxBody {
		out.Body, err = out.Body[:MaxBody], fmt.Errorf("decoded body longer than %d bytes", MaxBody)
	}
	return &out, err
}
