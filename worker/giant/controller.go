// Package giant looks after the giants of a task: objects whose parts are copied by the whole fleet. Workers copy parts and
// put them on record; the controller sees from the records, once a minute, what has to happen to an upload as a whole,
// and asks for it by message. It holds nothing between two looks, so that it may die, be doubled or be late.
//
// On AWS a Step Functions state machine calls Tick; on one machine a loop does.
package giant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
)

// The controller's patience.
const (
	// StalledAfter is how long an upload may make no progress.
	StalledAfter = 24 * time.Hour
	// AskEvery is how long a message that ends an upload has until it is sent again. It may wait behind many others.
	AskEvery = 30 * time.Minute
)

// Config is what a look needs.
type Config struct {
	Uploads multipart.Records
	Queue   queue.Sender
	// Resumed is when the task was last resumed after a pause; zero: it never was. The time before does not count
	// against an upload.
	Resumed time.Time
	// Paused says that the fleet is stopped: nothing can make progress, so nothing is found wanting.
	Paused bool
	// StalledAfter and AskEvery override the constants of these names when they are not zero.
	StalledAfter, AskEvery time.Duration
	Now                    func() time.Time // nil: time.Now
}

// Report is what a look found.
type Report struct {
	Open       int       `json:"open"`       // uploads on record
	Parts      int       `json:"parts"`      // on record, of all of them
	Completing int       `json:"completing"` // asked to be completed by this look
	Aborting   int       `json:"aborting"`   // asked to be aborted by this look
	Stalled    int       `json:"stalled"`    // found without progress by this look
	Progress   time.Time `json:"progress"`   // of the latest part or upload; zero when nothing is open
}

// Tick looks at every open upload once: one whose parts are all there is to be completed; one that failed, or made no
// progress for a day, is to be aborted. An upload that cannot be looked at does not keep the others from it.
func Tick(ctx context.Context, c Config) (Report, error) {
	if c.StalledAfter == 0 {
		c.StalledAfter = StalledAfter
	}
	if c.AskEvery == 0 {
		c.AskEvery = AskEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	uploads, err := c.Uploads.Uploads(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("looking for open uploads: %w", err)
	}
	r := Report{Open: len(uploads)}
	var all error
	for _, u := range uploads {
		if err := c.look(ctx, u, &r); err != nil {
			all = errors.Join(all, fmt.Errorf("upload of %s: %w", u.SourceKey, err))
		}
	}
	return r, all
}

func (c *Config) look(ctx context.Context, u multipart.Upload, r *Report) error {
	parts, err := c.Uploads.Parts(ctx, u)
	if err != nil {
		return err
	}
	progress := u.Created
	for _, p := range parts {
		if p.At.After(progress) {
			progress = p.At
		}
	}
	r.Parts += len(parts)
	if progress.After(r.Progress) {
		r.Progress = progress
	}
	about := message.Upload{Run: u.RunID, Key: u.SourceKey, ETag: u.SourceETag, UploadID: u.ID}
	switch {
	case u.Failure != nil:
		return c.ask(ctx, u, message.Abort{Upload: about}, &r.Aborting)
	case u.Giant && len(parts) >= u.Parts:
		return c.ask(ctx, u, message.Complete{Upload: about}, &r.Completing)
	case c.Paused || c.idle(progress) < c.StalledAfter:
		return nil
	}
	r.Stalled++
	f := multipart.Failure{Class: string(failure.Other), Text: fmt.Sprintf("no part arrived for %s; %d of %d parts are there", c.StalledAfter, len(parts), u.Parts), At: c.Now().UTC()}
	if err := c.Uploads.FailUpload(ctx, u, f); err != nil {
		return err
	}
	return c.ask(ctx, u, message.Abort{Upload: about}, &r.Aborting)
}

// idle is how long nothing happened that could have.
func (c *Config) idle(progress time.Time) time.Duration {
	if c.Resumed.After(progress) {
		progress = c.Resumed
	}
	return c.Now().Sub(progress)
}

// ask sends the message that ends an upload, unless it was sent a short while ago. The whole fleet may be busy with other
// messages: sending it at every look would only make the queue longer.
func (c *Config) ask(ctx context.Context, u multipart.Upload, m message.Message, count *int) error {
	now := c.Now()
	if now.Sub(u.Asked) < c.AskEvery {
		return nil
	}
	body, err := m.Encode()
	if err != nil {
		return err
	}
	if err := c.Queue.Send(ctx, []string{body}); err != nil {
		return fmt.Errorf("asking for its end: %w", err)
	}
	*count++
	return c.Uploads.AskUpload(ctx, u, now)
}
