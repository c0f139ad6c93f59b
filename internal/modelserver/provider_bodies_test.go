package modelserver

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
)

func ollamaChatBody(o options) string {
	return tags(
		fmt.Sprintf(`"model":%q,"stream":%v,"messages":[{"role":"user","content":%q}%s]`, o.model, o.stream, question,
			when(o.result != "", `,{"role":"assistant","content":""},{"role":"tool","tool_name":"tide","content":%q}`, o.result)),
		when(o.tools, `"tools":[{"type":"function","function":{"name":"tide","parameters":%s}}]`, toolSchema),
		when(o.limit > 0, `"options":{"num_predict":%d}`, o.limit),
		when(o.schema != "", `"format":%s`, o.schema),
	)
}

func ollamaGenerateBody(o options) string {
	return tags(
		fmt.Sprintf(`"model":%q,"stream":%v,"prompt":%q`, o.model, o.stream, question),
		when(o.limit > 0, `"options":{"num_predict":%d}`, o.limit),
		when(o.schema != "", `"format":%s`, o.schema),
	)
}

// ollamaPlain reads an answer. Ollama gives no ids: the time is one here.
func ollamaPlain(v any) said {
	out := said{
		id: str(v, "created_at"), model: str(v, "model"), text: str(v, "message", "content") + str(v, "response"),
		tool: str(v, "message", "tool_calls", 0, "function", "name"), finish: str(v, "done_reason"),
		in: num(v, "prompt_eval_count"), out: num(v, "eval_count"),
	}
	if out.tool != "" {
		out.args = string(encode(at(v, "message", "tool_calls", 0, "function", "arguments")))
	}
	out.all = out.in + out.out
	return out
}

func ollamaStream(t *testing.T, body []byte) said {
	t.Helper()
	var out said
	for _, v := range lineValues(t, body) {
		part := ollamaPlain(v)
		if out.finish != "" {
			t.Errorf("a line after the last one: %v", v)
		}
		part.text, part.tool, part.args = out.text+part.text, out.tool+part.tool, out.args+part.args
		out = part
	}
	return out
}

// lineValues are the lines of a stream.
func lineValues(t *testing.T, body []byte) []any {
	t.Helper()
	var out []any
	for line := range bytes.Lines(body) {
		out = append(out, parse(t, line))
	}
	return out
}

func converseBody(o options) string {
	return tags(
		fmt.Sprintf(`"system":[{"text":"Be brief."}],"messages":[{"role":"user","content":[{"text":%q}]}%s]`, question,
			when(o.result != "", `,{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":%q}]}}]}`, o.result)),
		when(o.tools, `"toolConfig":{"tools":[{"toolSpec":{"name":"tide","inputSchema":{"json":%s}}}]}`, toolSchema),
		when(o.limit > 0, `"inferenceConfig":{"maxTokens":%d}`, o.limit),
	)
}

// conversePlain reads an answer. Bedrock gives no id and no model in it.
func conversePlain(v any) said {
	m := at(v, "output", "message")
	out := said{
		id: string(encode(v)), model: "m-1", text: str(m, "content", 0, "text"), finish: str(v, "stopReason"),
		in: num(v, "usage", "inputTokens"), out: num(v, "usage", "outputTokens"), all: num(v, "usage", "totalTokens"),
	}
	if use := at(m, "content", 1, "toolUse"); use != nil {
		out.tool, out.args = str(use, "name"), string(encode(at(use, "input")))
	}
	return out
}

func converseStream(t *testing.T, body []byte) said {
	t.Helper()
	out := said{id: string(body), model: "m-1"}
	for _, v := range awsValues(t, body) {
		out.text += str(v, "delta", "text")
		out.tool += str(v, "start", "toolUse", "name")
		out.args += str(v, "delta", "toolUse", "input")
		out.finish += str(v, "stopReason")
		out.in += num(v, "usage", "inputTokens")
		out.out += num(v, "usage", "outputTokens")
		out.all += num(v, "usage", "totalTokens")
	}
	return out
}

func invokeBody(o options) string {
	o.stream = false
	return `{"anthropic_version":"bedrock-2023-05-31",` + messagesBody(o)[1:]
}

func invokeStream(t *testing.T, body []byte) said {
	t.Helper()
	var values []any
	for _, v := range awsValues(t, body) {
		b, err := base64.StdEncoding.DecodeString(str(v, "bytes"))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, parse(t, b))
	}
	return messagesBlocks(t, values)
}

// awsValues are the payloads of the messages of an AWS event stream.
func awsValues(t *testing.T, body []byte) []any {
	t.Helper()
	var out []any
	for len(body) > 0 {
		if len(body) < 16 || int(binary.BigEndian.Uint32(body)) > len(body) {
			t.Fatalf("a message in part: %q", body)
		}
		n, h := int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))
		if crc32.ChecksumIEEE(body[:8]) != binary.BigEndian.Uint32(body[8:]) {
			t.Fatalf("checksum of the lengths %q", body[:12])
		}
		if crc32.ChecksumIEEE(body[:n-4]) != binary.BigEndian.Uint32(body[n-4:]) {
			t.Fatalf("checksum of the message %q", body[:n])
		}
		out = append(out, parse(t, body[12+h:n-4]))
		body = body[n:]
	}
	return out
}
