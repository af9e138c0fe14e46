package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/datatransferhub/dth/lambda/task"
)

// maxRequest bounds a request's body: 1,000 keys of 1,024 bytes, escaped.
const maxRequest = 8 << 20

// ServeHTTP executes the operation of a POST request with a JSON body of query, variables and operationName. Who asks is in
// the request's context: task.WithCaller.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		a.refuse(w, http.StatusMethodNotAllowed, "the API takes POST requests only")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		a.refuse(w, http.StatusUnsupportedMediaType, "the API takes bodies of type application/json only")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		a.refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxRequest))
		return
	}
	var p struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	if err != nil || json.Unmarshal(body, &p) != nil {
		a.refuse(w, http.StatusBadRequest, "the body is no JSON object of query, variables and operationName")
		return
	}
	a.answer(w, http.StatusOK, a.Do(r.Context(), graphql.RawParams{Query: p.Query, OperationName: p.OperationName, Variables: p.Variables, Headers: r.Header}))
}

func (a *API) refuse(w http.ResponseWriter, status int, message string) {
	text, _ := json.Marshal(&graphql.Response{Errors: gqlerror.List{{Message: message, Extensions: map[string]any{"code": string(task.Invalid)}}}}) // texts only
	a.answer(w, status, text)
}

func (a *API) answer(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		a.log.Debug("the caller went away before the answer", "error", err)
	}
}

// graphqlID is a name under which an error is found in the log.
func graphqlID() string { return "e-" + rand.Text()[:12] }
