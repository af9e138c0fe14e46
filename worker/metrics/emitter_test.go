package metrics_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the table in docs/guide/metrics.md")

func TestDocumentIsCurrent(t *testing.T) {
	const file, begin, end = "../../docs/guide/metrics.md", "<!-- table -->\n", "<!-- end of table -->\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has not the lines %q and %q", file, begin, end)
	}
	want := head + begin + metrics.Markdown() + end + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is not what the table says; go test ./worker/metrics -update writes it", file)
	}
}

// A line has room for all metrics, and no property of a line, which begins with a small letter, is called like one.
func TestTable(t *testing.T) {
	table := metrics.Table()
	if len(table) > 100 {
		t.Errorf("%d metrics do not go into one line", len(table))
	}
	names := map[string]bool{}
	for _, d := range table {
		if d.Name == "" || d.Unit == "" || d.Kind == "" || d.Means == "" || names[d.Name] || strings.ToUpper(d.Name[:1]) != d.Name[:1] {
			t.Errorf("%+v", d)
		}
		names[d.Name] = true
	}
	for _, class := range failure.Classes() {
		if !names[metrics.FailuresOf(string(class))] {
			t.Errorf("failures of class %s have no entry", class)
		}
	}
}

// mouth is a writer that takes so many bytes of each write and then fails; below 0 it takes all.
type mouth struct {
	bytes.Buffer
	limit int
}

func (m *mouth) Write(p []byte) (int, error) {
	if m.limit < 0 || m.limit >= len(p) {
		return m.Buffer.Write(p)
	}
	m.Buffer.Write(p[:m.limit])
	return m.limit, errors.New("disk full")
}

// whole returns what a reader makes of lines, of which some were torn.
func whole(t *testing.T, text string) []map[string]any {
	t.Helper()
	var good strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "}\n") {
			good.WriteString(line)
		}
	}
	return lines(t, good.String())
}

func flush(tb testing.TB, e *metrics.Emitter) {
	tb.Helper()
	if err := e.Flush(); err != nil {
		tb.Fatal(err)
	}
}

// A line that cannot be written, or only in part, is in the next one, which its rest does not spoil.
func TestTornLines(t *testing.T) {
	for _, torn := range []int{0, 1, 50} {
		out := &mouth{limit: torn}
		e := metrics.New(out, "stack", nil, clock)
		for i := range 3 {
			e.Add("TransferredObjects", metrics.Count, 10)
			e.Observe("TransferTime", metrics.Milliseconds, float64(i))
			if err := e.Flush(); err == nil || !strings.Contains(err.Error(), "disk full") {
				t.Fatalf("error %v", err)
			}
		}
		out.limit = -1
		e.Add("TransferredObjects", metrics.Count, 1)
		e.Observe("TransferTime", metrics.Milliseconds, 9)
		flush(t, e)
		flush(t, e)
		got := whole(t, out.String())
		if len(got) != 2 || got[0]["TransferredObjects"] != 31.0 || got[1]["TransferredObjects"] != 0.0 {
			t.Errorf("torn after %d bytes: %v", torn, got)
		}
		if values := got[0]["TransferTime"].([]any); !slices.Equal(values, []any{0.0, 1.0, 2.0, 9.0}) {
			t.Errorf("values %v", values)
		}
	}
}

// stuck is a writer that waits.
type stuck struct {
	entered, release chan struct{}
}

func (s stuck) Write(p []byte) (int, error) {
	close(s.entered)
	<-s.release
	return len(p), nil
}

// Whoever counts does not wait for a writer that does.
func TestCountingWhileALineIsWritten(t *testing.T) {
	out := stuck{make(chan struct{}), make(chan struct{})}
	e := metrics.New(out, "stack", nil, clock)
	var writing sync.WaitGroup
	writing.Go(func() { flush(t, e) })
	<-out.entered
	e.Add("Retries", metrics.Count, 1)
	e.Observe("TransferTime", metrics.Milliseconds, 1)
	close(out.release)
	writing.Wait()
}

// Lines are written while others count: each count is in one of them.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	var out bytes.Buffer
	e := metrics.New(&out, "stack", nil, clock)
	var counting sync.WaitGroup
	for range 4 {
		counting.Go(func() {
			for range 5000 {
				e.Add("Retries", metrics.Count, 1)
			}
		})
	}
	stopped := make(chan struct{})
	go func() { counting.Wait(); close(stopped) }()
	for running := true; running; {
		select {
		case <-stopped:
			running = false
		default:
		}
		flush(t, e)
	}
	sum := 0.0
	for _, line := range lines(t, out.String()) {
		if n, ok := line["Retries"].(float64); ok { // it is in no line before it was named
			sum += n
		}
	}
	if sum != 20_000 {
		t.Errorf("%v of 20000", sum)
	}
}

// However many values there are, a line has at most a hundred: the ends exact, the rest within one per cent of the value at
// their place among all.
func TestDistribution(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(rapid.Float64Range(0.001, 1e7), 1, 2000).Draw(rt, "values")
		split := rapid.IntRange(0, len(all)).Draw(rt, "split")
		out := &mouth{}
		e := metrics.New(out, "stack", nil, clock)
		for i, v := range all {
			if i == split && e.Flush() == nil { // taken back, and merged with what follows
				rt.Fatal("it was written")
			}
			e.Observe("TransferTime", metrics.Milliseconds, v)
		}
		out.limit = -1
		flush(t, e)
		got := lines(t, out.String())[0]["TransferTime"].([]any)
		slices.Sort(all)
		if len(got) != min(len(all), 100) {
			rt.Fatalf("%d values of %d", len(got), len(all))
		}
		for i, v := range got {
			rank, tolerance := i, 0.0
			if len(all) > 100 {
				rank = i * (len(all) - 1) / 99
			}
			if len(all) > 100 && i > 0 && i < len(got)-1 {
				tolerance = 0.01
			}
			if want := all[rank]; math.Abs(v.(float64)-want) > tolerance*want {
				rt.Fatalf("value %d is %v, want %v", i, v, want)
			}
		}
	})
}

func TestValuesThatCloudWatchDoesNotTake(t *testing.T) {
	var out bytes.Buffer
	e := metrics.New(&out, "", nil, clock)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
		e.Observe("TransferTime", metrics.Milliseconds, v)
		e.Add("Retries", metrics.Count, v)
		e.Gauge("Memory", metrics.Bytes, func() float64 { return v })
		flush(t, e)
	}
	e.Observe("TransferTime", metrics.Milliseconds, -1)
	flush(t, e)
	for _, line := range lines(t, out.String()) {
		if line["TransferTime"] != nil || line["Retries"] != nil || line["Memory"] != nil || line["StackName"] != "unnamed" {
			t.Errorf("%v", line)
		}
	}
	for range 200 {
		e.Observe("TransferTime", metrics.Milliseconds, 0)
	}
	out.Reset()
	flush(t, e)
	if got := lines(t, out.String())[0]["TransferTime"].([]any); len(got) != 100 || got[50] != 0.0 {
		t.Errorf("%v", got)
	}
}

// Whatever is counted: a line is as the format says. Stacks have names of at most 128 characters.
func FuzzLine(f *testing.F) {
	f.Add("stack", "worker-1", int64(1), 0.5, uint16(3))
	f.Add("", "\x00\xff", int64(math.MinInt64), math.MaxFloat64, uint16(300))
	f.Fuzz(func(t *testing.T, stack, worker string, n int64, v float64, times uint16) {
		var out bytes.Buffer
		e := metrics.New(&out, stack[:min(len(stack), 128)], map[string]string{"worker": worker}, clock)
		e.Add("TransferredBytes", metrics.Bytes, float64(n))
		e.Gauge("Throughput", metrics.BytesPerSecond, func() float64 { return v })
		for range times {
			e.Observe("TransferTime", metrics.Milliseconds, v)
		}
		flush(t, e)
		if line, err := out.ReadBytes('\n'); err != nil || metrics.Check(line) != nil {
			t.Errorf("%s\n%v", line, metrics.Check(line))
		}
		if _, err := out.ReadByte(); !errors.Is(err, io.EOF) {
			t.Error("there is more than a line")
		}
	})
}
