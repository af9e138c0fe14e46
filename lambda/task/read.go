package task

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/datatransferhub/dth/plugins/contract"
)

// Get returns a task.
func (s *Service) Get(ctx context.Context, c Caller, id string) (Task, error) {
	if err := c.need(Viewer); err != nil {
		return Task{}, err
	}
	return s.get(ctx, id)
}

// List returns a page of tasks.
func (s *Service) List(ctx context.Context, c Caller, q Query) (Page, error) {
	if err := c.need(Viewer); err != nil {
		return Page{}, err
	}
	var err error
	if q.First, err = clamp(q.First, 25, MaxPage); err != nil {
		return Page{}, err
	}
	if q.Sort == "" {
		q.Sort, q.Descending = ByCreated, true
	}
	if !slices.Contains([]Sort{ByCreated, ByUpdated, ByName}, q.Sort) {
		return Page{}, invalid("sort", string(q.Sort), "allowed are CREATED, UPDATED and NAME")
	}
	for _, state := range q.States {
		if !state.Valid() {
			return Page{}, invalid("filter.states", string(state), "allowed are "+words(States()))
		}
	}
	if q.Type != "" {
		if _, err := s.plugin(q.Type); err != nil {
			return Page{}, err
		}
	}
	if len(q.Text) > 256 || !utf8.ValidString(q.Text) {
		return Page{}, invalid("filter.text", q.Text, "allowed are up to 256 bytes of UTF-8")
	}
	q.Now = s.Now()
	page, err := s.Store.List(ctx, q)
	if err != nil {
		return Page{}, s.failed("listing the tasks", err)
	}
	return page, nil
}

// Audit returns who did what to a task, the newest first; also of one that was deleted.
func (s *Service) Audit(ctx context.Context, c Caller, id string, first int, after string) (Entries, error) {
	if err := c.need(Viewer); err != nil {
		return Entries{}, err
	}
	if id != PreferencesID && !taskID.MatchString(id) {
		return Entries{}, invalid("id", id, "a task's id is t- and 16 small letters and digits")
	}
	first, err := clamp(first, 25, MaxPage)
	if err != nil {
		return Entries{}, err
	}
	page, err := s.Store.Audit(ctx, id, first, after)
	if err != nil {
		return Entries{}, s.failed("reading the audit", err)
	}
	return page, nil
}

// Pick returns what a form can be filled with.
func (s *Service) Pick(ctx context.Context, c Caller, q PickQuery) (Picks, error) {
	if err := c.need(Viewer); err != nil {
		return Picks{}, err
	}
	var err error
	if q.First, err = clamp(q.First, 25, MaxPage); err != nil {
		return Picks{}, err
	}
	if len(q.Text) > 256 || !utf8.ValidString(q.Text) {
		return Picks{}, invalid("search", q.Text, "allowed are up to 256 bytes of UTF-8")
	}
	page, err := s.Pickers.Pick(ctx, q)
	if err != nil {
		return Picks{}, s.failed("listing what can be chosen", err)
	}
	return page, nil
}

// PluginList returns the plugins with their contracts.
func (s *Service) PluginList(_ context.Context, c Caller) ([]Plugin, error) {
	return s.Plugins, c.need(Viewer)
}

// Identity returns the hub and who asks.
func (s *Service) Identity(_ context.Context, c Caller) (Hub, Caller, error) {
	return s.Hub, c, c.need(Viewer)
}

// Validate returns all that is wrong with a new task, and what its owners have to allow, before anything is made.
func (s *Service) Validate(ctx context.Context, c Caller, in CreateInput) ([]Policy, error) {
	if err := c.need(Viewer); err != nil {
		return nil, err
	}
	plugin, err := s.plugin(in.Type)
	if err != nil {
		return nil, err
	}
	settings := Settings{Name: in.Name, Description: in.Description, Labels: in.Labels, Parameters: in.Parameters}
	if err := s.complete(plugin, &settings); err != nil {
		return nil, err
	}
	if err := s.missing(ctx, plugin, settings.Parameters); err != nil {
		return nil, err
	}
	return s.policies(plugin, settings.Parameters, "")
}

// Policies returns what the owners of both ends of a task have to allow.
func (s *Service) Policies(ctx context.Context, c Caller, id string) ([]Policy, error) {
	t, err := s.Get(ctx, c, id)
	if err != nil {
		return nil, err
	}
	plugin, err := s.plugin(t.Type)
	if err != nil {
		return nil, err
	}
	return s.policies(plugin, t.Parameters, t.Stack.Name)
}

func (s *Service) policies(plugin Plugin, parameters map[string]string, stack string) ([]Policy, error) {
	if plugin.Policies == nil {
		return nil, nil
	}
	var values contract.Values
	values, err := plugin.Contract.Validate(parameters)
	if err != nil {
		return nil, fieldErrors("parameters.", err)
	}
	all, err := plugin.Policies(values, stack)
	if err != nil {
		return nil, s.failed("writing the policies", err)
	}
	return all, nil
}
