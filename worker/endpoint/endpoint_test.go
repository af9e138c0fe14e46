package endpoint

import (
	"flag"
	"os"
	"testing"

	"github.com/datatransferhub/dth/worker/job"
)

var update = flag.Bool("update", false, "rewrite docs/providers.md")

const heading = `# Providers

What the engine knows of each kind of store, and acts on: one table in ` + "`worker/endpoint`" + `, from which this page is generated
(` + "`go test ./worker/endpoint -update`" + `). **Tried on real servers:** S3_Compatible, on versitygw and moto. **All others were tried on a simulator with the same
capabilities only**, not on the real service; what a provider does not document has the careful value.

Whatever the table says, every page's order is checked, the ETag of every read is compared, and a page that is cut off without a
token is an error.

`

func TestDocumentIsCurrent(t *testing.T) {
	const file = "../../docs/providers.md"
	want := heading + Markdown()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v); go test ./worker/endpoint -update writes it", file, err)
	}
}

func TestEveryProviderHasACompleteRow(t *testing.T) {
	for _, p := range []job.Provider{job.AmazonS3, job.AliyunOSS, job.QiniuKodo, job.TencentCOS, job.HuaweiOBS, job.GoogleGCS, job.S3Compatible} {
		c, err := Of(p)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, f := range facts() {
			if _, source := f.cell(&c); source == "" {
				t.Errorf("%s: nobody says where %q comes from", p, f.name)
			}
		}
		if c.DefaultRegion == "" || c.LargestObject.Value <= 0 || c.MaxParts.Value <= 0 || c.LargestPut.Value <= 0 {
			t.Errorf("%s: %+v", p, c)
		}
	}
	if _, err := Of("Nirvana"); err == nil {
		t.Error("an unknown provider has a row")
	}
}
