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
	return &Machine{metadata: imds.NewFromConfig(cfg), scaling: autoscaling.NewFromConfig(cfg), group: group, hook: hook}
}

// Look implements notice.Source.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html and
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
func (m *Machine) Look(ctx context.Context) (*notice.Notice, error) {
	text, there, err := m.read(ctx, "spot/instance-action")
	if err != nil {
		return nil, err
	}
	if there {
		var action struct {
			Action string    `json:"action"`
			Time   time.Time `json:"time"`
		}
		if err := json.Unmarshal([]byte(text), &action); err != nil {
			return nil, fmt.Errorf("the notice of a Spot interruption cannot be read: %w", err)
		}
		return &notice.Notice{Kind: notice.Spot, At: action.Time}, nil
	}
	state, there, err := m.read(ctx, "autoscaling/target-lifecycle-state")
	if err != nil {
		return nil, err
	}
	if there && strings.TrimSpace(state) == "Terminated" {
		return &notice.Notice{Kind: notice.Scaling}, nil
	}
	return nil, nil
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

// Release tells the group that the machine may go.
func (m *Machine) Release(ctx context.Context) error {
	id, err := m.id(ctx)
	if err != nil {
		return err
	}
	_, err = m.scaling.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{
		AutoScalingGroupName: &m.group, LifecycleHookName: &m.hook, InstanceId: &id, LifecycleActionResult: aws.String("CONTINUE"),
	})
	if err != nil {
		return fmt.Errorf("telling Auto Scaling group %s that this machine may go: %w", m.group, err)
	}
	return nil
}

func (m *Machine) id(ctx context.Context) (string, error) {
	id, there, err := m.read(ctx, "instance-id")
	if err == nil && !there {
		err = errors.New("the metadata service does not tell the id of this machine")
	}
	return strings.TrimSpace(id), err
}
