package portal

import (
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// CloudWatch accepts every expression of metric math.
func TestMetricMath(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) { kittest.MetricMath(t, tmpl.part("Resources")) })
}
