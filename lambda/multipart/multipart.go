// Package multipart is the Lambda of the controller of giants: one look at all open uploads, and what follows.
package multipart

import (
	"context"
	"log/slog"

	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/run"
)

// Answer is what the state machine goes on with.
type Answer struct {
	Verdict   giant.Verdict   `json:"verdict"`
	Name      string          `json:"name"` // of the execution that takes over, when the verdict is CONTINUE
	Execution giant.Execution `json:"execution"`
	Report    giant.Report    `json:"report"`
}

// Handler looks once for each call.
type Handler struct {
	Config giant.Config
	// Pause tells whether the task is paused: no clock runs against its uploads then.
	Pause func(ctx context.Context) (run.Pause, error)
	Log   *slog.Logger
}

// Handle makes one look. With an error the state machine tries again; what was asked for by then is on record.
func (h *Handler) Handle(ctx context.Context, e giant.Execution) (Answer, error) {
	report, err := h.tick(ctx)
	if err != nil {
		h.Log.Error("looking at open uploads failed; it is tried again", "error", err)
		return Answer{}, err
	}
	next, verdict := e.Next(report)
	h.Log.Info("looked", "open", report.Open, "parts", report.Parts, "completing", report.Completing, "aborting", report.Aborting, "stalled", report.Stalled, "verdict", verdict)
	return Answer{Verdict: verdict, Name: next.Name(), Execution: next, Report: report}, nil
}

func (h *Handler) tick(ctx context.Context) (giant.Report, error) {
	pause, err := h.Pause(ctx)
	if err != nil {
		return giant.Report{}, err
	}
	c := h.Config
	if c.Paused = pause.Paused; !c.Paused {
		c.Resumed = pause.Since
	}
	return giant.Tick(ctx, c)
}
