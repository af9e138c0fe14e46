package list

import (
	"context"
	"sort"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/store"
)

// probesAtOnce is how many probes a cut sends in parallel; letterProbes bounds those of its second step.
const (
	probesAtOnce = 24
	letterProbes = 40
)

// probed is a candidate for a cut and what a list call for one key says of it: the first position behind it,
// "" when there is none.
type probed struct{ at, first string }

// split cuts a range into pieces of which each holds something.
//
// The first step finds the shallowest character of the present position that is not the last of its kind:
// everything behind it is the largest piece that can be cut off. The second step cuts there, and one and two
// characters deeper, at the characters that keys of this listing use. Two round trips make ten pieces
// or more, whether keys are numbered, hashed, dated or share a long beginning.
func (p *Pass) split(r *keyRange) error {
	boundaries, limit, err := p.boundaries(r.unit.ctx, r)
	p.cut(r, boundaries, limit)
	p.mu.Lock()
	p.busy--
	p.mu.Unlock()
	return p.done(r.unit, err)
}

// boundaries returns where a range can be cut, and the lowest end that was found, "" when none was.
func (p *Pass) boundaries(ctx context.Context, r *keyRange) ([]string, string, error) {
	g := r.gap()
	steps := p.steps(g, r.unit.prefix)
	seen, err := p.shallowest(ctx, r, g, steps)
	if err != nil {
		return nil, "", err
	}
	limit := ""
	if g.bounded {
		limit = g.high
	}
	best := len(steps)
	for i, s := range steps {
		if f, known := seen[s.candidate]; known && f != "" {
			best = i
			break
		} else if known {
			limit = s.candidate // nothing lies behind it, and steps descend
		}
	}
	if best == len(steps) && best > 0 {
		return nil, limit, nil // what remains begins like the present position: hardly anything
	}
	letters := p.letters(g.low, steps[best:], limit)
	found, err := p.probe(ctx, r, g.side, letters, limit)
	if err != nil {
		return nil, "", err
	}
	for at, first := range seen {
		if first != "" {
			found = append(found, probed{at, first})
		}
	}
	boundaries, limit := boundariesOf(found, limit)
	return boundaries, limit, nil
}

// step is a place in the present position and the first candidate that differs there: everything that shares
// the characters before it, and this one, is before the candidate.
type step struct {
	depth     int // bytes before the character
	char      rune
	candidate string
}

// steps returns the places at which the gap can be cut, from the shallowest to the deepest: their candidates
// descend.
func (p *Pass) steps(g gap, prefix string) []step {
	careful := p.careful()
	var out []step
	for d := len(prefix); d < len(g.low); {
		c, size := utf8.DecodeRuneInString(g.low[d:])
		if next, ok := successor(c); ok && !(careful && orderless(next)) {
			if at := g.low[:d] + string(next); p.fits(at) && (!g.bounded || at < g.high) {
				out = append(out, step{d, c, at})
			}
		}
		if !p.usable(g.low[d : d+size]) {
			break // boundaries that are cut deeper would carry it
		}
		d += size
	}
	return out
}

// usable reports whether boundaries may carry a text.
func (p *Pass) usable(text string) bool {
	careful := p.careful()
	for _, c := range text {
		if !sayable(c) || careful && orderless(c) {
			return false
		}
	}
	return true
}

// careful reports whether a side may list in another order than byte order without it being known.
func (p *Pass) careful() bool {
	for _, s := range p.sides {
		if !s.ByteOrder {
			return true
		}
	}
	return false
}

// shallowest probes until it is known which is the shallowest step with something behind it. Whatever is behind
// a step is behind every deeper one too, so a few probes spread over many steps leave few to look at.
func (p *Pass) shallowest(ctx context.Context, r *keyRange, g gap, steps []step) (map[string]string, error) {
	seen := map[string]string{}
	limit := ""
	if g.bounded {
		limit = g.high
	}
	low, high := 0, len(steps) // the answer is in [low, high]; high is none
	for low < high {
		ask := thin(steps[low:high], probesAtOnce)
		candidates := make([]string, len(ask))
		for i := range ask {
			candidates[i] = ask[i].candidate
		}
		found, err := p.probe(ctx, r, g.side, candidates, limit)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			seen[f.at] = f.first
		}
		before := high - low
		low, high = narrow(steps, seen, low, high)
		if high-low >= before {
			break
		}
	}
	return seen, nil
}

// narrow returns the part of steps, within [low, high), whose first with something behind it is not known yet.
func narrow(steps []step, seen map[string]string, low, high int) (int, int) {
	for i := low; i < high; i++ {
		first, known := seen[steps[i].candidate]
		switch {
		case known && first == "":
			low = i + 1
		case known:
			return low, i
		}
	}
	return low, high
}

// letters returns candidates that go on like the present position up to one of the first steps, and from there
// with each later character of the alphabet. Where there are no steps, the position itself is gone on with.
func (p *Pass) letters(low string, steps []step, limit string) []string {
	const levels = 3
	careful := p.careful()
	var out []string
	left := letterProbes
	for i := range min(levels, len(steps)+1) {
		s := step{depth: len(low), char: -1}
		if i < len(steps) {
			s = steps[i]
		} else if !p.usable(low) {
			break
		}
		var level []string
		for _, c := range p.alphabet.around(s.char, upTo(low[:s.depth], limit)) {
			at := low[:s.depth] + string(c)
			if at == s.candidate || !p.fits(at) || limit != "" && at >= limit || careful && orderless(c) {
				continue // known already, or behind the end
			}
			level = append(level, at)
		}
		// The shallower a cut, the more it gives: the first level gets the larger half.
		share := left
		if i+1 < levels {
			share = left * 3 / 5
		}
		level = thin(level, share)
		left -= len(level)
		out = append(out, level...)
	}
	return out
}

// maxKey is the longest key in bytes.
const maxKey = 1024

// fits reports whether a position is short enough for both sides to begin after.
func (p *Pass) fits(position string) bool {
	for _, s := range p.sides {
		if len(position)-len(s.Strip)+len(s.Add) > maxKey {
			return false
		}
	}
	return true
}

// upTo returns the character with which limit goes on behind stem, -1 when it does not begin with it.
func upTo(stem, limit string) rune {
	if len(limit) <= len(stem) || limit[:len(stem)] != stem {
		return -1
	}
	c, _ := utf8.DecodeRuneInString(limit[len(stem):])
	return c
}

// around returns characters behind c and up to end, in order: those that keys of this listing use, and beyond
// ASCII, where a sample does not show them all, some between, evenly up to a known end or at doubling
// distances.
func (a *alphabet) around(c, end rune) []rune {
	letters := a.after(c)
	if c < utf8.RuneSelf {
		return letters
	}
	const between = 12
	more := make([]rune, 0, between)
	for i := rune(1); i <= between; i++ {
		distance := rune(1) << i
		if end > c {
			distance = (end - c) * i / (between + 1)
		}
		if next, ok := successor(c + distance); ok {
			more = append(more, next)
		}
	}
	return sortedRunes(append(letters, more...))
}

func sortedRunes(all []rune) []rune {
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	out := all[:0]
	for _, c := range all {
		if len(out) == 0 || out[len(out)-1] != c {
			out = append(out, c)
		}
	}
	return out
}

// boundariesOf keeps the candidates that have something between them and the next one, in order. It also
// returns the lowest known end: the first candidate behind which there is nothing.
func boundariesOf(all []probed, limit string) (boundaries []string, end string) {
	sort.Slice(all, func(i, j int) bool { return all[i].at < all[j].at })
	end = limit
	for i, c := range all {
		switch {
		case c.first == "":
			if end == "" || c.at < end {
				end = c.at
			}
			return boundaries, end
		case i+1 < len(all) && (c.first > all[i+1].at || c.at == all[i+1].at):
			continue // nothing between this candidate and the next
		}
		boundaries = append(boundaries, c.at)
	}
	return boundaries, end
}

// probe asks for the first position behind each candidate, in parallel. What is behind limit does not count.
func (p *Pass) probe(ctx context.Context, r *keyRange, side int, candidates []string, limit string) ([]probed, error) {
	found := make([]probed, len(candidates))
	s := p.sides[min(side, len(p.sides)-1)]
	prefix, _ := s.prefix(r.unit.prefix)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for i, at := range candidates {
		found[i].at = at
		after, some := s.startAfter(at)
		if !some {
			continue
		}
		g.Go(func() error {
			p.probes.Add(1)
			page, err := p.list(ctx, s.Lister, store.ListRequest{Prefix: prefix, StartAfter: after, MaxKeys: 1})
			if err != nil || len(page.Objects) == 0 {
				return err
			}
			key := page.Objects[0].Key
			if key <= after {
				return &OrderError{After: after, Key: key}
			}
			if first := s.position(key); limit == "" || first <= limit {
				found[i].first = first
			}
			return nil
		})
	}
	return found, g.Wait()
}
