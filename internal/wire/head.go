package wire

import (
	"fmt"
	"strconv"

	"github.com/coo-runtime/coo/internal/canon"
)

// EncodeHead returns the document of the head of a program's answer, the
// status and headers that are released before the first byte of its body:
//
//	{"headers":[["content-type","text/event-stream"]],"status":200}
//
// Headers are sorted as those of an [Answer] are.
func EncodeHead(status int, headers [][2]string) ([]byte, error) {
	if err := checkHead(status, headers); err != nil {
		return nil, err
	}
	b, err := appendPairs([]byte(`{"headers":`), headers)
	if err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
	return append(b, '}'), nil
}

// ParseHead is the inverse of [EncodeHead] and accepts nothing else.
func ParseHead(doc []byte) (status int, headers [][2]string, err error) {
	s := canon.NewScanner(doc)
	s.Lit(`{"headers":`)
	headers = scanPairs(s)
	s.Lit(`,"status":`)
	n := s.Int()
	s.Lit("}")
	if n > 999 {
		s.Fail("a status out of range")
	}
	if err := s.End(); err != nil {
		return 0, nil, fmt.Errorf("head document: %w", err)
	}
	return int(n), headers, checkHead(int(n), headers)
}

func checkHead(status int, headers [][2]string) error {
	if status < 100 || status > 999 {
		return fmt.Errorf("head: status %d is outside 100 to 999", status)
	}
	return checkPairs(headers)
}
