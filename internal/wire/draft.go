package wire

import "strings"

// A draft is a reply that is being put together from the pieces of a stream,
// in linear time however many there are.
type draft struct {
	Reply
	text  strings.Builder
	calls []*draftCall
	index map[int]*draftCall
}

type draftCall struct {
	id         string
	name, args strings.Builder
}

func newDraft() *draft {
	return &draft{Reply: Reply{InputTokens: -1, OutputTokens: -1}, index: map[int]*draftCall{}}
}

// call adds a whole tool call.
func (d *draft) call(c ToolCall) {
	dc := &draftCall{id: c.ID}
	dc.name.WriteString(c.Name)
	dc.args.WriteString(c.Arguments)
	d.calls = append(d.calls, dc)
}

// piece joins c to the tool call with the same index.
func (d *draft) piece(index int, c ToolCall) {
	dc := d.index[index]
	if dc == nil {
		d.call(c)
		d.index[index] = d.calls[len(d.calls)-1]
		return
	}
	if c.ID != "" {
		dc.id = c.ID
	}
	dc.name.WriteString(c.Name)
	dc.args.WriteString(c.Arguments)
}

// usage takes the numbers that are told.
func (d *draft) usage(in, out *count) {
	if in != nil {
		d.InputTokens = int64(*in)
	}
	if out != nil {
		d.OutputTokens = int64(*out)
	}
}

// reply returns what there is so far. Tool calls are in the order in which
// they began; one without arguments has "{}".
func (d *draft) reply() *Reply {
	r := d.Reply
	r.Text = d.text.String()
	for _, c := range d.calls {
		args := c.args.String()
		if args == "" {
			args = "{}"
		}
		r.ToolCalls = append(r.ToolCalls, ToolCall{c.id, c.name.String(), args})
	}
	return &r
}
