// Package noticeaws reads notices from the instance metadata service of EC2, and tells Auto Scaling when a machine may go.
package noticeaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/datatransferhub/dth/worker/notice"
)

// Actions returns the IAM actions that a Machine needs on its Auto Scaling group.
func Actions() []string {
	return []string{"autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"}
}

// Machine is the EC2 instance that this process runs on.
type Machine struct {
	metadata *imds.Client
	scaling  *autoscaling.Client
	group    string // Auto Scaling group; empty: none
	hook     string // its life-cycle hook for terminations
}

var _ notice.Source = (*Machine)(nil)

// Open returns the machine. Group and hook may be empty; then nobody waits for its draining. It makes no call.
func Open(cfg aws.Config, group, hook string) *Machine {
	metadata := imds.NewFromConfig(cfg, func(o *imds.Options) { o.EnableFallback = aws.FalseTernary }) // version 2 only
	return &Machine{metadata: metadata, scaling: autoscaling.NewFromConfig(cfg), group: group, hook: hook}
}

// Look implements notice.Source. What ends the machine goes before what may.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html,
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html and
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
func (m *Machine) Look(ctx context.Context) (*notice.Notice, error) {
	for _, look := range []func(context.Context) (*notice.Notice, error){m.spot, m.scaledIn, m.rebalance} {
		if n, err := look(ctx); err != nil || n != nil {
			return n, err
		}
	}
	return nil, nil
}

func (m *Machine) spot(ctx context.Context) (*notice.Notice, error) {
	var action struct{ Time time.Time }
	there, err := m.decode(ctx, "spot/instance-action", &action)
	if err != nil || !there {
		return nil, err
	}
	return &notice.Notice{Kind: notice.Spot, At: action.Time}, nil
}

func (m *Machine) scaledIn(ctx context.Context) (*notice.Notice, error) {
	state, _, err := m.read(ctx, "autoscaling/target-lifecycle-state")
	if err != nil {
		return nil, err
	}
	switch strings.TrimSpace(state) {
	case "Terminated", "Warmed:Terminated":
		return &notice.Notice{Kind: notice.Scaling}, nil
	}
	return nil, nil
}

func (m *Machine) rebalance(ctx context.Context) (*notice.Notice, error) {
	var recommendation struct{ NoticeTime time.Time }
	there, err := m.decode(ctx, "events/recommendations/rebalance", &recommendation)
	if err != nil || !there {
		return nil, err
	}
	return &notice.Notice{Kind: notice.Rebalance, At: recommendation.NoticeTime}, nil
}

// decode reads a piece of metadata that is JSON, and reports whether it is there.
func (m *Machine) decode(ctx context.Context, path string, into any) (bool, error) {
	text, there, err := m.read(ctx, path)
	if err != nil || !there {
		return false, err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return false, fmt.Errorf("instance metadata %s: %.200q cannot be read: %w", path, text, err)
	}
	return true, nil
}

// read returns a piece of metadata, and whether it is there.
func (m *Machine) read(ctx context.Context, path string) (text string, there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := m.metadata.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	var status *smithyhttp.ResponseError
	switch {
	case errors.As(err, &status) && status.HTTPStatusCode() == http.StatusNotFound:
		return "", false, nil
	case errors.As(err, &status):
		return "", false, fmt.Errorf("instance metadata %s: %w", path, err)
	case err != nil: // nobody answers, or it is switched off
		return "", false, fmt.Errorf("%w: %w", notice.ErrOff, err)
	}
	defer out.Content.Close()
	body, err := io.ReadAll(io.LimitReader(out.Content, 64<<10))
	if err != nil {
		return "", false, fmt.Errorf("instance metadata %s: %w", path, err)
	}
	return string(body), true, nil
}

// Waits reports whether a group waits for Release.
func (m *Machine) Waits() bool { return m.group != "" && m.hook != "" }

// Heartbeat asks the group for another period of its hook.
func (m *Machine) Heartbeat(ctx context.Context) error {
	id, err := m.id(ctx)
	if err != nil {
		return err
	}
	_, err = m.scaling.RecordLifecycleActionHeartbeat(ctx, &autoscaling.RecordLifecycleActionHeartbeatInput{
		AutoScalingGroupName: &m.group, LifecycleHookName: &m.hook, InstanceId: &id,
	})
	if err != nil {
		return fmt.Errorf("asking Auto Scaling group %s for more time: %w", m.group, err)
	}
	return nil
}

// Release tells the group that the machine may go. A group that does not wait for it has let it go already.
func (m *Machine) Release(ctx context.Context) error {
	id, err := m.id(ctx)
	if err != nil {
		return err
	}
	_, err = m.scaling.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{
		AutoScalingGroupName: &m.group, LifecycleHookName: &m.hook, InstanceId: &id, LifecycleActionResult: aws.String("CONTINUE"),
	})
	if err != nil && !waitsNot(err) {
		return fmt.Errorf("telling Auto Scaling group %s that this machine may go: %w", m.group, err)
	}
	return nil
}

// waitsNot reports whether an error says that the group does not wait for the machine: its hook's time is over, it was told
// before, or it is not the group that takes the machine away. There is no code for that, only a text.
func waitsNot(err error) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == "ValidationError" && strings.Contains(e.ErrorMessage(), "No active Lifecycle Action")
}

func (m *Machine) id(ctx context.Context) (string, error) {
	id, there, err := m.read(ctx, "instance-id")
	if err == nil && !there {
		err = errors.New("the metadata service does not tell the id of this machine")
	}
	return strings.TrimSpace(id), err
}
