package imageplan

import (
	"fmt"
	"maps"
	"strings"

	"github.com/datatransferhub/dth/worker/run"
)

// Bounds of what people read: SNS takes subjects of 100 letters of ASCII, and the first images show what is wrong.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	maxSubject = 100
	maxListed  = 20
	maxLine    = 300
)

func (h *Handler) subject(r run.Run, failed int) string {
	text := fmt.Sprintf("Data Transfer Hub: %d images failed in %s", failed, h.StackName)
	if r.State == run.Failed {
		text = "Data Transfer Hub: a run failed in " + h.StackName
	}
	return text[:min(len(text), maxSubject)] // names of stacks are ASCII
}

func (h *Handler) message(r run.Run, failed []failedImage, c run.Counters) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Task %s in %s, run %s, %s.\n", h.StackName, h.Region, r.ID, strings.ToLower(string(r.State)))
	if r.Error != "" {
		fmt.Fprintf(&b, "Error: %s\n", clip(r.Error, 4*maxLine))
	}
	fmt.Fprintf(&b, "Images copied %d, ", c.Outcomes[outcomes[Done]].Objects)
	if n := c.Outcomes[outcomes[Deleted]].Objects; n > 0 {
		fmt.Fprintf(&b, "deleted %d, ", n)
	}
	fmt.Fprintf(&b, "failed %d; still different without a reason on record %d.\n", len(failed), sum(r.Remaining))
	for n, f := range failed {
		if n == maxListed {
			fmt.Fprintf(&b, "... and %d more; the table of records has all of them.\n", len(failed)-n)
			break
		}
		fmt.Fprintf(&b, "- %s %s: %s: %s\n", f.Name, f.Tag, f.ErrorClass, clip(f.ErrorMessage, maxLine))
	}
	b.WriteString("The next run tries again what still differs.\n")
	return b.String()
}

func clip(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func sum(all map[string]int64) (n int64) {
	for v := range maps.Values(all) {
		n += v
	}
	return n
}
