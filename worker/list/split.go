package list

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/store"
)

// probesAtOnce is how many probes one cut sends in parallel.
const probesAtOnce = 24

// split cuts a range into pieces of which each holds something. It probes: a list call for one key after a
// candidate tells whether anything lies beyond it, and what comes first.
//
// The first round finds the shallowest character of the present position that is not the last of its kind:
// everything beyond it is the largest piece that can be cut off. The second round cuts that piece at the
// characters that keys of this listing use. Two round trips make some ten pieces, whether keys are
// numbered, hashed, dated or deep.
func (p *pass) split(ctx context.Context, r *keyRange) error {
	low, high, bounded, side := r.state()
	depths := p.depthCandidates(r, low, high, bounded)
	firsts, err := p.probe(ctx, r, side, depths)
	if err != nil {
		return err
	}
	// Candidates descend with depth; the shallowest with something beyond it is the largest cut.
	best := -1
	probeHi := ""
	for i := range depths {
		if firsts[i] != "" && (!bounded || firsts[i] <= high) {
			best = i
			break
		}
		probeHi = depths[i]
	}
	if best < 0 {
		p.push(r.cut(nil, probeHi))
		return nil
	}
	if probeHi != "" && (!bounded || probeHi < high) {
		high, bounded = probeHi, true
	}
	letters := p.letterCandidates(depths[best], high, bounded)
	letterFirsts, err := p.probe(ctx, r, side, letters)
	if err != nil {
		return err
	}
	candidates := append(slices.Clone(depths[best:]), letters...)
	found := append(slices.Clone(firsts[best:]), letterFirsts...)
	boundaries, probeHi := boundariesOf(candidates, found, high, bounded)
	p.push(r.cut(boundaries, probeHi))
	return nil
}

// boundariesOf keeps the candidates that have something between them and the next one, in order. The first
// candidate beyond which nothing was found is a hint for later cuts.
func boundariesOf(candidates, firsts []string, high string, bounded bool) (boundaries []string, probeHi string) {
	type probed struct{ at, first string }
	all := make([]probed, len(candidates))
	for i := range candidates {
		all[i] = probed{candidates[i], firsts[i]}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].at < all[j].at })
	if bounded {
		probeHi = high
	}
	for i, c := range all {
		if c.first == "" || bounded && c.first > high {
			if probeHi == "" || c.at < probeHi {
				probeHi = c.at
			}
			break
		}
		if i+1 < len(all) && c.first > all[i+1].at {
			continue // nothing between this candidate and the next
		}
		boundaries = append(boundaries, c.at)
	}
	return boundaries, probeHi
}

func (p *pass) push(parts []*keyRange) {
	p.mu.Lock()
	p.waiting = append(p.waiting, parts...)
	p.mu.Unlock()
	if len(parts) > 0 {
		p.changed()
	}
}

// probe asks for the first name after each candidate, in parallel; "" where there is none.
func (p *pass) probe(ctx context.Context, r *keyRange, side int, candidates []string) ([]string, error) {
	firsts := make([]string, len(candidates))
	s := p.sides[min(side, len(p.sides)-1)]
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for i, c := range candidates {
		g.Go(func() error {
			page, err := p.list(gctx, s.Lister, store.ListRequest{Prefix: s.Base + r.prefix, StartAfter: s.Base + c, MaxKeys: 1})
			if err == nil && len(page.Objects) > 0 {
				firsts[i] = strings.TrimPrefix(page.Objects[0].Key, s.Base)
			}
			return err
		})
	}
	return firsts, g.Wait()
}

// depthCandidates returns, from the shallowest to the deepest, the name that follows everything which shares
// the first d characters with the present position.
func (p *pass) depthCandidates(r *keyRange, low, high string, bounded bool) []string {
	var out []string
	for d := len(r.prefix); d < len(low); {
		c, size := utf8.DecodeRuneInString(low[d:])
		if next, ok := successor(c); ok && (c != utf8.RuneError || size > 1) {
			candidate := low[:d] + string(next)
			if !bounded || candidate < high {
				out = append(out, candidate)
			}
		}
		d += size
	}
	// Long keys have more depths than probes: the shallow half densely, the rest evenly.
	for len(out) > probesAtOnce {
		half := probesAtOnce / 2
		thinned := slices.Clone(out[:half])
		for i := half; i < len(out); i += 2 {
			thinned = append(thinned, out[i])
		}
		out = thinned
	}
	return out
}

// letterCandidates returns the names that begin like first and go on with each later character of the
// alphabet in place of its last one.
func (p *pass) letterCandidates(first, high string, bounded bool) []string {
	last, size := utf8.DecodeLastRuneInString(first)
	stem := first[:len(first)-size]
	var out []string
	for _, c := range p.letters(last, stem, high, bounded) {
		candidate := stem + string(c)
		if bounded && candidate >= high {
			break
		}
		out = append(out, candidate)
	}
	if len(out) > probesAtOnce {
		step := float64(len(out)) / probesAtOnce
		thinned := make([]string, 0, probesAtOnce)
		for i := range probesAtOnce {
			thinned = append(thinned, out[int(float64(i)*step)])
		}
		out = thinned
	}
	return out
}

// letters returns characters behind last, in order: those that keys of this listing use, and outside of ASCII,
// where a sample does not show them all, some between, evenly up to a known end or at doubling distances.
func (p *pass) letters(last rune, stem, high string, bounded bool) []rune {
	letters := p.alphabet.after(last)
	if last < utf8.RuneSelf {
		return letters
	}
	const between = probesAtOnce / 2
	end, known := utf8.RuneError, false
	if bounded && strings.HasPrefix(high, stem) && len(high) > len(stem) {
		end, _ = utf8.DecodeRuneInString(high[len(stem):])
		known = end != utf8.RuneError && end > last
	}
	for i := rune(1); i <= between; i++ {
		step := rune(1) << i
		if known {
			step = (end - last) * i / (between + 1)
		}
		if c, ok := successor(last + step); ok {
			letters = append(letters, c)
		}
	}
	slices.Sort(letters)
	return slices.Compact(letters)
}

// successor returns the next character that every store and every XML document takes.
func successor(c rune) (rune, bool) {
	switch next := c + 1; {
	case next < ' ':
		return ' ', true
	case next == 0x7f:
		return 0xa1, true // the control characters behind it are refused by some
	case next >= 0xd800 && next < 0xe000:
		return 0xe000, true
	case next&0xfffe == 0xfffe:
		if next >= 0x10fffe {
			return 0, false
		}
		return (next | 1) + 1, true
	default:
		return next, next <= utf8.MaxRune
	}
}

// alphabet gathers the characters that keys use, from a sample of them.
type alphabet struct {
	mu    sync.Mutex
	seen  map[rune]bool
	order []rune
}

// maxAlphabet bounds the characters that are remembered.
const maxAlphabet = 512

func (a *alphabet) add(name string) {
	for _, c := range name {
		if !a.seen[c] && c != utf8.RuneError && c >= ' ' && c != 0x7f && c&0xfffe != 0xfffe && len(a.seen) < maxAlphabet {
			if a.seen == nil {
				a.seen = map[rune]bool{}
			}
			a.seen[c] = true
			a.order = nil
		}
	}
}

func (a *alphabet) after(c rune) []rune {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.order == nil {
		for r := range a.seen {
			a.order = append(a.order, r)
		}
		slices.Sort(a.order)
	}
	i, found := slices.BinarySearch(a.order, c)
	if found {
		i++
	}
	return slices.Clone(a.order[i:])
}

// observe samples a page's names for the alphabet.
func (p *pass) observe(entries []Entry) {
	const step = 97 // with pages of 1,000 all positions come by
	p.alphabet.mu.Lock()
	defer p.alphabet.mu.Unlock()
	for i := 0; i < len(entries); i += step {
		p.alphabet.add(entries[i].Name)
	}
}
