package image

import (
	"strings"
	"testing"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestBatches(t *testing.T) {
	b := Batch{Name: "ghcr.io/o/app", Registry: "ghcr.io", Repository: "o/app", Target: "copy/o/app", Images: []Image{{Tag: "1", Digest: digest, Media: OCIIndex, Bytes: 7}, {Digest: digest}}}
	text, err := MarshalBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseBatch(text)
	if err != nil || len(got.Images) != 2 || got.Images[0] != b.Images[0] || got.Images[0].Reference() != "1" || got.Images[1].Reference() != digest || got.Target != b.Target {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"name":"a","repository":"a"}`, `{"name":"a","repository":"a","target":"a","images":[{"tag":"1","digest":"md5:1"}]}`} {
		if _, err := ParseBatch([]byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestIndexes(t *testing.T) {
	text := `{"manifests":[{"digest":"` + digest + `","mediaType":"m","size":3,"platform":{"os":"linux","architecture":"arm","variant":"v7"}},
		{"digest":"` + digest + `","platform":{"os":"unknown","architecture":"unknown"}},{"digest":"` + digest + `"}]}`
	all, err := ReadIndex([]byte(text))
	if err != nil || len(all) != 3 || all[0].Platform != "linux/arm/v7" || all[0].Size != 3 || all[1].Platform != "" || all[2].Platform != "" {
		t.Errorf("%+v %v", all, err)
	}
	if tag := ReferrersTag(digest); !IsReferrersTag(tag) || !IsReferrersTag(tag+".sig") || IsReferrersTag("1.0") || IsReferrersTag(tag+"x") {
		t.Error(tag)
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add(`{"name":"a","repository":"a","target":"a","images":[{"tag":"1","digest":"` + digest + `"}]}`)
	f.Add(`{"images":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBatch([]byte(text))
		if err != nil {
			return
		}
		for _, i := range b.Images {
			if i.Reference() == "" || !strings.HasPrefix(i.Digest, "sha") {
				t.Errorf("%+v", i)
			}
		}
	})
}

func FuzzReadIndex(f *testing.F) {
	f.Add(`{"manifests":[{"digest":"` + digest + `","platform":{"os":"linux","architecture":"amd64"}}]}`)
	f.Add(`{"manifests":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadIndex([]byte(text))
		for _, d := range all {
			if err == nil && !digestForm.MatchString(d.Digest) {
				t.Errorf("%+v", d)
			}
		}
	})
}
