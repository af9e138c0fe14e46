package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
)

// maxLog is how large a task's log grows before it begins anew; the one before is kept.
const maxLog = 64 << 20

// TaskLogs keeps a log file for each task, and implements task.Logs on them.
type TaskLogs struct {
	dir string

	mu   sync.Mutex
	open map[string]*taskLog
}

type taskLog struct {
	file *os.File
	size int64
}

var _ task.Logs = (*TaskLogs)(nil)

// OpenTaskLogs keeps the files in a folder, which it makes when it is new.
func OpenTaskLogs(dir string) (*TaskLogs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the logs: %w", err)
	}
	return &TaskLogs{dir: dir, open: map[string]*taskLog{}}, nil
}

// Handler returns a handler that writes records with an attribute task into that task's file, and passes all on.
func (l *TaskLogs) Handler(also slog.Handler) slog.Handler { return &taskHandler{logs: l, also: also} }

// Close closes the files.
func (l *TaskLogs) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all error
	for _, f := range l.open {
		all = errors.Join(all, f.file.Close())
	}
	clear(l.open)
	return all
}

// Forget removes a task's logs.
func (l *TaskLogs) Forget(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.open[name]; f != nil {
		_ = f.file.Close() // it is removed
		delete(l.open, name)
	}
	for _, path := range l.paths(name) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing a log: %w", err)
		}
	}
	return nil
}

// paths are the files of a task, the older first.
func (l *TaskLogs) paths(name string) []string {
	return []string{filepath.Join(l.dir, name+".1.jsonl"), filepath.Join(l.dir, name+".jsonl")}
}

func (l *TaskLogs) write(name string, line []byte) error {
	if !taskName.MatchString(name) {
		return nil // no task of this hub
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.open[name]
	paths := l.paths(name)
	if f != nil && f.size+int64(len(line)) > maxLog {
		if err := errors.Join(f.file.Close(), os.Rename(paths[1], paths[0])); err != nil {
			return err
		}
		f = nil
	}
	if f == nil {
		file, err := os.OpenFile(paths[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return errors.Join(err, file.Close())
		}
		f = &taskLog{file: file, size: info.Size()}
		l.open[name] = f
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return err
}

// taskHandler writes what belongs to a task into its file.
type taskHandler struct {
	logs *TaskLogs
	also slog.Handler
	task string
	with []func(slog.Handler) slog.Handler // attributes and groups, in order
}

// Enabled implements slog.Handler.
func (h *taskHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.task != "" && level >= slog.LevelInfo || h.also.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *taskHandler) Handle(ctx context.Context, r slog.Record) error {
	var all error
	if h.task != "" && r.Level >= slog.LevelInfo {
		var line bytes.Buffer
		var to slog.Handler = slog.NewJSONHandler(&line, nil)
		for _, with := range h.with {
			to = with(to)
		}
		if all = to.Handle(ctx, r); all == nil {
			all = h.logs.write(h.task, line.Bytes())
		}
	}
	if h.also.Enabled(ctx, r.Level) {
		all = errors.Join(all, h.also.Handle(ctx, r))
	}
	return all
}

// WithAttrs implements slog.Handler.
func (h *taskHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
	for _, a := range attrs {
		if a.Key == "task" {
			next.task = a.Value.String()
		}
	}
	return next
}

// WithGroup implements slog.Handler.
func (h *taskHandler) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *taskHandler) and(with func(slog.Handler) slog.Handler) *taskHandler {
	next := *h
	next.also = with(h.also)
	next.with = append(h.with[:len(h.with):len(h.with)], with)
	return &next
}

// Streams implements task.Logs: one stream, since one process does all.
func (l *TaskLogs) Streams(_ context.Context, t task.Task, source task.LogSource, _ int, _ string) (task.Streams, error) {
	s := task.Stream{Name: "this machine"}
	err := l.each(t.ID, func(line *logLine, _ []byte) bool {
		if line.source() == source {
			if s.First.IsZero() {
				s.First = line.Time
			}
			s.End = line.Time
		}
		return true
	})
	if err != nil || s.First.IsZero() {
		return task.Streams{}, err
	}
	return task.Streams{Streams: []task.Stream{s}}, nil
}

// Lines implements task.Logs.
func (l *TaskLogs) Lines(_ context.Context, t task.Task, q task.LogQuery) (task.Lines, error) {
	after, err := parseLogCursor(q.After)
	if err != nil {
		return task.Lines{}, err
	}
	var page task.Lines
	at := logCursor{}
	err = l.each(t.ID, func(line *logLine, text []byte) bool {
		if at.at.Equal(line.Time) {
			at.n++
		} else {
			at = logCursor{line.Time, 0}
		}
		switch {
		case line.source() != q.Source, line.Time.Before(q.From), !line.Time.Before(q.To), !at.after(after), !bytes.Contains(text, []byte(q.Text)) && !strings.Contains(line.Key, q.Text):
			return true
		case len(page.Lines) == q.First:
			last := page.Lines[q.First-1]
			page.Next = logCursor{last.At, after.n}.String()
			return false
		}
		page.Lines = append(page.Lines, task.Line{At: line.Time, Stream: "this machine", Text: string(text)})
		after.n = at.n
		return true
	})
	return page, err
}

// logLine is what of a line is looked at.
type logLine struct {
	Time   time.Time `json:"time"`
	Worker string    `json:"worker"`
	Msg    string    `json:"msg"`
	Key    string    `json:"key"`
}

func (l *logLine) source() task.LogSource {
	if l.Worker != "" || l.Msg == "object" {
		return task.WorkerLog
	}
	return task.FinderLog
}

// each calls f with every line of a task's files, in order, until f returns false. A line that cannot be read is left out: a
// crash cut it off.
func (l *TaskLogs) each(name string, f func(line *logLine, text []byte) bool) error {
	for _, path := range l.paths(name) {
		file, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading a log: %w", err)
		}
		more, err := eachLine(file, f)
		_ = file.Close() // it was read only
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func eachLine(r io.Reader, f func(line *logLine, text []byte) bool) (more bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := b.ReadBytes('\n')
		var line logLine
		if len(text) > 0 && err == nil && json.Unmarshal(text, &line) == nil && !f(&line, bytes.TrimRight(text, "\n")) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading a log: %w", err)
		}
	}
}

// logCursor is the place of a line: its time, and its number among those of the same time.
type logCursor struct {
	at time.Time
	n  int
}

func (c logCursor) String() string {
	return c.at.UTC().Format(time.RFC3339Nano) + " " + strconv.Itoa(c.n)
}

func (c logCursor) after(o logCursor) bool {
	return c.at.After(o.at) || c.at.Equal(o.at) && c.n > o.n
}

func parseLogCursor(text string) (c logCursor, err error) {
	if text == "" {
		return c, nil
	}
	at, n, _ := strings.Cut(text, " ")
	if c.at, err = time.Parse(time.RFC3339Nano, at); err == nil {
		c.n, err = strconv.Atoi(n)
	}
	if err != nil {
		return c, task.ErrCursor
	}
	return c, nil
}
