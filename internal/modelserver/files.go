package modelserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"
)

// An upload is a file as a client sent it.
type upload struct {
	name, purpose string
	size          int
	sum           [sha256.Size]byte
}

// readUpload reads the form of OpenAI's POST /v1/files: a part "purpose" and a
// part "file" with a file name.
func readUpload(r *http.Request, body []byte) (*upload, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("content-type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, errors.New("content-type: not multipart/form-data with a boundary")
	}
	u := &upload{}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.New("body: not a whole form")
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return nil, errors.New("body: a part without an end")
		}
		switch part.FormName() {
		case "purpose":
			u.purpose = string(b)
		case "file":
			u.name, u.size, u.sum = part.FileName(), len(b), sha256.Sum256(b)
		}
	}
	if u.purpose == "" || u.name == "" {
		return nil, errors.New("purpose and file: Fields required")
	}
	return u, nil
}

// uploaded answers an upload. The digest is an addition of this server, so
// that a client can tell what came.
func (s *server) uploaded(x *exchange, f *directive) {
	x.d = chat{}
	u, err := readUpload(x.r, x.body)
	if err != nil {
		s.refuse(x, http.StatusBadRequest, err.Error())
		return
	}
	b := encode(object{
		"object", "file", "id", "file-" + randomText(22), "purpose", u.purpose, "filename", u.name,
		"bytes", u.size, "created_at", time.Now().Unix(), "expires_at", nil, "status", "processed",
		"status_details", nil, "sha256", hex.EncodeToString(u.sum[:]),
	})
	s.send(x, &message{status: http.StatusOK, kind: "application/json", frames: [][]byte{b}}, f)
}

// isUpload tells whether a request is an upload.
func isUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/v1/files" || r.URL.Path == "/files")
}
