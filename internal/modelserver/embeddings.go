package modelserver

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
)

// embeddings is OpenAI's POST /v1/embeddings.
type embeddings struct{ openAI }

// usualDimensions is the length of a vector when the request names none.
const usualDimensions = 16

func (embeddings) read(_ *http.Request, body []byte) (*ask, error) {
	var q struct {
		Model          string
		Input          json.RawMessage
		Dimensions     int
		EncodingFormat string `json:"encoding_format"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.EncodingFormat != "" && q.EncodingFormat != "float" && q.EncodingFormat != "base64" {
		return nil, errors.New("encoding_format: neither float nor base64")
	}
	a := &ask{model: q.Model, packed: q.EncodingFormat == "base64"}
	return a, a.embed(q.Input, q.Dimensions)
}

// embed reads what is to be embedded: a text, or a list of texts; or tokens,
// or a list of lists of them.
func (a *ask) embed(input json.RawMessage, dimensions int) error {
	if dimensions < 0 || dimensions > 1<<14 {
		return errors.New("dimensions: not between 1 and 16384")
	}
	if a.dimensions = dimensions; dimensions == 0 {
		a.dimensions = usualDimensions
	}
	var text string
	var list []json.RawMessage
	var numbers []int
	switch {
	case json.Unmarshal(input, &text) == nil:
		a.prompt, a.inputs = text, 1
	case json.Unmarshal(input, &numbers) == nil && len(numbers) > 0:
		a.inputs = 1
	case json.Unmarshal(input, &list) == nil:
		a.prompt, a.inputs = textOf(input), len(list)
	}
	return a.check(a.inputs)
}

// vector is a random direction: a vector of length 1.
func (a *ask) vector() []float32 {
	v := make([]float32, a.dimensions)
	sum := 0.0
	for i := range v {
		v[i] = float32(between(-1_000_000, 1_000_000)) / 1_000_000
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(max(sum, 1e-12)))
	}
	return v
}

func (embeddings) plain(a *ask, y *reply) []byte {
	data := []any{}
	for i := range a.inputs {
		var value any = a.vector()
		if a.packed {
			value = pack(a.vector())
		}
		data = append(data, object{"object", "embedding", "index", i, "embedding", value})
	}
	return encode(object{
		"object", "list", "data", data, "model", a.model,
		"usage",
		object{"prompt_tokens", y.in, "total_tokens", y.in},
	})
}

// pack is a vector as base64 of little-endian float32 values.
func pack(v []float32) string {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// stream is never asked for: vectors come in one piece.
func (e embeddings) stream(a *ask, y *reply) [][]byte { return [][]byte{e.plain(a, y)} }

func (embeddings) troubleEvent(*ask, int) []byte { return nil }
