package stack

import (
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/kit/kittest"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// object is a part of a template.
type object = map[string]any

// synth writes the template once more.
func synth(t *testing.T, published *kit.Published) *kittest.Template {
	t.Helper()
	assets := kit.Assets{Published: published}
	assets.Lambdas, assets.Engines = kittest.StandIns(t, t.TempDir(), lambdaNames(), nil)
	return kittest.Synth(t, Name, func(app awscdk.App) error {
		_, err := New(app, assets, "v0.0.0")
		return err
	})
}

var once struct {
	sync.Mutex
	released *kittest.Template
}

// released is the template of the released form, written once for all tests that only read it.
func released(t *testing.T) *kittest.Template {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.released == nil {
		once.released = synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	}
	return once.released
}
