package rights

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/siteconfig/siteconfigaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// The site configuration may do what its adapter declares, and read releases. It may set headers only where it has to.
func TestSiteConfigurationMayDoWhatItDoes(t *testing.T) {
	bucket, files, invalidate, headers := siteconfigaws.Actions()
	always := all(bucket, files, invalidate, []string{"s3:GetObject"})
	for secures, want := range map[bool][]string{true: all(always, headers), false: always} {
		var got []string
		for _, s := range policy.Front(wiring.SiteConfig, secures) {
			got = append(got, s.Actions...)
		}
		for _, missing := range without(want, got) {
			t.Errorf("secures %t: the code needs %s, the policy does not allow it", secures, missing)
		}
		for _, more := range without(got, want) {
			t.Errorf("secures %t: the policy allows %s, nothing needs it", secures, more)
		}
	}
}
