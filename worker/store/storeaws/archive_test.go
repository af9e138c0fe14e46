package storeaws

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// ARCHIVE needs a restore at one provider and none at another; the listing looks the same.
func TestArchivedDependsOnTheProvider(t *testing.T) {
	const page = `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>
		<Contents><Key>a</Key><Size>1</Size><ETag>"x"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified><StorageClass>ARCHIVE</StorageClass></Contents>
		<Contents><Key>b</Key><Size>1</Size><ETag>"x"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>
		</ListBucketResult>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	t.Cleanup(server.Close)
	for provider, want := range map[job.Provider]bool{job.GoogleGCS: false, job.TencentCOS: true, job.S3Compatible: true} {
		b := open(t, job.Endpoint{Provider: provider, URL: server.URL, Bucket: "b"}, Options{})
		p, err := b.List(context.Background(), store.ListRequest{})
		if err != nil || len(p.Objects) != 2 {
			t.Fatalf("%s: %+v, %v", provider, p, err)
		}
		if got := p.Objects[0].Archived(); got != want {
			t.Errorf("%s: archived is %v, want %v", provider, got, want)
		}
		if p.Objects[1].Archived() || p.Objects[1].Restored {
			t.Errorf("%s: %+v", provider, p.Objects[1])
		}
	}
}
