package logship

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// spool keeps events on disk until they are shipped: numbered segments, the newest of which grows. Nothing is synced: what
// was written survives the process, not a crash of the machine.
type spool struct {
	dir    string
	stream string // of what is written from now on
	limit  int64  // bytes of all segments
	unlock func()

	mu      sync.Mutex
	waiting []segment // whole ones, oldest first
	current *os.File  // nil: the next event begins one
	growing segment   // what current holds
	taken   uint64    // number of the segment that is being shipped; 0: none
	next    uint64
	total   int64 // bytes of all segments
	lost    losses
	closed  bool
}

type segment struct {
	number uint64
	bytes  int64
	lines  int // known of the growing one alone
}

// losses are lines that nobody will ship, by reason.
type losses struct {
	full       int // dropped because the spool was full
	unwritten  int // the disk did not take them
	unreadable int // found in the spool, and no events
	refused    int // in batches that the service does not take
	rejected   Rejected
	err        error // why, of the last ones; nil: that says it all
}

func (l *losses) lines() int {
	return l.full + l.unwritten + l.unreadable + l.refused + l.rejected.Old + l.rejected.New
}

const suffix = ".log"

// openSpool opens the spool in a folder, which is made when it is missing, and finds what was left there.
func openSpool(dir, stream string, limit int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool of the log: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir, stream: stream, limit: limit, unlock: unlock, next: 1}
	if err := s.find(); err != nil {
		unlock()
		return nil, fmt.Errorf("spool of the log: %w", err)
	}
	return s, nil
}

// find lists the segments of those who were here before.
func (s *spool) find() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, ours := strings.CutSuffix(entry.Name(), suffix)
		number, err := strconv.ParseUint(name, 10, 63)
		if !ours || err != nil || number == 0 || entry.Name() != filepath.Base(s.path(number)) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s.waiting = append(s.waiting, segment{number: number, bytes: info.Size()})
		s.total += info.Size()
		s.next = max(s.next, number+1)
	}
	slices.SortFunc(s.waiting, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return nil
}

func (s *spool) path(number uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d%s", number, suffix))
}

// append writes an event and reports whether a segment became whole. The event is lost when the disk does not take it.
func (s *spool) append(e Event) (whole bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, errClosed
	}
	line := appendEvent(nil, e)
	s.makeRoom(int64(len(line)))
	if err = s.begin(); err == nil {
		err = s.write(line)
	}
	if err != nil {
		err = fmt.Errorf("spool of the log: %w", err)
		s.lost.unwritten++
		s.lost.err = err
		return false, err
	}
	s.growing.lines++
	if s.growing.bytes < segmentBytes {
		return false, nil
	}
	s.end()
	return true, nil
}

// begin begins a segment unless one grows.
func (s *spool) begin() error {
	if s.current != nil {
		return nil
	}
	f, err := os.OpenFile(s.path(s.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.current, s.growing = f, segment{number: s.next}
	s.next++
	return s.write(appendHead(nil, s.stream))
}

// write writes all of b or, as far as the disk lets it, nothing. A segment that is torn grows no more.
func (s *spool) write(b []byte) error {
	n, err := s.current.Write(b)
	if err == nil {
		s.growing.bytes += int64(n)
		s.total += int64(n)
		return nil
	}
	if s.current.Truncate(s.growing.bytes) == nil {
		_, back := s.current.Seek(s.growing.bytes, io.SeekStart)
		if back == nil && s.growing.bytes > 0 {
			return err
		}
		n = 0
	}
	s.growing.bytes += int64(n)
	s.total += int64(n)
	s.end()
	return err
}

// end ends the growing segment, so that it can be shipped. One without lines goes.
func (s *spool) end() {
	if s.current == nil {
		return
	}
	_ = s.current.Close() // nothing is buffered
	s.current = nil
	if s.growing.lines == 0 {
		s.remove(s.growing)
		return
	}
	s.waiting = append(s.waiting, s.growing)
}

// makeRoom drops the oldest segments that are not being shipped until so many bytes fit.
func (s *spool) makeRoom(more int64) {
	for s.total+more > s.limit {
		i := slices.IndexFunc(s.waiting, func(g segment) bool { return g.number != s.taken })
		if i < 0 {
			return // the one that grows and the one that is shipped are within the least limit
		}
		s.lost.full += s.lines(s.waiting[i])
		s.remove(s.waiting[i])
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

func (s *spool) remove(g segment) {
	s.total -= g.bytes
	_ = os.Remove(s.path(g.number)) // one that stays is shipped again by the next start
}

// lines counts the lines of a whole segment.
func (s *spool) lines(g segment) int {
	if g.lines > 0 {
		return g.lines
	}
	text, err := os.ReadFile(s.path(g.number))
	if err != nil {
		return 0
	}
	return max(bytes.Count(text, []byte{'\n'})-1, 0)
}

// newest returns the number of the newest segment.
func (s *spool) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next - 1
}

// take returns the oldest segment up to a number that has events. There is none when all has been shipped, and when the disk
// does not give it: then it is asked for again.
func (s *spool) take(upTo uint64) (stream string, events []Event, found bool) {
	for {
		g, found := s.oldest(upTo)
		if !found {
			return "", nil, false
		}
		text, err := os.ReadFile(s.path(g.number))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.release(err)
			return "", nil, false
		}
		stream, events, unreadable, err := decode(text)
		if err != nil {
			unreadable = max(bytes.Count(text, []byte{'\n'}), 1)
		}
		if unreadable > 0 {
			s.count(func(l *losses) { l.unreadable += unreadable; l.err = err })
		}
		if len(events) > 0 {
			return stream, events, true
		}
		s.shipped()
	}
}

// oldest holds the oldest segment. One that grows is ended first when there is no other.
func (s *spool) oldest(upTo uint64) (segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 && s.growing.number <= upTo {
		s.end()
	}
	if len(s.waiting) == 0 || s.waiting[0].number > upTo {
		return segment{}, false
	}
	s.taken = s.waiting[0].number
	return s.waiting[0], true
}

// release gives the segment back that was taken.
func (s *spool) release(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = 0
	s.lost.err = fmt.Errorf("spool of the log: %w", why)
}

// shipped forgets the segment that was taken.
func (s *spool) shipped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.waiting[0])
	s.waiting = slices.Delete(s.waiting, 0, 1)
	s.taken = 0
}

func (s *spool) count(add func(*losses)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.lost)
}

// takeLosses returns what was lost since the last call.
func (s *spool) takeLosses() losses {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lost
	s.lost = losses{}
	return l
}

var errClosed = errors.New("the log is closed")

// close lets go of the folder and returns how many lines are left in it.
func (s *spool) close() (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	s.closed = true
	for _, g := range s.waiting {
		left += s.lines(g)
	}
	s.unlock()
	return left
}
