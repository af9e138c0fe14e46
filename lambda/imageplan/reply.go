package imageplan

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/datatransferhub/dth/lambda/task"
)

// reply makes a plan or a check, and keeps what it found under the id of the request. Neither is a run.
func (h *Handler) reply(ctx context.Context, e Event) (Planned, error) {
	answer := task.Answer{State: task.Running, Started: h.Now()}
	if err := h.put(ctx, e.Ask.Request, answer); err != nil {
		return Planned{}, err
	}
	var err error
	if e.Ask.Mode == CheckMode {
		answer.Findings, err = h.Registries.Check(ctx)
	} else {
		answer.Plan, err = h.planOnly(ctx)
	}
	answer.State, answer.Finished = task.Finished, h.Now()
	if err != nil {
		answer.State, answer.Error = task.Broken, err.Error()
	}
	return Planned{Verdict: End, Run: e.Run}, h.put(ctx, e.Ask.Request, answer)
}

// broken answers a request whose plan or check was lost: its Lambda ran out of time or memory, or failed in every try. Whoever asked
// would otherwise wait for ever. What was answered before stays.
func (h *Handler) broken(ctx context.Context, e Event) error {
	doc, err := h.Runs.Answer(ctx, e.Ask.Request)
	if err != nil {
		return err
	}
	answer := task.Answer{Started: h.Now()}
	if doc != nil {
		if err := json.Unmarshal(doc, &answer); err != nil {
			return fmt.Errorf("the answer to request %s: %w", e.Ask.Request, err)
		}
	}
	if answer.State == task.Finished || answer.State == task.Broken {
		return nil
	}
	answer.State, answer.Finished, answer.Error = task.Broken, h.Now(), "it ended without an answer; the log of the Lambda says why"
	if e.State.Failure != nil {
		answer.Error = cause(*e.State.Failure)
	}
	return h.put(ctx, e.Ask.Request, answer)
}

func (h *Handler) planOnly(ctx context.Context) (*task.PlanResult, error) {
	c, err := h.Registries.Compare(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range c.Batches {
		c.Totals.Queued += int64(len(b.Images))
	}
	return &task.PlanResult{Totals: c.Totals}, nil
}

func (h *Handler) put(ctx context.Context, request string, a task.Answer) error {
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := h.Runs.PutAnswer(ctx, request, doc); err != nil {
		return fmt.Errorf("keeping the answer to request %s: %w", request, err)
	}
	return nil
}
