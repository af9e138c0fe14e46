package endpoint

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
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

func TestArchivedClasses(t *testing.T) {
	for _, c := range table() {
		for _, class := range c.ArchivedClasses.Value {
			if !store.ArchivedClass(class) || !c.NeedsRestore(class) {
				t.Errorf("%s: class %s would be read without a restore", c.Provider, class)
			}
		}
		for _, class := range []string{"", "STANDARD", "STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING", "NEARLINE", "COLDLINE", "WARM", "LINE", "IA"} {
			if store.ArchivedClass(class) || c.NeedsRestore(class) {
				t.Errorf("%s: class %q is not read", c.Provider, class)
			}
		}
	}
	if c, err := Of(job.GoogleGCS); err != nil || c.NeedsRestore("ARCHIVE") {
		t.Error("Google's archive is read without a restore")
	}
}

func TestProvidersAreThoseOfTheContract(t *testing.T) {
	want := []string{"Aliyun_OSS", "Amazon_S3", "Google_GCS", "Huawei_OBS", "Qiniu_Kodo", "S3_Compatible", "Tencent_COS"}
	if d := cmp.Diff(want, Providers()); d != "" {
		t.Error(d)
	}
}

// The largest object is one that the parts can make.
func TestLargestObjectFitsItsParts(t *testing.T) {
	for _, c := range table() {
		if most := int64(c.MaxParts.Value) * 5 * job.GiB; c.LargestObject.Value > most {
			t.Errorf("%s: %d bytes, the parts hold %d", c.Provider, c.LargestObject.Value, most)
		}
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
