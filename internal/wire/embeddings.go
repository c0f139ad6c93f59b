package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// readEmbeddings reads an answer of OpenAI's embeddings: numbers, or float32
// values in base64. What is told of vectors is how many there are and how long.
func readEmbeddings(a *Answer) (*Reply, error) {
	d := newDraft()
	var b struct {
		Model string `json:"model"`
		Data  []struct {
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
		Usage struct {
			Input *count `json:"prompt_tokens"`
		} `json:"usage"`
	}
	if err := decode(a.Body, &b); err != nil {
		return d.reply(), err
	}
	d.Model = b.Model
	d.usage(b.Usage.Input, nil)
	var vectors []json.RawMessage
	for _, e := range b.Data {
		vectors = append(vectors, e.Embedding)
	}
	d.vectors(vectors)
	return d.reply(), nil
}

// vectors says how many vectors there are: "2 embeddings of 16 dimensions".
func (d *draft) vectors(vectors []json.RawMessage) {
	if len(vectors) == 0 {
		return
	}
	noun := "embeddings"
	if len(vectors) == 1 {
		noun = "embedding"
	}
	fmt.Fprintf(&d.text, "%d %s of %d dimensions", len(vectors), noun, dimensions(vectors[0]))
}

func dimensions(vector json.RawMessage) int {
	var numbers []json.RawMessage
	if json.Unmarshal(vector, &numbers) == nil {
		return len(numbers)
	}
	packed := strings.TrimRight(jsonString(vector), "=")
	return base64.RawStdEncoding.DecodedLen(len(packed)) / 4
}
