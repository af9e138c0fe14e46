package stack

import (
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// CloudWatch accepts every expression of metric math.
func TestMetricMath(t *testing.T) {
	tmpl := released(t)
	kittest.MetricMath(t, tmpl.Part("Resources"))
	found := 0
	for _, resource := range tmpl.Part("Resources") {
		found += len(kittest.Expressions(resource))
	}
	if found == 0 {
		t.Error("no expression was looked at")
	}
}
