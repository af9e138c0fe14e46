package stackops

import (
	"strings"

	"github.com/datatransferhub/dth/lambda/task"
)

// Status is where CloudFormation says that a stack is. The predicates read how it is spelled, so that a status which is new
// with CloudFormation is understood, too.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
type Status string

// The statuses that decide something. NoStack stands for a stack that is not there; CloudFormation has no word for it.
const (
	NoStack              Status = ""
	CreateComplete       Status = "CREATE_COMPLETE"
	UpdateComplete       Status = "UPDATE_COMPLETE"
	ImportComplete       Status = "IMPORT_COMPLETE"
	UpdateInProgress     Status = "UPDATE_IN_PROGRESS"
	DeleteInProgress     Status = "DELETE_IN_PROGRESS"
	DeleteComplete       Status = "DELETE_COMPLETE"
	DeleteFailed         Status = "DELETE_FAILED"
	ReviewInProgress     Status = "REVIEW_IN_PROGRESS" // it has a change set that nobody executed, and nothing else
	CreateRolledBack     Status = "ROLLBACK_COMPLETE"
	UpdateRollbackFailed Status = "UPDATE_ROLLBACK_FAILED"
)

// Gone reports that there is no stack.
func (s Status) Gone() bool { return s == NoStack || s == DeleteComplete }

// Moving reports that CloudFormation is at work on the stack.
func (s Status) Moving() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != ReviewInProgress
}

// Stands reports that the stack is as it was last asked for.
func (s Status) Stands() bool {
	return s == CreateComplete || s == UpdateComplete || s == ImportComplete
}

// Restored reports that the stack is whole, as it was before a change that failed.
func (s Status) Restored() bool {
	return s != CreateRolledBack && strings.HasSuffix(string(s), "_ROLLBACK_COMPLETE")
}

// Usable reports that the stack is whole: as it was asked for, or as before.
func (s Status) Usable() bool { return s.Stands() || s.Restored() }

// Judgement is what a status means to an operation.
type Judgement string

// The judgements.
const (
	Wait      Judgement = "WAIT"      // CloudFormation is at work
	Again     Judgement = "AGAIN"     // the operation has not begun, and is to be asked for again
	Succeeded Judgement = "SUCCEEDED" // it is done
	Failed    Judgement = "FAILED"    // it will never be done
)

// Judge says what a status, seen after an operation was asked for, means to the operation.
func Judge(k task.Kind, s Status) Judgement {
	switch {
	case s.Moving():
		return Wait
	case k == task.Delete && s.Gone():
		return Succeeded
	case k == task.Delete && s == DeleteFailed:
		return Failed
	case k == task.Delete:
		return Again
	case s.Stands():
		return Succeeded
	}
	return Failed
}
