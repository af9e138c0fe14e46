package giant

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// MaxTicks is how many looks one execution of the state machine makes. Step Functions ends an execution at 25,000 events
// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html); a look with its wait takes 12 at most.
const MaxTicks = 1500

// Execution is the state that a state machine carries from look to look. It holds no names of objects.
type Execution struct {
	// Upload is the upload that the first execution was started for. Two workers that begin the same upload start the
	// same execution.
	Upload string `json:"upload"`
	// Continuation counts the executions that took over from one another.
	Continuation int `json:"continuation"`
	Ticks        int `json:"ticks"`
}

// Verdict is what an execution does after a look.
type Verdict string

// The verdicts.
const (
	Wait     Verdict = "WAIT"     // a minute, then look again
	Continue Verdict = "CONTINUE" // start the execution that is returned, then end
	End      Verdict = "END"      // nothing is open
)

// Next returns what follows a look that found this, and the state that it follows with.
func (e Execution) Next(r Report) (Execution, Verdict) {
	e.Ticks++
	switch {
	case r.Open == 0:
		return e, End
	case e.Ticks >= MaxTicks:
		return Execution{Upload: e.Upload, Continuation: e.Continuation + 1}, Continue
	}
	return e, Wait
}

// Name is the name of the execution: of at most 80 letters, digits, hyphens and underscores, and the same for whoever
// starts it for the same upload.
func (e Execution) Name() string { return e.prefix() + strconv.Itoa(e.Continuation) }

func (e Execution) prefix() string {
	sum := sha256.Sum256([]byte(e.Upload))
	return "giants-" + hex.EncodeToString(sum[:16]) + "-"
}

// Number returns which continuation a name stands for; false when it is no execution of the same upload.
func (e Execution) Number(name string) (int, bool) {
	digits, is := strings.CutPrefix(name, e.prefix())
	n, err := strconv.Atoi(digits)
	return n, is && err == nil
}
