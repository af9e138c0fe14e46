// Package hub speaks to a hub's API: to one on this machine, or to one in the cloud.
package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client executes operations. Authorize puts what proves who asks into each request, whose body is given for signatures.
type Client struct {
	URL       string
	Authorize func(r *http.Request, body []byte) error
	HTTP      *http.Client
}

// Error is one error of an answer.
type Error struct {
	Message    string `json:"message"`
	Extensions struct {
		Code   string `json:"code"`
		Next   string `json:"next"`
		Field  string `json:"field"`
		Others []struct {
			Field   string `json:"field"`
			Value   string `json:"value"`
			Message string `json:"message"`
		} `json:"others"`
	} `json:"extensions"`
	// AppSync has its own place for what a resolver adds.
	ErrorType string          `json:"errorType"`
	ErrorInfo json.RawMessage `json:"errorInfo"`
}

// Error implements error: the message, everything else that is wrong with the same arguments, and what to do now.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, o := range e.Extensions.Others {
		fmt.Fprintf(&b, "\n%s: %q: %s", o.Field, o.Value, o.Message)
	}
	if e.Extensions.Next != "" {
		b.WriteString("; " + e.Extensions.Next)
	}
	return b.String()
}

// Code returns the code of an error of a hub; "" for others.
func Code(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Extensions.Code
}

// ErrUnreachable says that no hub answered.
var ErrUnreachable = errors.New("the hub does not answer")

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// Do executes an operation and reads its data into out.
func (c *Client) Do(ctx context.Context, query string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("address of the hub: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := c.Authorize(r, body); err != nil {
		return err
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return read(resp.StatusCode, text, out)
}

func read(status int, text []byte, out any) error {
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []Error         `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("what answers is no hub: HTTP %d, %.100q", status, text)
	}
	if len(answer.Errors) > 0 {
		e := &answer.Errors[0]
		if e.Extensions.Code == "" && len(e.ErrorInfo) > 0 {
			_ = json.Unmarshal(e.ErrorInfo, &e.Extensions) // without it the message stands alone
		}
		return e
	}
	if status != http.StatusOK {
		return fmt.Errorf("the hub answers HTTP %d, %.100q", status, text)
	}
	return json.Unmarshal(answer.Data, out)
}
