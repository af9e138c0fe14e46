package stackguard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/stackguard"
)

// stuck is a stack whose executions cannot be stopped and whose instances do not end.
type stuck struct{ order []string }

func (s *stuck) StopExecutions(_ context.Context, machine string) (int, error) {
	s.order = append(s.order, machine)
	return 1, errors.Join(errors.New("not allowed"), errors.New("nor this one"))
}

func (s *stuck) EndInstances(ctx context.Context, tag, value string) (int, error) {
	s.order = append(s.order, tag+"="+value)
	<-ctx.Done()
	return 2, fmt.Errorf("2 instances are still going: %w", ctx.Err())
}

func (s *stuck) AbortUploads(ctx context.Context) (int, error) {
	s.order = append(s.order, "uploads")
	return 3, ctx.Err()
}

func event(properties string) customresource.Event {
	return customresource.Event{PhysicalResourceId: "guard-of-task", ResourceProperties: json.RawMessage(properties)}
}

// Instances that do not end leave time for the uploads, and all is said while there is time to say it.
func TestWhatHangsHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s := &stuck{}
		r := stackguard.Resource{Stack: s, Name: "task", Pause: func(context.Context) error {
			s.order = append(s.order, "pause")
			return errors.New("no table")
		}}
		got, err := r.Delete(ctx, event(`{"Tag":"t","Machines":["arn:a","arn:b"]}`))
		const want = "ended 2 executions, 2 instances, 3 uploads; finders may be started meanwhile: no table; executions may be left: not allowed; nor this one; not allowed; nor this one; " +
			"instances may be left: 2 instances are still going: context deadline exceeded"
		if err != nil || ctx.Err() != nil || got.ID != "guard-of-task" || got.Note != want {
			t.Errorf("%+v, %v", got, err)
		}
		if strings.Join(s.order, " ") != "pause arn:a arn:b t=task uploads" {
			t.Errorf("the order was %q", s.order)
		}
	})
}

func TestBadProperties(t *testing.T) {
	for _, c := range []struct{ properties, want string }{{`[]`, "cannot be read"}, {`{}`, "Tag"}, {`{"Tag":"t","Machines":["m"]}`, "Machines"}} {
		if _, err := (stackguard.Resource{}).Create(t.Context(), event(c.properties)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.properties, err)
		}
		if got, err := (stackguard.Resource{}).Delete(t.Context(), event(c.properties)); err != nil || !strings.Contains(got.Note, "nothing was tidied up") {
			t.Errorf("a deletion was held up, or nothing said: %+v, %v", got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Tag":"t","Machines":["arn:a"]}`))
	f.Add([]byte(`{"Tag":null,"Machines":{}}`))
	f.Fuzz(func(t *testing.T, properties []byte) {
		p, err := stackguard.Parse(properties)
		if err != nil {
			return
		}
		for _, m := range p.Machines {
			if p.Tag == "" || !strings.HasPrefix(m, "arn:") {
				t.Errorf("%s is taken as %+v", properties, p)
			}
		}
	})
}
