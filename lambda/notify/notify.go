// Package notify is the port to the topic that tells people what they have to look at. One message may be sent more than
// once.
package notify

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/datatransferhub/dth/lambda/task"
)

// Send sends a message.
type Send func(ctx context.Context, m Message) error

// Message is what people are told. It holds no names of objects.
type Message struct {
	Task string // id
	Name string // of the task
	What string // has happened, as part of a sentence: its last run failed
	Why  string // "" when there is nothing to add
	Next string // what to do; "" when nothing is to be done
}

// About returns a message about a task in trouble.
func About(t *task.Task, what, why, next string) Message {
	return Message{Task: t.ID, Name: t.Name, What: what, Why: why, Next: next}
}

// maxSubject is the longest subject of a message, in characters of ASCII.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const maxSubject = 100

// Subject returns the message in one line of at most 100 characters of ASCII, as e-mail wants it.
func (m *Message) Subject() string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, fmt.Sprintf("Data Transfer Hub: task %s: %s", m.Name, m.What))
	if len(plain) > maxSubject {
		plain = plain[:maxSubject-3] + "..."
	}
	return plain
}

// maxText is how much of a reason is sent, in bytes.
const maxText = 4 << 10

// Text returns the whole message.
func (m *Message) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Task %s (%s): %s.\n", m.Name, m.Task, m.What)
	if m.Why != "" {
		fmt.Fprintf(&b, "\nReason: %s\n", cut(m.Why))
	}
	if m.Next != "" {
		fmt.Fprintf(&b, "\nNext step: %s\n", cut(m.Next))
	}
	return b.String()
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	for s = s[:maxText]; !utf8.ValidString(s); {
		s = s[:len(s)-1]
	}
	return s + "…"
}
