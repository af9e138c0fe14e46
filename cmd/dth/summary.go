package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/units"
)

// summary is the last line of --json.
type summary struct {
	ListedSource      int64            `json:"listedSource"`
	ListedDestination int64            `json:"listedDestination"`
	Same              int64            `json:"same"`
	New               int64            `json:"new"`
	Changed           int64            `json:"changed"`
	Skipped           int64            `json:"skipped"`
	Extraneous        int64            `json:"extraneous"`
	Copied            int64            `json:"copied"`
	Deleted           int64            `json:"deleted"`
	Failed            int64            `json:"failed"`
	Gone              int64            `json:"gone"`
	Bytes             int64            `json:"bytes"`
	Seconds           float64          `json:"seconds"`
	Method            map[string]int64 `json:"method"`
	Errors            map[string]int64 `json:"errors"`
	Reasons           map[string]int64 `json:"reasons"` // decisions with their reasons
	ListCalls         int64            `json:"listCalls"`
	Ranges            int64            `json:"ranges"`
	DecidedByTime     int64            `json:"decidedByTime"`

	// Proved tells whether both ends were compared again; Remaining is what was different then without an
	// explanation, Named what failed or was skipped, Newer what was written after the run began.
	Proved    bool             `json:"proved"`
	Remaining map[string]int64 `json:"remaining"`
	Named     int64            `json:"named"`
	Newer     int64            `json:"newer"`
}

func newSummary(f run.FinderTotals, seconds float64) *summary {
	s := &summary{
		ListedSource: f.ListedSource, ListedDestination: f.ListedDestination, ListCalls: f.ListCalls, Ranges: f.Ranges, DecidedByTime: f.DecidedByTime,
		Seconds: seconds, Method: map[string]int64{}, Errors: map[string]int64{}, Reasons: map[string]int64{}, Remaining: map[string]int64{},
	}
	for name, t := range f.Decisions {
		kind, reason, _ := strings.Cut(name, ":")
		switch kind {
		case "same":
			s.Same += t.Objects
		case "new":
			s.New += t.Objects
		case "changed":
			s.Changed += t.Objects
		case "skipped":
			s.Skipped += t.Objects
		case "extraneous":
			s.Extraneous += t.Objects
		}
		if reason != "" {
			s.Reasons[name] = t.Objects
		}
	}
	return s
}

func summarize(res *solo.Result) *summary {
	s := newSummary(res.Run.Finder, res.Seconds)
	s.count(res.Counters)
	s.proof(res.Run)
	return s
}

// summarizeRun is the summary of a run on record.
func summarizeRun(r run.Run, counters []run.Counters) *summary {
	s := newSummary(r.Finder, r.Finished.Sub(r.Started).Seconds())
	s.count(counters)
	s.proof(r)
	return s
}

func (s *summary) proof(r run.Run) {
	s.Proved, s.Named, s.Newer = r.Proved, r.Named, r.Newer
	for name, n := range r.Remaining {
		s.Remaining[name] = n
	}
}

func (s *summary) count(counters []run.Counters) {
	for _, c := range counters {
		for name, t := range c.Outcomes {
			status, detail, _ := strings.Cut(name, ":")
			switch status {
			case "DONE":
				s.Copied += t.Objects
				s.Bytes += t.Bytes
				s.Method[detail] += t.Objects
			case "DELETED":
				s.Deleted += t.Objects
			case "FAILED":
				s.Failed += t.Objects
			case "GONE":
				s.Gone += t.Objects
			case "SKIPPED":
				s.Skipped += t.Objects
				s.Reasons["skipped:"+detail] += t.Objects
			}
		}
		for class, n := range c.Errors {
			if n != 0 {
				s.Errors[class] += n
			}
		}
	}
}

func (s *summary) left() int64 {
	var n int64
	for _, v := range s.Remaining {
		n += v
	}
	return n
}

// verdict is the exit code of a finished copy.
func (s *summary) verdict() error {
	if s.Failed > 0 || s.left() > 0 {
		return &exitError{Code: command.Incomplete}
	}
	return nil
}

func (s *summary) printJSON(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

func (s *summary) print(out *screen) {
	out.line("listed %d at the source, %d at the destination: %d same, %d new, %d changed, %d skipped, %d extraneous",
		s.ListedSource, s.ListedDestination, s.Same, s.New, s.Changed, s.Skipped, s.Extraneous)
	if skipped := s.skips(); len(skipped) > 0 {
		out.line("skipped: %s", counts(skipped))
		if skipped["unmappable"] > 0 {
			out.line("        unmappable: of a key that equals the prefix nothing is left; --strip-src-prefix=false keeps it whole")
		}
	}
	rate := ""
	if s.Seconds > 0 && s.Copied > 0 {
		rate = fmt.Sprintf(" (%.0f objects/s, %s/s)", float64(s.Copied)/s.Seconds, units.FormatSize(int64(float64(s.Bytes)/s.Seconds)))
	}
	out.line("copied %d objects, %s in %.1f s%s%s", s.Copied, units.FormatSize(s.Bytes), s.Seconds, rate, methods(s.Method))
	if s.Deleted > 0 {
		out.line("deleted %d objects at the destination", s.Deleted)
	}
	if s.Gone > 0 {
		out.line("%d objects were deleted at the source before they were copied", s.Gone)
	}
	if s.Failed > 0 {
		out.line("%d failed: %s", s.Failed, counts(s.Errors))
	}
	if s.Proved {
		out.line("%s", s.agreement())
	}
}

// skips returns why objects were skipped.
func (s *summary) skips() map[string]int64 {
	out := map[string]int64{}
	for name, n := range s.Reasons {
		if reason, ok := strings.CutPrefix(name, "skipped:"); ok {
			out[reason] = n
		}
	}
	return out
}

// agreement says in a sentence what the proof found.
func (s *summary) agreement() string {
	if s.left() > 0 {
		return "both sides were compared again and do NOT agree: " + counts(s.Remaining)
	}
	text := "both sides were compared again and agree"
	if s.Named > 0 {
		text += fmt.Sprintf(", but for %d named as failed or skipped", s.Named)
	}
	if s.Newer > 0 {
		text += fmt.Sprintf(", but for %d written at the source since", s.Newer)
	}
	return text
}

func methods(m map[string]int64) string {
	if len(m) == 0 {
		return ""
	}
	return ": " + counts(m)
}

// counts prints a map as "12 a, 3 b", the names in order.
func counts(m map[string]int64) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", m[name], name)
	}
	return strings.Join(names, ", ")
}
