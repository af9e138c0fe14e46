package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
)

// chosen gathers what is to be compared, each repository once.
type chosen struct {
	*planner
	byName   map[string]*work
	byTarget map[string]string
	catalogs map[string][]string // by host
	all      []*work
}

// repositories returns what is to be compared.
func (p *planner) repositories(ctx context.Context) ([]*work, error) {
	c := &chosen{planner: p, byName: map[string]*work{}, byTarget: map[string]string{}, catalogs: map[string][]string{}}
	if p.List == nil {
		names, err := c.catalog(ctx, p.Source)
		for _, name := range names {
			if err == nil {
				err = c.add(p.Source, name, nil)
			}
		}
		return c.all, err
	}
	for i := range p.List {
		e := &p.List[i]
		from, err := p.registry(e.Registry)
		if err != nil {
			return nil, err
		}
		names := []string{e.Repository}
		if e.Pattern() {
			if names, err = c.matching(ctx, from, e); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			if err := c.add(from, name, e); err != nil {
				return nil, err
			}
		}
	}
	return c.all, nil
}

// add adds a repository, or an entry to one that is known. Two that would become one at the destination are refused, and one that
// would be copied onto itself.
func (c *chosen) add(from image.Registry, repository string, e *imagelist.Entry) error {
	w := c.work(from, repository)
	if known, ok := c.byName[w.batch.Name]; ok {
		w = known
	} else {
		if from.Host() == c.Destination.Host() && w.batch.Target == repository {
			return fmt.Errorf("source and destination are the same registry, %s: %s would be copied onto itself; give the destination a prefix, or another registry", from.Host(), repository)
		}
		if other, taken := c.byTarget[w.batch.Target]; taken {
			return fmt.Errorf("%s and %s would both become %s at the destination; put them into two tasks with a prefix each", other, w.batch.Name, w.batch.Target)
		}
		c.byName[w.batch.Name], c.byTarget[w.batch.Target] = w, w.batch.Name
		c.all = append(c.all, w)
	}
	if e != nil {
		w.entries = append(w.entries, *e)
	}
	return nil
}

func (c *chosen) matching(ctx context.Context, from image.Registry, e *imagelist.Entry) (names []string, err error) {
	known, ok := c.catalogs[from.Host()]
	if !ok {
		if known, err = c.catalog(ctx, from); err != nil {
			return nil, err
		}
		c.catalogs[from.Host()] = known
	}
	for _, name := range known {
		if e.MatchRepository(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		c.absent(e.Repository, e.String(), &failure.Error{Class: failure.NotFound, Op: "list repositories", Target: from.Host(), Detail: "none has a name of this pattern"})
	}
	return names, nil
}

// catalog returns the repositories of a registry. Those below the prefix are left out where the copies are in the same registry: they
// are what earlier runs have made, and would be copied one level deeper with each run.
func (c *chosen) catalog(ctx context.Context, from image.Registry) (names []string, err error) {
	var all []string
	err = c.call(ctx, from, func() (err error) { all, err = from.Repositories(ctx); return err })
	if err != nil {
		return nil, fmt.Errorf("the repositories of %s cannot be listed; name each in a list: %w", from.Host(), err)
	}
	prefix := c.prefix()
	if from.Host() != c.Destination.Host() || prefix == "" {
		return all, nil
	}
	for _, name := range all {
		if !strings.HasPrefix(name, prefix) {
			names = append(names, name)
			continue
		}
		c.count(Own, 0)
	}
	if n := len(all) - len(names); n > 0 {
		c.Log.Info("repositories below the destination's prefix are in the source's registry, and are left out: they are the copies", "prefix", prefix, "repositories", n)
	}
	return names, nil
}

// prefix is what is put in front of names, with its slash; empty: nothing is.
func (p *planner) prefix() string {
	if prefix := strings.Trim(p.Prefix, "/"); prefix != "" {
		return prefix + "/"
	}
	return ""
}

func (p *planner) registry(host string) (image.Registry, error) {
	if host == "" || host == p.Source.Host() {
		return p.Source, nil
	}
	if p.Open == nil {
		return nil, fmt.Errorf("the list names registry %s, and the source is %s", host, p.Source.Host())
	}
	return p.Open(host)
}

func (p *planner) work(from image.Registry, repository string) *work {
	b := image.Batch{Name: repository, Repository: repository, Target: p.prefix() + repository}
	if from.Host() != p.Source.Host() {
		b.Registry, b.Name = from.Host(), from.Host()+"/"+repository
	}
	return &work{from: from, batch: b}
}
