package notice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/notice"
)

// looks answers looks one after the other; after the last it says nothing.
type looks struct {
	answers []any // *notice.Notice, error or nil
	n       int
}

func (l *looks) Look(context.Context) (*notice.Notice, error) {
	l.n++
	if l.n > len(l.answers) {
		return nil, nil
	}
	switch a := l.answers[l.n-1].(type) {
	case *notice.Notice:
		return a, nil
	case error:
		return nil, a
	}
	return nil, nil
}

func TestWatch(t *testing.T) {
	spot, rebalance := &notice.Notice{Kind: notice.Spot}, &notice.Notice{Kind: notice.Rebalance}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		answers []any
		want    *notice.Notice
		after   time.Duration
		says    string
	}{
		"a notice":                      {[]any{nil, nil, spot}, spot, 10 * time.Second, ""},
		"none, until it is stopped":     {nil, nil, time.Minute, ""},
		"no such machine":               {[]any{fmt.Errorf("%w: nobody there", notice.ErrOff), spot}, nil, 0, "nobody there"},
		"off later is only a failure":   {[]any{nil, notice.ErrOff, spot}, spot, 10 * time.Second, ""},
		"failures are overcome":         {[]any{broken, broken, spot}, spot, 10 * time.Second, ""},
		"failures that stay are said":   {[]any{broken, broken, broken, broken, broken, broken, spot}, spot, 30 * time.Second, "broken"},
		"a recommendation is said once": {[]any{rebalance, rebalance, rebalance, spot}, spot, 15 * time.Second, "rebalance"},
		"a failure at first is no off":  {[]any{broken, spot}, spot, 5 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var said bytes.Buffer
				began := time.Now()
				got := notice.Watch(ctx, &looks{answers: c.answers}, 5*time.Second, slog.New(slog.NewTextHandler(&said, nil)))
				if took := time.Since(began); got != c.want || took != c.after {
					t.Errorf("%v after %s, want %v after %s", got, took, c.want, c.after)
				}
				if c.says == "" && said.Len() > 0 || c.says != "" && strings.Count(said.String(), c.says) != 1 {
					t.Errorf("it said %q", said.String())
				}
			})
		})
	}
}
