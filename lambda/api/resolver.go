// Package api is the hub's GraphQL API: the schema's resolvers over task.Service, behind AppSync's direct resolvers and behind
// HTTP alike. Resolvers translate and decide nothing.
package api

import (
	"context"
	"slices"
	"time"

	"github.com/datatransferhub/dth/lambda/api/generated"
	"github.com/datatransferhub/dth/lambda/api/model"
	"github.com/datatransferhub/dth/lambda/task"
)

// resolver implements the schema.
type resolver struct{ *task.Service }

var _ generated.ResolverRoot = (*resolver)(nil)

// Query implements generated.ResolverRoot.
func (r *resolver) Query() generated.QueryResolver { return query{r} }

// Mutation implements generated.ResolverRoot.
func (r *resolver) Mutation() generated.MutationResolver { return mutation{r} }

type query struct{ *resolver }

func (q query) Hub(ctx context.Context) (*model.Hub, error) {
	hub, c, err := q.Identity(ctx, task.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	role := model.Role(c.Role)
	return &model.Hub{
		Version: hub.Version, Region: optional(hub.Region), Account: optional(hub.Account), Local: hub.Local,
		Caller: model.Caller{Name: c.Name, Role: &role},
	}, nil
}

func (q query) Summary(ctx context.Context) (*model.Summary, error) {
	s, err := q.Service.Summary(ctx, task.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &model.Summary{States: []model.StateCount{}, Attention: q.tasks(s.Attention), AttentionMore: s.More}
	for _, state := range task.States() {
		out.States = append(out.States, model.StateCount{State: model.TaskState(state), Tasks: float64(s.States[state])})
	}
	return out, nil
}

func (q query) Tasks(ctx context.Context, filter *model.TaskFilter, sort *model.TaskSort, first *int, after *string) (*model.TaskConnection, error) {
	ask := task.Query{First: value(first), After: value(after)}
	if filter != nil {
		for _, s := range filter.States {
			ask.States = append(ask.States, task.State(s))
		}
		ask.Type, ask.Text, ask.Attention = value(filter.Type), value(filter.Text), value(filter.Attention)
	}
	if sort != nil {
		ask.Sort, ask.Descending = task.Sort(sort.By), value(sort.Descending)
	}
	page, err := q.List(ctx, task.CallerOf(ctx), ask)
	if err != nil {
		return nil, err
	}
	return &model.TaskConnection{Nodes: q.tasks(page.Tasks), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) Task(ctx context.Context, id string) (*model.Task, error) {
	return q.task(q.Get(ctx, task.CallerOf(ctx), id))
}

func (q query) TaskRuns(ctx context.Context, id string, first *int, after *string) (*model.RunConnection, error) {
	page, err := q.Runs(ctx, task.CallerOf(ctx), id, value(first), value(after))
	if err != nil {
		return nil, err
	}
	return &model.RunConnection{Nodes: each(page.Runs, runOf), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskRun(ctx context.Context, id, runID string) (*model.Run, error) {
	d, err := q.RunOf(ctx, task.CallerOf(ctx), id, runID)
	if err != nil {
		return nil, err
	}
	return new(runOf(&d)), nil
}

func (q query) TaskObjects(ctx context.Context, id string, _ *model.ObjectStatus, errorClass, keyPrefix *string, first *int, after *string) (*model.ObjectConnection, error) {
	page, err := q.Objects(ctx, task.CallerOf(ctx), id, task.ObjectQuery{Class: value(errorClass), KeyPrefix: value(keyPrefix), First: value(first), After: value(after)})
	if err != nil {
		return nil, err
	}
	return &model.ObjectConnection{Nodes: each(page.Records, objectOf), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskImages(ctx context.Context, id string, status *model.ImageStatus, prefix *string, first *int, after *string) (*model.ImageConnection, error) {
	ask := task.ImageQuery{Prefix: value(prefix), First: value(first), After: value(after)}
	if status != nil {
		ask.Status = imageStatuses()[*status]
	}
	page, err := q.Images(ctx, task.CallerOf(ctx), id, ask)
	if err != nil {
		return nil, err
	}
	return &model.ImageConnection{Nodes: each(page.Records, imageOf), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskObject(ctx context.Context, id, key string) (*model.ObjectRecord, error) {
	record, err := q.Object(ctx, task.CallerOf(ctx), id, key)
	if err != nil {
		return nil, err
	}
	return new(objectOf(&record)), nil
}

func (q query) TaskMetrics(ctx context.Context, id string, set model.MetricSet, from, to *time.Time) ([]model.MetricSeries, error) {
	if err := task.Allowed(ctx, task.Viewer); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, &task.Error{Code: task.Invalid, Field: "id", Message: "it is required; hubMetrics is about all tasks"}
	}
	return q.series(ctx, id, set, from, to)
}

func (q query) HubMetrics(ctx context.Context, set model.MetricSet, from, to *time.Time) ([]model.MetricSeries, error) {
	return q.series(ctx, "", set, from, to)
}

func (q query) series(ctx context.Context, id string, set model.MetricSet, from, to *time.Time) ([]model.MetricSeries, error) {
	lines, err := q.Series(ctx, task.CallerOf(ctx), id, task.MetricSet(set), value(from), value(to))
	if err != nil {
		return nil, err
	}
	return each(lines, seriesOf), nil
}

func (q query) TaskLogStreams(ctx context.Context, id string, source model.LogSource, first *int, after *string) (*model.LogStreamConnection, error) {
	page, err := q.LogStreams(ctx, task.CallerOf(ctx), id, task.LogSource(source), value(first), value(after))
	if err != nil {
		return nil, err
	}
	return &model.LogStreamConnection{Nodes: each(page.Streams, func(s *task.Stream) model.LogStream {
		return model.LogStream{Name: s.Name, First: moment(s.First), End: moment(s.End)}
	}), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskLogs(ctx context.Context, id string, source model.LogSource, stream, text *string, from, to *time.Time, first *int, after *string) (*model.LogLineConnection, error) {
	page, err := q.LogLines(ctx, task.CallerOf(ctx), id, task.LogQuery{
		Source: task.LogSource(source), Stream: value(stream), Text: value(text), From: value(from), To: value(to), First: value(first), After: value(after),
	})
	if err != nil {
		return nil, err
	}
	return &model.LogLineConnection{Nodes: each(page.Lines, func(l *task.Line) model.LogLine {
		return model.LogLine{At: l.At, Stream: l.Stream, Text: l.Text}
	}), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskAudit(ctx context.Context, id string, first *int, after *string) (*model.AuditConnection, error) {
	page, err := q.Audit(ctx, task.CallerOf(ctx), id, value(first), value(after))
	if err != nil {
		return nil, err
	}
	return &model.AuditConnection{Nodes: each(page.Entries, auditOf), PageInfo: pageInfo(page.Next)}, nil
}

func (q query) TaskPolicies(ctx context.Context, id string) ([]model.Policy, error) {
	all, err := q.Policies(ctx, task.CallerOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return each(all, policyOf), nil
}

func (q query) ValidateTask(ctx context.Context, input model.CreateTaskInput) ([]model.Policy, error) {
	if err := task.Allowed(ctx, task.Viewer); err != nil {
		return nil, err
	}
	in, err := createInput(&input)
	if err != nil {
		return nil, err
	}
	all, err := q.Validate(ctx, task.CallerOf(ctx), in)
	if err != nil {
		return nil, err
	}
	return each(all, policyOf), nil
}

func (q query) Plugins(ctx context.Context) ([]model.Plugin, error) {
	all, err := q.PluginList(ctx, task.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	return each(all, pluginOf), nil
}

func (q query) Plan(ctx context.Context, id string) (*model.Plan, error) {
	a, err := q.PlanAnswer(ctx, task.CallerOf(ctx), id)
	if err != nil || a == nil {
		return nil, err
	}
	return planOf(a), nil
}

func (q query) Check(ctx context.Context, id string) (*model.Check, error) {
	a, err := q.CheckAnswer(ctx, task.CallerOf(ctx), id)
	if err != nil || a == nil {
		return nil, err
	}
	return checkOf(a), nil
}

func (q query) Settings(ctx context.Context) (*model.Settings, error) {
	return settingsOf(q.HubPreferences(ctx, task.CallerOf(ctx)))
}

func (q query) Buckets(ctx context.Context, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.Buckets, "", search, first, after)
}

func (q query) Secrets(ctx context.Context, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.Secrets, "", search, first, after)
}

func (q query) KmsKeys(ctx context.Context, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.KMSKeys, "", search, first, after)
}

func (q query) Vpcs(ctx context.Context, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.VPCs, "", search, first, after)
}

func (q query) Subnets(ctx context.Context, vpc string, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.Subnets, vpc, search, first, after)
}

func (q query) Regions(ctx context.Context, search *string, first *int, after *string) (*model.PickConnection, error) {
	return q.pick(ctx, task.Regions, "", search, first, after)
}

func (q query) pick(ctx context.Context, kind task.PickKind, within string, search *string, first *int, after *string) (*model.PickConnection, error) {
	page, err := q.Pick(ctx, task.CallerOf(ctx), task.PickQuery{Kind: kind, Text: value(search), Within: within, First: value(first), After: value(after)})
	if err != nil {
		return nil, err
	}
	return &model.PickConnection{Nodes: each(page.Picks, func(p *task.Pick) model.Pick {
		return model.Pick{Value: p.Value, Label: p.Label, Note: optional(p.Note)}
	}), PageInfo: pageInfo(page.Next)}, nil
}

type mutation struct{ *resolver }

func (m mutation) CreateTask(ctx context.Context, input model.CreateTaskInput) (*model.Task, error) {
	if err := task.Allowed(ctx, task.Admin); err != nil {
		return nil, err
	}
	in, err := createInput(&input)
	if err != nil {
		return nil, err
	}
	return m.task(m.Create(ctx, task.CallerOf(ctx), in))
}

func (m mutation) UpdateTask(ctx context.Context, input model.UpdateTaskInput) (*model.Task, error) {
	if err := task.Allowed(ctx, task.Admin); err != nil {
		return nil, err
	}
	in := task.UpdateInput{ID: input.ID, Edition: int64(value(input.Edition)), Name: input.Name, Description: input.Description, Upgrade: value(input.Upgrade)}
	var err error
	if input.Labels != nil {
		if in.Labels, err = entries("labels", input.Labels); err != nil {
			return nil, err
		}
	}
	if input.Parameters != nil {
		if in.Parameters, err = entries("parameters", input.Parameters); err != nil {
			return nil, err
		}
	}
	return m.task(m.Update(ctx, task.CallerOf(ctx), in))
}

func (m mutation) StopTask(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Stop(ctx, task.CallerOf(ctx), id))
}

func (m mutation) DeleteTask(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Delete(ctx, task.CallerOf(ctx), id))
}

func (m mutation) PauseTask(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Pause(ctx, task.CallerOf(ctx), id))
}

func (m mutation) ResumeTask(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Resume(ctx, task.CallerOf(ctx), id))
}

func (m mutation) RunTask(ctx context.Context, id string, clientToken *string) (*model.Task, error) {
	return m.task(m.Run(ctx, task.CallerOf(ctx), id, value(clientToken)))
}

func (m mutation) CloneTask(ctx context.Context, id string) (*model.TaskDraft, error) {
	in, err := m.CloneDraft(ctx, task.CallerOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &model.TaskDraft{Name: in.Name, Description: in.Description, Type: in.Type, Labels: entriesOf(in.Labels), Parameters: entriesOf(in.Parameters)}, nil
}

func (m mutation) StartPlan(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Service.StartPlan(ctx, task.CallerOf(ctx), id))
}

func (m mutation) StartCheck(ctx context.Context, id string) (*model.Task, error) {
	return m.task(m.Service.StartCheck(ctx, task.CallerOf(ctx), id))
}

func (m mutation) RetryObjects(ctx context.Context, id string, keys []string, errorClass *string, all *bool, clientToken *string) (*model.Task, error) {
	if err := task.Allowed(ctx, task.Operator); err != nil {
		return nil, err
	}
	some := len(keys) > 0 || value(errorClass) != ""
	if some == value(all) {
		return nil, &task.Error{Code: task.Invalid, Field: "all", Message: "give keys, or errorClass, or all: true"}
	}
	return m.task(m.Retry(ctx, task.CallerOf(ctx), id, task.Retry{Keys: keys, Class: value(errorClass)}, value(clientToken)))
}

func (m mutation) UpdateSettings(ctx context.Context, input model.SettingsInput) (*model.Settings, error) {
	if err := task.Allowed(ctx, task.Admin); err != nil {
		return nil, err
	}
	defaults := map[string]map[string]string{}
	for _, d := range input.Defaults {
		if _, twice := defaults[d.Type]; twice {
			return nil, &task.Error{Code: task.Invalid, Field: "defaults.type", Value: d.Type, Message: "it is given twice"}
		}
		values, err := entries("defaults."+d.Type, d.Values)
		if err != nil {
			return nil, err
		}
		defaults[d.Type] = values
	}
	return settingsOf(m.UpdatePreferences(ctx, task.CallerOf(ctx), int64(value(input.Revision)), defaults))
}

// createInput reads the description of a new task.
func createInput(input *model.CreateTaskInput) (task.CreateInput, error) {
	in := task.CreateInput{
		Name: input.Name, Description: value(input.Description), Type: input.Type, Start: input.Start == nil || *input.Start, ClientToken: value(input.ClientToken),
	}
	var err error
	if in.Labels, err = entries("labels", input.Labels); err != nil {
		return in, err
	}
	in.Parameters, err = entries("parameters", input.Parameters)
	return in, err
}

// maxEntries bounds what one list of names and values holds.
const maxEntries = 200

// entries reads names and values; a name that is given twice is refused.
func entries(field string, list []model.EntryInput) (map[string]string, error) {
	if len(list) > maxEntries {
		return nil, &task.Error{Code: task.Invalid, Field: field, Message: "allowed are up to 200"}
	}
	all := make(map[string]string, len(list))
	for _, e := range list {
		if _, twice := all[e.Name]; twice {
			return nil, &task.Error{Code: task.Invalid, Field: field + "." + e.Name, Value: e.Value, Message: "it is given twice"}
		}
		all[e.Name] = e.Value
	}
	return all, nil
}

// task translates a task, unless there is an error.
func (r *resolver) task(t task.Task, err error) (*model.Task, error) {
	if err != nil {
		return nil, err
	}
	return new(r.taskOf(&t)), nil
}

func (r *resolver) tasks(all []task.Task) []model.Task { return each(all, r.taskOf) }

// each translates a list.
func each[A, B any](all []A, one func(*A) B) []B {
	out := make([]B, len(all))
	for i := range all {
		out[i] = one(&all[i])
	}
	return out
}

func pageInfo(next string) model.PageInfo {
	return model.PageInfo{HasNextPage: next != "", EndCursor: optional(next)}
}

// value returns what a pointer points to, the zero value for nil.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// optional returns nil for the empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// moment returns nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
