// Goagent is the Go client of the proof: net/http, and nothing else. The
// Python and Node agents beside it do the same.
//
//	goagent [--bare] [SCENARIO …]
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// guides are the variables that lead a program to a proxy or to a certificate.
var guides = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}

const (
	question = "How high is the tide today?"
	ways     = 8 // of a fan-out
	schema   = `{"type":"object","properties":{"place":{"type":"string"},"day":{"type":"integer"}},"required":["place","day"]}`
)

func main() {
	names := os.Args[1:]
	if i := slices.Index(names, "--bare"); i >= 0 {
		names = slices.Delete(names, i, i+1)
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); slices.Contains(guides, strings.ToUpper(name)) {
				os.Unsetenv(name)
			}
		}
	}
	all := []struct {
		name string
		do   func() error
	}{{"tools", tools}, {"stream", stream}, {"cut", cut}, {"retry", retry}, {"fanout", fanout}}
	for _, s := range all {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		fmt.Println("==", s.name)
		if err := s.do(); err != nil {
			fmt.Fprintf(os.Stderr, "goagent: %s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
	fmt.Println("== end")
}

// A message is one of a conversation.
type message struct {
	Role       string `json:"role"`
	Content    string `json:"content"`
	ToolCalls  []call `json:"tool_calls,omitempty"`
	ToolCallID string `json:"tool_call_id,omitempty"`
}

type call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// post asks a model. The answer's body is the caller's to close.
func post(model string, messages []message, more map[string]any) (*http.Response, error) {
	body := map[string]any{"model": model, "messages": messages}
	for name, v := range more { // order: a map again, and sorted when it is written
		body[name] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	base := os.Getenv("AGENT_BASE")
	if base == "" {
		base = "https://api.openai.com"
	}
	r, err := http.NewRequest(http.MethodPost, base+"/v1/chat/completions", bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	r.Header.Set("content-type", "application/json")
	r.Header.Set("authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	return http.DefaultClient.Do(r)
}

// ask is post for a whole answer.
func ask(model string, messages []message, more map[string]any) (*message, error) {
	resp, err := post(model, messages, more)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct{ Choices []struct{ Message message } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || len(answer.Choices) == 0 {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	return &answer.Choices[0].Message, nil
}

func user(text string) []message { return []message{{Role: "user", Content: text}} }

func tools() error {
	offered := map[string]any{"tools": []any{map[string]any{
		"type":     "function",
		"function": map[string]any{"name": "tide", "parameters": json.RawMessage(schema)},
	}}}
	messages, calls := user(question), 0
	for {
		m, err := ask("sample-loop", messages, offered)
		if err != nil {
			return err
		}
		if len(m.ToolCalls) == 0 {
			fmt.Println(m.Content)
			break
		}
		messages = append(messages, *m)
		for _, c := range m.ToolCalls {
			fmt.Println(c.ID, c.Function.Arguments)
			messages = append(messages, message{Role: "tool", ToolCallID: c.ID, Content: strconv.Itoa(len(c.Function.Arguments)) + " m"})
			calls++
		}
	}
	if calls == 0 {
		return errors.New("no calls")
	}
	return nil
}

// lines prints the lines of a stream as they come, and returns what ended it.
func lines(model string) (last string, err error) {
	resp, err := post(model, user(question), map[string]any{"stream": true})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		if in.Text() != "" {
			last = in.Text()
			fmt.Println(last)
		}
	}
	return last, in.Err()
}

func stream() error {
	last, err := lines("gpt-5")
	if err == nil && last != "data: [DONE]" {
		return errors.New("the stream has no end")
	}
	return err
}

func cut() error {
	_, err := lines("sample-cut")
	if err == nil {
		return errors.New("the stream was not cut")
	}
	fmt.Println(err)
	return nil
}

func retry() error {
	for range 3 {
		resp, err := post("sample-429-once", user(question), nil)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		fmt.Printf("%d %s\n", resp.StatusCode, b)
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		ms, err := strconv.Atoi(resp.Header.Get("retry-after-ms"))
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	return errors.New("no answer")
}

func fanout() error {
	var texts [ways]string
	var failures [ways]error
	var group sync.WaitGroup
	for i := range ways {
		group.Go(func() {
			m, err := ask("gpt-5", user("Question "+strconv.Itoa(i)), nil)
			if failures[i] = err; err == nil {
				texts[i] = m.Content
			}
		})
	}
	group.Wait()
	for i, text := range texts {
		fmt.Println(i, text)
	}
	return errors.Join(failures[:]...)
}
