package customresource_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/datatransferhub/dth/lambda/customresource"
)

// A wait condition is told in its own form, also when it does not listen at once; its URL is in no error.
func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloudFormation{refusals: 2}
		err := customresource.Send(t.Context(), &http.Client{Transport: c}, address, customresource.Signal{UniqueID: "paused", Reason: "it is"})
		var got map[string]string
		if err != nil || len(c.answers) != 1 || c.wrong != "" || json.Unmarshal(c.answers[0], &got) != nil {
			t.Fatalf("%v, sent %s %s", err, c.answers, c.wrong)
		}
		if got["Status"] != "SUCCESS" || got["UniqueId"] != "paused" || got["Reason"] != "it is" {
			t.Errorf("sent %s", c.answers[0])
		}
	})
	synctest.Test(t, func(t *testing.T) {
		deaf := &cloudFormation{refusals: 100}
		if err := customresource.Send(t.Context(), &http.Client{Transport: deaf}, address, customresource.Signal{}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a condition that does not listen: %v", err)
		}
	})
	if err := customresource.Send(t.Context(), http.DefaultClient, "", customresource.Signal{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no URL: %v", err)
	}
}
