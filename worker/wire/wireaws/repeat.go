package wireaws

import (
	"context"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
)

// Repeat makes a call by an SDK client that does not retry by itself (aws.NopRetryer), and repeats it as Client.Do
// would. The error is classed. uncertain says that an attempt which nobody answered may have taken effect before the
// one whose result this is.
func Repeat(ctx context.Context, policy retry.Policy, op, on string, call func() error) (uncertain bool, err error) {
	unanswered := false
	err = policy.Do(ctx, func() error {
		uncertain = unanswered
		err := Classify(ctx, op, on, call())
		switch failure.ClassOf(err) {
		case failure.Network, failure.Server:
			unanswered = true
		}
		return err
	})
	return uncertain, err
}
