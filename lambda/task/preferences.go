package task

import (
	"context"
	"errors"
	"slices"

	"github.com/datatransferhub/dth/plugins/contract"
)

// Summary is what the home page shows.
type Summary struct {
	States    map[State]int64
	Attention []Task // that a person should look at, the latest changed first; up to maxAttention
	More      bool   // there are more of them, or may be: not all tasks were looked at
}

const (
	maxAttention = 25
	// attentionPages bounds what is read for them: each page looks at up to 500 tasks.
	attentionPages = 20
)

// Summary returns how the hub is doing.
func (s *Service) Summary(ctx context.Context, c Caller) (Summary, error) {
	if err := c.need(Viewer); err != nil {
		return Summary{}, err
	}
	states, err := s.Store.Count(ctx)
	if err != nil {
		return Summary{}, s.failed("counting the tasks", err)
	}
	sum := Summary{States: states}
	q := Query{Sort: ByUpdated, Descending: true, Attention: true, Now: s.Now()}
	for range attentionPages {
		q.First = maxAttention - len(sum.Attention)
		page, err := s.Store.List(ctx, q)
		if err != nil {
			return Summary{}, s.failed("listing the tasks", err)
		}
		sum.Attention = append(sum.Attention, page.Tasks...)
		q.After = page.Next
		if sum.More = q.After != ""; !sum.More || len(sum.Attention) == maxAttention {
			break
		}
	}
	return sum, nil
}

// HubPreferences returns the hub's own settings.
func (s *Service) HubPreferences(ctx context.Context, c Caller) (Preferences, error) {
	if err := c.need(Viewer); err != nil {
		return Preferences{}, err
	}
	p, err := s.Store.Preferences(ctx)
	if err != nil {
		return p, s.failed("reading the settings", err)
	}
	return p, nil
}

// UpdatePreferences replaces the values that forms begin with. Revision is what the caller has seen; 0: any.
func (s *Service) UpdatePreferences(ctx context.Context, c Caller, revision int64, defaults map[string]map[string]string) (Preferences, error) {
	if err := c.need(Admin); err != nil {
		return Preferences{}, err
	}
	for kind, values := range defaults {
		plugin, err := s.plugin(kind)
		if err != nil {
			return Preferences{}, err
		}
		if err := plugin.known(values); err != nil {
			return Preferences{}, err
		}
	}
	p, err := s.Store.Preferences(ctx)
	if err != nil {
		return p, s.failed("reading the settings", err)
	}
	if revision != 0 && revision != p.Revision {
		return p, s.failed("", ErrConflict)
	}
	p.Defaults, p.Updated, p.By = defaults, s.Now().UTC(), c.Name
	p, err = s.Store.SetPreferences(ctx, p, Entry{Task: PreferencesID, At: p.Updated, By: c.Name, Action: "settings changed"})
	if err != nil {
		return p, s.failed("saving the settings", err)
	}
	return p, nil
}

// known refuses defaults for parameters that there are not, and values that no task could have.
func (p *Plugin) known(values map[string]string) error {
	var wrong contract.Errors
	_, err := p.Contract.Validate(values)
	if !errors.As(err, &wrong) {
		return err
	}
	// What is not given is asked of the person who creates a task: only what is given counts here.
	wrong = slices.DeleteFunc(wrong, func(e contract.FieldError) bool { _, given := values[e.Field]; return !given })
	if len(wrong) == 0 {
		return nil
	}
	return fieldErrors("defaults."+p.Type+".", wrong)
}
