package notify_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/task"
)

func TestMessage(t *testing.T) {
	of := task.Task{ID: "t-1", Settings: task.Settings{Name: "Größe\nzwei"}}
	m := notify.About(&of, "its stack could not be created", "Workers: no capacity", "clone the task")
	if got, want := m.Subject(), "Data Transfer Hub: task Gr??e?zwei: its stack could not be created"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if got, want := m.Text(), "Task Größe\nzwei (t-1): its stack could not be created.\n\nReason: Workers: no capacity\n\nNext step: clone the task\n"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	m = notify.Message{Name: strings.Repeat("ä", 200), What: "x", Why: strings.Repeat("ö", 5000)}
	if s, text := m.Subject(), m.Text(); len(s) != 100 || len(text) > 5000 || !utf8.ValidString(text) || strings.Contains(text, "Next") {
		t.Errorf("%d bytes of subject, %d of text", len(s), len(text))
	}
}
