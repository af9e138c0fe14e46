package customresource

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/datatransferhub/dth/worker/retry"
)

// Signal tells a wait condition of a success.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
type Signal struct {
	UniqueID string // among the signals of the handle; the same one again is the same signal
	Reason   string
}

// Send sends a signal to the URL of a wait condition's handle. The URL is a secret as long as it is valid, so no error holds
// it.
func Send(ctx context.Context, client *http.Client, url string, s Signal) error {
	body, err := json.Marshal(map[string]string{"Status": "SUCCESS", "UniqueId": s.UniqueID, "Reason": s.Reason, "Data": ""})
	if err != nil {
		return err
	}
	if url == "" {
		return fmt.Errorf("the URL of the wait condition's handle is missing")
	}
	policy := retry.Policy{Attempts: 6, Base: 200 * time.Millisecond, Cap: 3 * time.Second}
	return policy.Do(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, putTime)
		defer cancel()
		return put(ctx, client, url, body)
	})
}
