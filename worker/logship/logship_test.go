package logship_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/logship"
)

// Lines arrive in the order of their own times, and each is echoed at once.
func TestLinesHaveTheirOwnTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, echo := newService(t), &buffer{}
		log := open(t, s, func(c *logship.Config) { c.Echo = echo })
		arrived := time.Now().UnixMilli()
		want := []logship.Event{
			{Millis: 946684700000, Text: `{"Memory":1,"_aws":{"CloudWatchMetrics":[],"Timestamp":946684700000}}`},
			{Millis: 946684790123, Text: `{"time":"1999-12-31T23:59:50.123456789Z","level":"INFO","msg":"m"}`},
			{Millis: arrived, Text: `no JSON at all`},
			{Millis: arrived, Text: `{"time":"yesterday","_aws":{"Timestamp":"x"}}`},
			{Millis: arrived, Text: `{"TIME":"1999-12-31T23:59:50Z","_aws":[]}`},
			{Millis: arrived, Text: `{"time":"0001-01-01T00:00:00Z","_aws":{"Timestamp":-1}}`},
			{Millis: arrived, Text: "no UTF-8: \uFFFD"},
		}
		written := ""
		for _, i := range []int{2, 3, 1, 4, 5, 0, 6} {
			line := strings.ReplaceAll(want[i].Text, "\uFFFD", "\xff")
			written += line + "\n"
			write(t, log, line)
		}
		if echo.String() != written {
			t.Errorf("the echo is\n%s", echo.String())
		}
		closing(t, log)
		if got := s.streams["this"]; !slices.Equal(got, want) {
			t.Errorf("arrived:\n%+v\nwant:\n%+v", got, want)
		}
	})
}

// Whatever the writes are, each line is an event; empty ones are none, and the last needs no end.
func TestLinesAreTakenApart(t *testing.T) {
	s := newService(t)
	log := open(t, s, nil)
	for _, part := range []string{"\none\ntw", "o\r\n\n", "thr", "e", "e\nfour"} {
		if n, err := log.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	closing(t, log)
	same(t, s.texts("this"), []string{"one", "two", "three", "four"})
	if n, err := log.Write([]byte("late\n")); n != 0 || err == nil {
		t.Errorf("a line after the end: %d, %v", n, err)
	}
	closing(t, log) // a second time does nothing
}

func TestLongLinesAreCut(t *testing.T) {
	s := newService(t)
	log := open(t, s, nil)
	long := strings.Repeat("é", 600_000)
	write(t, log, long)
	closing(t, log)
	got := s.texts("this")
	if len(got) != 1 || len(got[0]) > logship.MaxText || len(got[0]) < logship.MaxText-2 || !strings.HasSuffix(got[0], "é [cut: the line has 1200000 bytes]") {
		t.Fatalf("%d lines; the first ends with %q", len(got), got[0][len(got[0])-50:])
	}
}

// A full batch does not wait, and many batches keep their order.
func TestManyLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		log := open(t, s, func(c *logship.Config) { c.Every = 24 * time.Hour })
		lines := numbered(0, 100_000)
		write(t, log, lines...)
		synctest.Wait()
		if n := len(s.texts("this")); n < 30_000 {
			t.Errorf("%d lines arrived before their time", n)
		}
		closing(t, log)
		same(t, s.texts("this"), lines)
	})
}

func TestManyWriters(t *testing.T) {
	s := newService(t)
	log := open(t, s, func(c *logship.Config) { c.Every = time.Millisecond })
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 500 {
				_, _ = fmt.Fprintf(log, "writer %d line %d\n", w, i)
			}
		})
	}
	writers.Wait()
	closing(t, log)
	got := s.texts("this")
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != 4000 {
		t.Errorf("%d lines arrived, want 4000", n)
	}
}

// What passes by itself costs nothing; what does not is said, and nothing is lost.
func TestServiceThatFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails int
		said  int
	}{
		{"once", 1, 0},
		{"twice", 2, 0},
		{"for an hour", 120, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				s.set(down(tt.fails))
				log := open(t, s, nil)
				lines := numbered(0, 100)
				write(t, log, lines...)
				time.Sleep(3 * time.Hour)
				same(t, s.texts("this"), lines)
				waits, again := s.said("this", "the log cannot be shipped; it waits in its spool"), s.said("this", "the log is shipped again")
				if len(waits) != tt.said || len(again) != tt.said || tt.said > 0 && waits[0]["error"] != errDown.Error() {
					t.Errorf("it is said %v and %v", waits, again)
				}
				closing(t, log)
			})
		})
	}
}

// An answer that is lost makes lines arrive twice, never not at all.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.set(func(_ context.Context, call int, _ []logship.Event) (bool, logship.Rejected, error) {
			if call%2 == 1 {
				return true, logship.Rejected{}, errDown
			}
			return true, logship.Rejected{}, nil
		})
		log := open(t, s, nil)
		lines := numbered(0, 10)
		write(t, log, lines...)
		closing(t, log)
		same(t, s.texts("this"), append(slices.Clone(lines), lines...))
	})
}

type permanent struct{ error }

func (permanent) Permanent() bool { return true }

// A batch that is refused for good, and events that are rejected, hold nothing up, and are counted in the log.
func TestRefusedLines(t *testing.T) {
	for _, tt := range []struct {
		name     string
		taken    bool
		rejected logship.Rejected
		err      error
		want     map[string]any
	}{
		{"batch", false, logship.Rejected{}, permanent{errors.New("unheard of")}, map[string]any{"lines": 20.0, "refused": 20.0, "error": "unheard of"}},
		{"events", true, logship.Rejected{Old: 3, New: 2}, nil, map[string]any{"lines": 5.0, "tooOld": 3.0, "tooNew": 2.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				s.set(func(_ context.Context, call int, _ []logship.Event) (bool, logship.Rejected, error) {
					if call == 1 {
						return tt.taken, tt.rejected, tt.err
					}
					return true, logship.Rejected{}, nil
				})
				log := open(t, s, nil)
				write(t, log, numbered(0, 20)...)
				time.Sleep(time.Minute)
				after := numbered(20, 30)
				write(t, log, after...)
				closing(t, log)
				got, said := s.texts("this"), s.said("this", "lines of the log are lost")
				same(t, got[len(got)-10:], after)
				if len(said) != 1 {
					t.Fatalf("losses are told %d times", len(said))
				}
				for name, want := range tt.want {
					if said[0][name] != want {
						t.Errorf("%s is %v, want %v", name, said[0][name], want)
					}
				}
			})
		})
	}
}

// Where nothing is ever taken, the word about it is not taken either; it does not make itself into a flood.
func TestWordOfLossesIsNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.set(func(_ context.Context, _ int, events []logship.Event) (bool, logship.Rejected, error) {
			return false, logship.Rejected{New: len(events)}, nil
		})
		log := open(t, s, nil)
		write(t, log, "line")
		time.Sleep(time.Hour)
		closing(t, log)
		if n := s.called(); n < 2 || n > 70 {
			t.Errorf("%d calls in an hour", n)
		}
	})
}

// While the service is down the newest lines are kept, as many as there is room for, and the log says how many are missing.
func TestSpoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newService(t), t.TempDir()
		s.set(down(-1))
		log := open(t, s, func(c *logship.Config) { c.Dir, c.Limit = dir, 4<<20 })
		var lines []string
		for i := range 10_000 {
			lines = append(lines, fmt.Sprintf("%06d %s", i, strings.Repeat("x", 1000)))
		}
		write(t, log, lines...)
		if size := sizeOf(t, dir); size > 4<<20 {
			t.Errorf("the spool has %d bytes", size)
		}
		s.set(nil)
		time.Sleep(2 * time.Minute)
		closing(t, log)
		got, said := s.texts("this"), s.said("this", "lines of the log are lost")
		if len(said) != 1 || said[0]["spoolFull"] != float64(len(lines)-len(got)) || len(got) < 3000 {
			t.Fatalf("%d of %d lines arrived; said is %v", len(got), len(lines), said)
		}
		// What was being shipped when the service went down stays; then there is one gap.
		tail := slices.Index(lines, got[len(got)-1])
		if tail != len(lines)-1 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("the newest lines are not there, or there is no order: the last is %.10q", got[len(got)-1])
		}
	})
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// What a process that was killed has written is shipped by the next one, to the stream of the former; a line that was torn
// is counted.
func TestNextStartShipsTheRest(t *testing.T) {
	away, s, dir, killed := newService(t), newService(t), t.TempDir(), t.TempDir()
	away.set(down(-1))
	log := open(t, away, func(c *logship.Config) { c.Dir, c.Stream = dir, "former" })
	lines := numbered(0, 1000)
	write(t, log, lines...)
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil { // the disk at this moment
		t.Fatal(err)
	}
	newest, err := filepath.Glob(filepath.Join(killed, "*.log"))
	if err != nil || len(newest) == 0 {
		t.Fatalf("the spool has %v, %v", newest, err)
	}
	f, err := os.OpenFile(newest[len(newest)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("946684700000 torn"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	next := open(t, s, func(c *logship.Config) { c.Dir, c.Stream = killed, "next" })
	write(t, next, "mine")
	closing(t, next)
	same(t, s.texts("former"), lines)
	same(t, s.texts("next"), []string{"mine"})
	if said := s.said("next", "lines of the log are lost"); len(said) != 1 || said[0]["unreadable"] != 1.0 {
		t.Errorf("of the torn line is said: %v", said)
	}
	if left, err := filepath.Glob(filepath.Join(killed, "*.log")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	away.set(nil)
	closing(t, log)
}

// The end of a program waits for the service no longer than its caller; the lines wait for the next start.
func TestCloseEndsInTime(t *testing.T) {
	for name, answer := range map[string]func(context.Context, int, []logship.Event) (bool, logship.Rejected, error){
		"down": down(-1),
		"silent": func(ctx context.Context, _ int, _ []logship.Event) (bool, logship.Rejected, error) {
			<-ctx.Done()
			return false, logship.Rejected{}, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, dir := newService(t), t.TempDir()
				s.set(answer)
				log := open(t, s, func(c *logship.Config) { c.Dir = dir })
				lines := numbered(0, 50)
				write(t, log, lines...)
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begin := time.Now()
				err := log.Close(ctx)
				if err == nil || !strings.Contains(err.Error(), dir) || time.Since(begin) != 10*time.Second { // of the test's clock
					t.Errorf("%v after %s", err, time.Since(begin))
				}
				s.set(nil)
				next := open(t, s, func(c *logship.Config) { c.Dir = dir })
				closing(t, next)
				same(t, s.texts("this"), lines)
			})
		})
	}
}

// Who ends does not wait until a long backoff is over.
func TestCloseTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.set(down(-1))
		log := open(t, s, nil)
		write(t, log, "line")
		time.Sleep(time.Hour)
		s.set(nil)
		begin := time.Now()
		closing(t, log)
		if d := time.Since(begin); d != 0 { // of the test's clock
			t.Errorf("it waited %s", d)
		}
		same(t, s.texts("this"), []string{"line"})
	})
}

// A disk that takes nothing fails the write, and the log says so when it can again.
func TestDiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newService(t), filepath.Join(t.TempDir(), "spool")
		log := open(t, s, func(c *logship.Config) { c.Dir = dir })
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if n, err := log.Write([]byte("lost\n")); n != 0 || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d, %v", n, err)
			}
		}
		time.Sleep(time.Minute)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, log, "kept")
		if _, err := log.Write([]byte("kept too\n")); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		closing(t, log)
		same(t, s.texts("this"), []string{"kept", "kept too"})
	})
}

func TestOpenRefuses(t *testing.T) {
	s := newService(t)
	used := t.TempDir()
	log := open(t, s, func(c *logship.Config) { c.Dir = used })
	defer closing(t, log)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*logship.Config)
		says   string
	}{
		"used":     {func(c *logship.Config) { c.Dir = used }, "another process"},
		"a file":   {func(c *logship.Config) { c.Dir = file }, file},
		"small":    {func(c *logship.Config) { c.Limit = 1 }, "4194304"},
		"unnamed":  {func(c *logship.Config) { c.Stream = "" }, "1 to 512"},
		"long":     {func(c *logship.Config) { c.Stream = strings.Repeat("x", 513) }, "1 to 512"},
		"colon":    {func(c *logship.Config) { c.Stream = "a:b" }, "colon"},
		"asterisk": {func(c *logship.Config) { c.Stream = "a*b" }, "asterisk"},
	} {
		cfg := logship.Config{Sink: s, Stream: "this", Dir: t.TempDir()}
		tt.change(&cfg)
		if log, err := logship.Open(cfg); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
			if log != nil {
				closing(t, log)
			}
		}
	}
}

// What is in the folder and no segment is left alone; a segment of nobody is counted and goes.
func TestOtherFiles(t *testing.T) {
	s, dir := newService(t), t.TempDir()
	for name, text := range map[string]string{
		"notes.txt": "mine", "7.log": "mine", "00000000000000000003.log": "who\nknows\n", "00000000000000000004.log": "dth-log-1 former\n5 five\nsix\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := open(t, s, func(c *logship.Config) { c.Dir = dir })
	closing(t, log)
	same(t, s.texts("former"), []string{"five"})
	if said := s.said("this", "lines of the log are lost"); len(said) != 1 || said[0]["unreadable"] != 3.0 {
		t.Errorf("said is %v", said)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 { // and the lock
		t.Errorf("left are %v, %v", entries, err)
	}
}
