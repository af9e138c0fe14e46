package bootstrap

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// consoleZip is a release's console of one script.
func consoleZip(t *testing.T, script string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{"index.html": "<script src=/" + script + ">", script: "x"} {
		w, err := z.Create(name)
		must(t, err)
		_, err = io.WriteString(w, content)
		must(t, err)
	}
	must(t, z.Close())
	return b.String()
}

// distribution makes one in front of a bucket.
func distribution(t *testing.T, cfg aws.Config, bucket string) string {
	t.Helper()
	out, err := cloudfront.NewFromConfig(cfg).CreateDistribution(t.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: &types.DistributionConfig{
		CallerReference: aws.String("once"), Comment: aws.String("console"), Enabled: aws.Bool(true),
		Origins: &types.Origins{Quantity: aws.Int32(1), Items: []types.Origin{{
			Id: aws.String("files"), DomainName: aws.String(bucket + ".s3.amazonaws.com"), S3OriginConfig: &types.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &types.DefaultCacheBehavior{TargetOriginId: aws.String("files"), ViewerProtocolPolicy: types.ViewerProtocolPolicyHttpsOnly},
	}})
	must(t, err)
	return *out.Distribution.Id
}

// The custom resource in its shipped form fills the console's bucket, brings it to a newer version, and empties it.
func TestSiteConfiguration(t *testing.T) {
	server, err := standin.Start()
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	cfg := standinaws.Config(t, server.URL)
	for version, script := range map[string]string{"1.0.0": "assets/a.js", "1.1.0": "assets/b.js", "1.2.0": "assets/c.js"} {
		machinesaws.Put(t, server.URL, "acme-us-east-1", "data-transfer-hub/"+version+"/console.zip", consoleZip(t, script))
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("console")})
	must(t, err)
	id := distribution(t, cfg, "console")
	properties := func(version string) string {
		return fmt.Sprintf(`{"Bucket":"console","Distribution":%q,"ReleasesBucket":"acme-us-east-1","Version":%q,"Configuration":{"mode":"aws","version":%q},"HeadersPolicy":"","ContentSecurity":""}`, id, version, version)
	}
	told := make(chan string, 1)
	cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	defer cloudformation.Close()
	for _, step := range []struct {
		kind, version, before string
		keys                  []string
	}{
		{"Create", "1.0.0", "", []string{"assets/a.js", "config.json", "index.html"}},
		{"Update", "1.1.0", "1.0.0", []string{"assets/a.js", "assets/b.js", "config.json", "index.html"}},
		{"Update", "1.2.0", "1.1.0", []string{"assets/b.js", "assets/c.js", "config.json", "index.html"}},
		{"Delete", "1.2.0", "", nil},
	} {
		event := fmt.Sprintf(`{"RequestType":%q,"ResponseURL":%q,"StackId":"s","RequestId":"r-%s-%s","LogicalResourceId":"Site","PhysicalResourceId":"console/config.json","ResourceProperties":%s,"OldResourceProperties":%s}`,
			step.kind, cloudformation.URL, step.kind, step.version, properties(step.version), properties(step.before))
		if text, failed := invoke(t, wiring.SiteConfig, event, "AWS_ENDPOINT_URL="+server.URL); failed {
			t.Fatalf("%s failed: %s", step.kind, text)
		}
		var answer struct{ Status, Reason string }
		if must(t, json.Unmarshal([]byte(<-told), &answer)); answer.Status != "SUCCESS" {
			t.Fatalf("%s: CloudFormation was told %+v", step.kind, answer)
		}
		out, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("console")})
		must(t, err)
		var keys []string
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
		if !slices.Equal(keys, step.keys) {
			t.Errorf("after %s of %s there are %q", step.kind, step.version, keys)
		}
		if step.kind == "Create" {
			lookAtHeaders(t, client)
		}
	}
	made, err := cloudfront.NewFromConfig(cfg).ListInvalidations(t.Context(), &cloudfront.ListInvalidationsInput{DistributionId: &id})
	if err != nil || len(made.InvalidationList.Items) != 3 {
		t.Errorf("invalidations: %+v, %v", made, err)
	}
}

// lookAtHeaders sees how browsers keep the files: those with a hash in their name for good, the others not at all.
func lookAtHeaders(t *testing.T, client *s3.Client) {
	t.Helper()
	for key, want := range map[string]string{"index.html": "no-store", "config.json": "no-store", "assets/a.js": "public, max-age=31536000, immutable"} {
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("console"), Key: &key})
		if err != nil || aws.ToString(head.CacheControl) != want {
			t.Errorf("%s: %v, %v", key, head, err)
		}
	}
}
