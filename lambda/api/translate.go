package api

import (
	"cmp"
	"math"
	"time"

	"github.com/datatransferhub/dth/lambda/api/model"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/cron"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

func (r *resolver) taskOf(t *task.Task) model.Task {
	m := model.Task{
		ID: t.ID, Edition: int(min(t.Edition, math.MaxInt32)), Name: t.Name, Description: t.Description, Type: t.Type, PluginVersion: t.PluginVersion,
		Labels: entriesOf(t.Labels), Parameters: entriesOf(t.Parameters),
		Schedule: model.Schedule{Kind: model.ScheduleKind(t.Schedule.Kind), Expression: optional(t.Schedule.Expression), Events: t.Schedule.Events},
		State:    model.TaskState(t.State), Reason: optional(t.Reason), NextStep: optional(t.NextStep),
		Stack:  model.Stack{Name: t.Stack.Name, ID: optional(t.Stack.ID), Outputs: entriesOf(t.Stack.Outputs)},
		Health: model.Health(cmp.Or(string(t.Health), string(model.HealthUnknown))), NextRun: r.nextRun(t),
		CreatedBy: t.CreatedBy, CreatedAt: t.Created.UTC(), UpdatedBy: t.UpdatedBy, UpdatedAt: t.Updated.UTC(),
	}
	if p, known := r.PluginOf(t.Type); known {
		if p.Ends != nil {
			m.Source, m.Destination = p.Ends(t.Parameters)
		}
		if p.Version != t.PluginVersion {
			m.UpgradeTo = optional(p.Version)
		}
	}
	if o := t.Operation; o != nil {
		m.Operation = &model.Operation{Kind: model.OperationKind(o.Kind), Begun: o.Begun.UTC(), By: o.By}
	}
	if l := t.LastRun; l != nil {
		m.LastRun = &model.LastRun{
			ID: l.ID, Trigger: l.Trigger, State: model.RunState(l.State), Started: l.Started.UTC(), Finished: moment(l.Finished), Queued: float64(l.Queued),
			Settled: float64(l.Settled), Copied: float64(l.Copied), Bytes: float64(l.Bytes), Failed: float64(l.Failed), Told: l.Told.UTC(), Error: optional(l.Error),
		}
	}
	if a := t.Agreement; !a.AsOf.IsZero() {
		m.Agreement = &model.Agreement{AsOf: a.AsOf.UTC(), InSync: a.InSync, Behind: float64(a.Behind), Named: float64(a.Named), RunID: a.RunID, Checked: moment(a.Checked)}
	}
	if t.Plan != nil {
		m.Planned = moment(t.Plan.Asked)
	}
	if t.Check != nil {
		m.Checked = moment(t.Check.Asked)
	}
	m.Attention = each(t.Attention(r.Now()), reasonOf)
	if e := t.Estimate; e != nil {
		m.Estimate = &model.TaskEstimate{
			At: e.At.UTC(), Bytes: float64(e.Bytes), Duration: model.Range{Low: e.Duration.Low, High: e.Duration.High}, Text: e.Text,
			Costs: each(e.Costs, func(c *estimate.Total) model.Amount {
				return model.Amount{Currency: c.Currency, Amount: model.Range{Low: c.Amount.Low, High: c.Amount.High}}
			}),
		}
	}
	return m
}

func reasonOf(r *task.Reason) model.AttentionReason {
	m := model.AttentionReason{Kind: model.AttentionKind(r.Kind), Text: r.Text}
	if r.Count > 0 {
		m.Count = new(float64(r.Count))
	}
	return m
}

// nextRun is the next tick of a task's schedule.
func (r *resolver) nextRun(t *task.Task) *time.Time {
	if t.State != task.InProgress || t.Schedule.Expression == "" {
		return nil
	}
	schedule, err := cron.Parse(t.Schedule.Expression)
	if err != nil {
		return nil // a task that polls has no ticks
	}
	after := r.Now()
	next, more := schedule.Next(after)
	if !more {
		return nil
	}
	return moment(next)
}

func entriesOf(m map[string]string) []model.Entry {
	out := make([]model.Entry, 0, len(m))
	for _, name := range sorted(m) {
		out = append(out, model.Entry{Name: name, Value: m[name]})
	}
	return out
}

func talliesOf(m map[string]run.Tally) []model.Tally {
	out := make([]model.Tally, 0, len(m))
	for _, name := range sorted(m) {
		out = append(out, model.Tally{Name: name, Objects: float64(m[name].Objects), Bytes: float64(m[name].Bytes)})
	}
	return out
}

func countsOf(m map[string]int64) []model.Count {
	out := make([]model.Count, 0, len(m))
	for _, name := range sorted(m) {
		out = append(out, model.Count{Name: name, Count: float64(m[name])})
	}
	return out
}

func runOf(d *task.RunDetail) model.Run {
	return model.Run{
		ID: d.ID, Trigger: d.Trigger, State: model.RunState(d.State), Started: d.Started.UTC(), Found: moment(d.Found), Finished: moment(d.Finished), Error: optional(d.Error),
		ListedSource: float64(d.Finder.ListedSource), ListedDestination: float64(d.Finder.ListedDestination), Decisions: talliesOf(d.Finder.Decisions),
		Queued: float64(task.Queued(&d.Run, d.Settled)), Settled: float64(d.Settled), Outcomes: talliesOf(d.Totals.Outcomes), Errors: countsOf(d.Totals.Errors),
		Retries: float64(d.Totals.Retries), Throttles: float64(d.Totals.Throttles), Superseded: float64(d.Totals.Superseded), DeadLetters: float64(d.DeadLetters),
		Proved: d.Proved, Remaining: countsOf(d.Remaining), Named: float64(d.Named), Newer: float64(d.Newer), Report: optional(d.Report),
	}
}

func objectOf(r *ledger.Record) model.ObjectRecord {
	return model.ObjectRecord{
		Key: r.Key, Status: string(r.Status), Size: float64(r.Size), Method: optional(r.Method), VerifiedBy: optional(r.VerifiedBy), ErrorClass: optional(r.Class()),
		Error: optional(r.Error), Attempts: r.Attempts, RunID: optional(r.RunID), Worker: optional(r.Worker), Started: moment(r.StartedAt), Finished: moment(r.FinishedAt),
	}
}

// imageStatuses are the schema's names of the statuses of records.
func imageStatuses() map[model.ImageStatus]record.Status {
	return map[model.ImageStatus]record.Status{
		model.ImageStatusDone: record.Done, model.ImageStatusUnchanged: record.Unchanged, model.ImageStatusDeleted: record.Deleted, model.ImageStatusError: record.Failed,
	}
}

func imageOf(r *record.Record) model.ImageRecord {
	out := model.ImageRecord{
		Key: r.Key.String(), Image: r.Image, Tag: r.Tag, Status: model.ImageStatusError, SourceDigest: optional(r.SourceDigest), DestinationDigest: optional(r.DestinationDigest),
		MediaType: optional(r.MediaType), Bytes: float64(r.Bytes), Platforms: append([]string{}, r.Platforms...), Referrers: r.Referrers, ErrorClass: optional(r.ErrorClass),
		Error: optional(r.ErrorMessage), Attempts: r.Attempts, RunID: optional(r.RunID), Started: moment(r.StartedAt), Finished: moment(r.FinishedAt),
	}
	for name, s := range imageStatuses() {
		if s == r.Status {
			out.Status = name
		}
	}
	return out
}

func seriesOf(s *task.Series) model.MetricSeries {
	return model.MetricSeries{Name: s.Name, Unit: s.Unit, Step: int(s.Step / time.Second), Points: each(s.Points, func(p *task.Point) model.MetricPoint {
		return model.MetricPoint{At: p.At.UTC(), Value: p.Value}
	})}
}

func auditOf(e *task.Entry) model.AuditEntry {
	return model.AuditEntry{At: e.At.UTC(), By: e.By, Action: e.Action, Note: optional(e.Note), Changes: each(e.Changes, func(c *task.Change) model.Change {
		return model.Change{Field: c.Field, Before: c.Before, After: c.After}
	})}
}

func policyOf(p *task.Policy) model.Policy {
	return model.Policy{End: p.End, Kind: p.Kind, AttachTo: p.AttachTo, Document: optional(p.Document), Text: optional(p.Text)}
}

func pluginOf(p *task.Plugin) model.Plugin {
	return model.Plugin{Type: p.Type, Description: p.Description, Version: p.Version, Parameters: each(p.Contract.Parameters, parameterOf)}
}

func parameterOf(p *contract.Parameter) model.Parameter {
	m := model.Parameter{
		Name: p.Name, Group: p.Group, Label: p.Label, Help: p.Help, Type: string(p.Type), Default: optional(p.Default), Required: p.Required, Allowed: p.Allowed,
		Pattern: optional(p.Pattern), Rule: optional(p.Rule), OnUpdate: string(p.OnUpdate), Fixed: p.OnUpdate == contract.Replaced,
		When: each(p.When, func(c *contract.Condition) model.Condition { return model.Condition{Parameter: c.Parameter, In: c.In} }),
	}
	if p.Allowed == nil {
		m.Allowed = []string{}
	}
	if p.Min != 0 || p.Max != 0 {
		m.Min = new(float64(p.Min))
	}
	if p.Max != 0 {
		m.Max = new(float64(p.Max))
	}
	if p.MaxBytes != 0 {
		m.MaxBytes = new(p.MaxBytes)
	}
	return m
}

func checkOf(a *task.Answer) *model.Check {
	return &model.Check{
		State: model.AnswerState(a.State), Started: a.Started.UTC(), Finished: moment(a.Finished), Error: optional(a.Error),
		Findings: each(a.Findings, func(f *task.Finding) model.Finding {
			return model.Finding{End: f.End, Right: f.Right, Result: f.Result, Message: optional(f.Message), Remedy: optional(f.Remedy)}
		}),
	}
}

func planOf(a *task.Answer) *model.Plan {
	p := &model.Plan{State: model.AnswerState(a.State), Started: a.Started.UTC(), Finished: moment(a.Finished), Error: optional(a.Error), Listed: float64(a.Listed)}
	if a.Plan == nil {
		return p
	}
	r := &model.PlanResult{
		ListedSource: float64(a.Plan.Totals.ListedSource), ListedDestination: float64(a.Plan.Totals.ListedDestination), Decisions: talliesOf(a.Plan.Totals.Decisions),
		Histogram: each(a.Plan.Histogram, func(b *task.Bin) model.Bar {
			return model.Bar{From: float64(b.From), Objects: float64(b.Objects), Bytes: float64(b.Bytes)}
		}),
		Largest: each(a.Plan.Largest, func(o *task.Sized) model.SizedObject { return model.SizedObject{Key: o.Key, Size: float64(o.Size)} }),
		Costs:   []model.Cost{}, MonthlyCosts: []model.Cost{}, NotIncluded: []string{},
	}
	if e := a.Plan.Estimate; e != nil {
		r.Bytes, r.Text = float64(e.Bytes), e.Text()
		r.Duration = &model.Range{Low: e.Duration.Seconds.Low, High: e.Duration.Seconds.High}
		r.Costs, r.MonthlyCosts = each(e.Items, costOf), each(e.Monthly, costOf)
		if e.NotIncluded != nil {
			r.NotIncluded = e.NotIncluded
		}
	}
	p.Result = r
	return p
}

func costOf(i *estimate.Item) model.Cost {
	c := model.Cost{Item: i.Item, Quantity: model.Range{Low: i.Quantity.Low, High: i.Quantity.High}, Unit: i.Unit, Currency: optional(i.Currency), Note: optional(i.Note)}
	if i.Amount != nil {
		c.Amount = &model.Range{Low: i.Amount.Low, High: i.Amount.High}
	}
	return c
}

func settingsOf(p task.Preferences, err error) (*model.Settings, error) {
	if err != nil {
		return nil, err
	}
	s := &model.Settings{Revision: int(min(p.Revision, math.MaxInt32)), Defaults: []model.PluginDefaults{}, UpdatedAt: moment(p.Updated), UpdatedBy: optional(p.By)}
	for _, kind := range sorted(p.Defaults) {
		s.Defaults = append(s.Defaults, model.PluginDefaults{Type: kind, Values: entriesOf(p.Defaults[kind])})
	}
	return s, nil
}
