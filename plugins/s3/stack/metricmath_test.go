package stack

import (
	"slices"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// CloudWatch accepts every expression of metric math.
func TestMetricMath(t *testing.T) {
	tmpl := released(t)
	kittest.MetricMath(t, tmpl.Part("Resources"))
	if got := kittest.Expressions(tmpl.Properties("Backlog")); !slices.Equal(got, []string{"waiting / IF(FILL(wanted, 0) > 0, FILL(wanted, 0), 0.001)"}) {
		t.Errorf("backlog: %q", got)
	}
	if got := kittest.Expressions(tmpl.Properties("Dashboard")); !slices.Contains(got, "bytes/PERIOD(bytes)") {
		t.Errorf("the dashboard's expressions are not looked at: %q", got)
	}
}

func TestMixedLists(t *testing.T) {
	for expression, want := range map[string]string{
		"a / MAX([FILL(a, 0), 0.001])": "[FILL(a, 0), 0.001]", "MAX([1, a])": "[1, a]", "MIN([a, ${minCapacity}])": "[a, ${minCapacity}]",
		"SUM([a, b1])": "", "IF(FILL(a, 0) > 0, a, 0.001)": "", "SUM(METRICS())": "",
	} {
		if got := kittest.MixedList(expression); got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}
