package portal

import (
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// Alarms and rules reach the topic.
func TestPublishers(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		kittest.Publishers(t, tmpl.properties("TopicKey")["KeyPolicy"], "kms:Decrypt", "kms:GenerateDataKey")
		kittest.Publishers(t, tmpl.properties("TopicPolicy")["PolicyDocument"], "sns:Publish")
	})
}
