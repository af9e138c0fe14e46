package list_test

import (
	"context"
	"errors"
	"testing"

	"github.com/datatransferhub/dth/worker/list"
	"github.com/datatransferhub/dth/worker/store"
)

type untouched struct{ t *testing.T }

func (u untouched) List(context.Context, store.ListRequest) (*store.Page, error) {
	u.t.Error("a page is asked for")
	return &store.Page{}, nil
}

// A pass that is stopped before it has begun has not listed everything.
func TestStoppedBeforeItBegan(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := list.Run(ctx, list.Config{Source: list.Side{Lister: untouched{t}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
