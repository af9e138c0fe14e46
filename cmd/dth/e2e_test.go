package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/standin"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dth-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "dth")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building dth: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// command is a call of the program in an environment of its own: no profile, no credentials of the person.
func dth(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "AWS_") && !strings.HasPrefix(s, "AWS_ENDPOINT_URL=") }),
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	return cmd
}

type result struct {
	summary
	code           int
	stdout, stderr string
}

func runDTH(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, dth(args...))
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if last := lines[len(lines)-1]; strings.HasPrefix(last, "{") {
		if err := json.Unmarshal([]byte(last), &r.summary); err != nil {
			t.Errorf("last line of standard output is no JSON: %v\n%s", err, last)
		}
	}
	return r
}

func client(url string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &url, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func awkwardKeys() []string {
	keys := []string{
		"a", "a/b", "a//b", "a/b/", "/lead", "//lead", "trail/", "trail//", "plus+plus", "%2F", "%2f", "%", "%zz", "100%", "sp ace", "  two  ", " lead", "trail ",
		`quo"te`, "ap'os", `back\slash`, "tab\there", "ctl\x01", "ctl\x1f", "del\x7f", "cr\rcr", "emoji😀", "😀/x", "\uffee", "\U0001F9D1\u200d\U0001F680", "日本/語", "ü", "u\u0308",
		"a&b<c>d", "]]>", "&amp;", "s3:TestEvent", `{"Records":[]}`, `{"Event":"s3:TestEvent"}`, "$(reboot)", "`reboot`", ";rm -rf", "..", "../up", "./a", "a/./b", "a/../b",
		"?q=1&x=2", "#frag", "semi;colon", "co:lon", "at@", "com,ma", "eq=", "star*", "[br]", "{cb}", "~tilde", "|pipe", "^c", "!bang", "(par)", "empty", "list-type=2",
		strings.Repeat("x", 1024), strings.Repeat("é", 512), "nbsp\u00a0", "zwj\u200d", "rtl\u202e", "bom\ufeff", "\U0010FFFD", "line\u2028sep",
	}
	for i := range 150 {
		keys = append(keys, fmt.Sprintf("many/%03d +%c%%/", i, rune(0x100+i*37)))
	}
	return keys
}

type stored struct {
	body, contentType, cache, disposition, encoding, language string
	metadata                                                  map[string]string
	tags                                                      map[string]string
}

func readAll(t *testing.T, c *s3.Client, bucket string) map[string]stored {
	t.Helper()
	ctx := context.Background()
	out := map[string]stored{}
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket, EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			// The SDK leaves keys as they were encoded.
			if *o.Key, err = url.QueryUnescape(*o.Key); err != nil {
				t.Fatal(err)
			}
			got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				t.Fatalf("%q: %v", *o.Key, err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			tagging, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			s := stored{
				body: string(body), contentType: aws.ToString(got.ContentType), cache: aws.ToString(got.CacheControl),
				disposition: aws.ToString(got.ContentDisposition), encoding: aws.ToString(got.ContentEncoding),
				language: aws.ToString(got.ContentLanguage), metadata: got.Metadata, tags: map[string]string{},
			}
			for _, tag := range tagging.TagSet {
				s.tags[*tag.Key] = *tag.Value
			}
			out[*o.Key] = s
		}
	}
	return out
}

// Between two buckets on moto: every awkward key that the server takes arrives with bytes, headers, metadata and tags,
// whether it is streamed or copied by the server; a second run copies nothing.
func TestAwkwardKeysOnMoto(t *testing.T) {
	moto, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := moto.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c := client(moto.URL)
	ctx := context.Background()
	for _, b := range []string{"awkward", "streamed", "copied", "amazon"} {
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b}); err != nil {
			t.Fatal(err)
		}
	}
	taken := 0
	for i, key := range awkwardKeys() {
		body := strings.Repeat(key+"\n", i%40)
		if key == "empty" {
			body = ""
		}
		_, err := c.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("awkward"), Key: &key, Body: strings.NewReader(body), ContentType: aws.String(fmt.Sprintf("text/x-%d", i)),
			CacheControl: aws.String("max-age=1"), ContentDisposition: aws.String(`attachment; filename="f"`), ContentLanguage: aws.String("de"),
			ContentEncoding: aws.String("gzip"), Metadata: map[string]string{"n": fmt.Sprint(i), "some-name": "a value"}, Tagging: aws.String(fmt.Sprintf("k%d=v%%20%d", i, i)),
		})
		if err == nil {
			taken++
		}
	}
	if taken < 200 {
		t.Fatalf("moto took %d keys only", taken)
	}
	// One that goes in parts.
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("awkward"), Key: aws.String("large"), Body: bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 9<<20))}); err != nil {
		t.Fatal(err)
	}
	taken++
	want := readAll(t, c, "awkward")
	flags := []string{"--src-endpoint", moto.URL, "--dst-endpoint", moto.URL}
	for destination, args := range map[string][]string{
		"streamed": append([]string{"--transfer-mode", "stream"}, flags...),
		"copied":   append([]string{"--transfer-mode", "auto"}, flags...),
		// As Amazon S3, which is reached through the standard environment.
		"amazon": {"--transfer-mode", "stream"},
	} {
		t.Run(destination, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL", moto.URL)
			args := append([]string{"copy", "--json", "s3://awkward", "s3://" + destination, "--include-tags"}, args...)
			first := runDTH(t, args...)
			if first.code != 0 || first.Copied != int64(taken) || first.Failed != 0 || !first.Proved || first.left() != 0 {
				t.Fatalf("first run: exit code %d\n%s%s", first.code, first.stdout, first.stderr)
			}
			got := readAll(t, c, destination)
			for key, w := range want {
				if g, ok := got[key]; !ok || g.body != w.body || g.contentType != w.contentType || g.cache != w.cache || g.disposition != w.disposition ||
					g.encoding != w.encoding || g.language != w.language || !maps.Equal(g.metadata, w.metadata) || !maps.Equal(g.tags, w.tags) {
					w.body, g.body = fmt.Sprint(len(w.body), " bytes"), fmt.Sprint(len(g.body), " bytes")
					t.Errorf("%q differs:\n%+v\n%+v", key, w, g)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d keys at the destination, want %d", len(got), len(want))
			}
			if second := runDTH(t, args...); second.code != 0 || second.Copied != 0 || second.Same != int64(taken) {
				t.Errorf("second run: exit code %d\n%s%s", second.code, second.stdout, second.stderr)
			}
			if verified := runDTH(t, append([]string{"verify"}, args[1:]...)...); verified.code != 0 {
				t.Errorf("verify: exit code %d\n%s%s", verified.code, verified.stdout, verified.stderr)
			}
		})
	}
}

// stores starts two simulated stores.
func stores(t *testing.T, source, destination s3sim.Options) (src, dst *s3sim.Sim, flags []string) {
	t.Helper()
	src, dst = s3sim.New(source), s3sim.New(destination)
	srcURL, err := src.Start()
	if err != nil {
		t.Fatal(err)
	}
	dstURL, err := dst.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close(); dst.Close() })
	src.Bucket("src")
	dst.Bucket("dst")
	return src, dst, []string{"s3://src", "s3://dst", "--src-endpoint", srcURL, "--dst-endpoint", dstURL}
}

// kill -9 in the middle of small objects and of large ones, and a second run: nothing missing, nothing mixed, finished
// parts are not sent again, and no upload is open.
func TestKilledAndStartedAgain(t *testing.T) {
	slow := func(c s3sim.Call) s3sim.Fault {
		if c.Op == "GetObject" && c.Key == "large" {
			return s3sim.Fault{BytesPerSecond: 100 << 20}
		}
		return s3sim.Fault{}
	}
	src, dst, flags := stores(t, s3sim.Options{Fault: slow}, s3sim.Options{Keep: s3sim.KeepSums})
	const parts = 12
	src.Bucket("src").PutPattern("large", parts*64<<20, 1)
	for i := range 3000 {
		src.Bucket("src").PutPattern(fmt.Sprintf("small/%04d", i), int64(i), uint64(i))
	}
	args := append([]string{"copy", "--json", "--state", filepath.Join(t.TempDir(), "state.db")}, flags...)
	kills := 0
	for ; kills < 20; kills++ {
		cmd := dth(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := dst.Stats().Operations["UploadPart"]
		deadline := time.Now().Add(20 * time.Second)
		// One kill each time two more parts are there.
		for dst.Stats().Operations["UploadPart"] < before+5 && time.Now().Before(deadline) && cmd.ProcessState == nil && dst.Bucket("dst").Get("large") == nil {
			time.Sleep(5 * time.Millisecond)
		}
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if dst.Bucket("dst").Get("large") != nil {
			break
		}
	}
	last := runDTH(t, args...)
	if last.code != 0 || last.Failed != 0 || last.left() != 0 {
		t.Fatalf("exit code %d\n%s%s", last.code, last.stdout, last.stderr)
	}
	for _, o := range src.Bucket("src").Objects() {
		copied := dst.Bucket("dst").Get(o.Key)
		if copied == nil || copied.Size() != o.Size() || copied.Sum != o.Sum {
			t.Errorf("%s is not what it was", o.Key)
		}
	}
	sent := dst.Stats().Operations["UploadPart"]
	t.Logf("killed %d times; %d part requests for %d parts", kills+1, sent, parts)
	// Each kill may cost the parts that were under way, four at most.
	if most := int64(parts + 4*(kills+1)); sent > most {
		t.Errorf("%d part requests, at most %d were to be expected", sent, most)
	}
	if n := dst.Bucket("dst").OpenUploads(); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
}

func TestStoppedByASignal(t *testing.T) {
	slow := func(c s3sim.Call) s3sim.Fault { return s3sim.Fault{Latency: 20 * time.Millisecond} }
	src, dst, flags := stores(t, s3sim.Options{Fault: slow}, s3sim.Options{})
	for i := range 20_000 {
		src.Bucket("src").PutBytes(fmt.Sprintf("%05d", i), []byte{byte(i)})
	}
	// exec sends the signal itself when the context ends: what it knows of the process is nobody else's to read.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	plain := dth(append([]string{"copy", "--json", "--no-proof"}, flags...)...)
	cmd := exec.CommandContext(ctx, plain.Path, plain.Args[1:]...)
	cmd.Env = plain.Env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	go func() {
		for ctx.Err() == nil && dst.Bucket("dst").Len() < 100 {
			time.Sleep(5 * time.Millisecond)
		}
		stop()
	}()
	r := finish(t, cmd)
	if r.code != 143 || r.Copied == 0 || r.Copied != int64(dst.Bucket("dst").Len()) {
		t.Errorf("exit code %d, copied %d by its own account, %d are there\n%s", r.code, r.Copied, dst.Bucket("dst").Len(), r.stderr)
	}
}

func TestBadInput(t *testing.T) {
	src, _, flags := stores(t, s3sim.Options{Keys: map[string]s3sim.Key{"known": {Secret: "s"}}, Region: "eu-west-1"}, s3sim.Options{})
	src.Bucket("src").PutBytes("a", nil)
	srcURL, dstURL := flags[3], flags[5]
	open, _, openFlags := stores(t, s3sim.Options{}, s3sim.Options{})
	open.Bucket("src").PutBytes("a", nil)
	tests := []struct {
		name string
		code int
		says []string
		args []string
	}{
		{"no addresses", 2, []string{"SRC and DST"}, nil},
		{"no address", 2, []string{"SRC", "http://x"}, []string{"http://x", "s3://dst"}},
		{"unknown flag", 2, []string{"--bogus"}, append([]string{"--bogus"}, openFlags...)},
		{"bad value", 2, []string{"--compare-mode", "colour", "size_etag"}, append([]string{"--compare-mode", "colour"}, openFlags...)},
		{"contradiction", 2, []string{"--delete-extraneous", "include"}, append([]string{"--delete-extraneous", "Yes", "--include", "*.txt"}, openFlags...)},
		{"into itself", 2, []string{"DST", "overlap"}, []string{"s3://same/a", "s3://same/a/b"}},
		{"onto itself", 2, []string{"DST", "overlap"}, []string{"s3://same", "s3://same"}},
		{"S3 name at Amazon", 2, []string{"SRC", "Not_Allowed"}, []string{"s3://Not_Allowed", "s3://dst"}},
		{"no endpoint", 2, []string{"--src-endpoint"}, []string{"s3://src", "s3://dst", "--src-type", "S3_Compatible"}},
		{"no such bucket", 3, []string{"source", "nothere", "--src-region"}, []string{"s3://nothere", "s3://dst", "--src-endpoint", openFlags[3], "--dst-endpoint", dstURL}},
		{"no such destination", 3, []string{"destination", "nothere"}, []string{"s3://src", "s3://nothere", "--src-endpoint", openFlags[3], "--dst-endpoint", dstURL}},
		{"nobody listens", 3, []string{"source", "127.0.0.1:9", "--src-endpoint"}, []string{"s3://src", "s3://dst", "--src-endpoint", "http://127.0.0.1:9", "--dst-endpoint", dstURL}},
		{"wrong region", 3, []string{"source", "eu-west-1", "--src-region"}, []string{"s3://src", "s3://dst", "--src-endpoint", srcURL, "--dst-endpoint", dstURL}},
		{"unknown credentials", 3, []string{"source", "InvalidAccessKeyId", "--src-profile"}, []string{"s3://src", "s3://dst", "--src-endpoint", srcURL, "--src-region", "eu-west-1", "--dst-endpoint", dstURL}},
		{"refused", 3, []string{"source", "s3:ListBucket"}, []string{"s3://src", "s3://dst", "--src-endpoint", srcURL, "--src-region", "eu-west-1", "--src-anonymous", "--dst-endpoint", dstURL}},
		{"unreadable prefix list", 3, []string{"srcPrefixsListFile", "missing.txt"}, append([]string{"--src-prefixs-list-file", "missing.txt"}, openFlags...)},
		{"unknown profile", 2, []string{"nobody"}, append([]string{"--src-profile", "nobody"}, openFlags...)},
		{"anonymous with a profile", 2, []string{"--src-anonymous"}, append([]string{"--src-profile", "p", "--src-anonymous"}, openFlags...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runDTH(t, append([]string{"copy"}, tt.args...)...)
			if r.code != tt.code {
				t.Errorf("exit code %d, want %d", r.code, tt.code)
			}
			for _, s := range tt.says {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("the message does not say %q", s)
				}
			}
			if t.Failed() {
				t.Log(r.stderr)
			}
		})
	}
}

func TestPlanAndVerifySayWhatDiffers(t *testing.T) {
	src, dst, flags := stores(t, s3sim.Options{}, s3sim.Options{})
	for _, key := range []string{"same", "edited", "missing"} {
		src.Bucket("src").PutBytes(key, []byte(key))
	}
	dst.Bucket("dst").PutBytes("same", []byte("same"))
	dst.Bucket("dst").PutBytes("edited", []byte("EDITED"))
	dst.Bucket("dst").PutBytes("stranger", nil)
	plan := runDTH(t, append([]string{"plan", "--json"}, flags...)...)
	if plan.code != 0 || plan.New != 1 || plan.Changed != 1 || plan.Same != 1 || plan.Extraneous != 1 {
		t.Errorf("plan: exit code %d\n%s%s", plan.code, plan.stdout, plan.stderr)
	}
	verify := runDTH(t, append([]string{"verify", "--json"}, flags...)...)
	for _, line := range []string{`missing    "missing"`, `different  "edited" (etag)`, `extraneous "stranger"`} {
		if !strings.Contains(verify.stdout, line+"\n") {
			t.Errorf("verify does not say %s", line)
		}
	}
	if verify.code != 1 || dst.Stats().Operations["PutObject"] != 0 {
		t.Errorf("verify: exit code %d\n%s%s", verify.code, verify.stdout, verify.stderr)
	}
}

func TestReportNamesWhatFailed(t *testing.T) {
	src, _, flags := stores(t, s3sim.Options{}, s3sim.Options{Fault: func(c s3sim.Call) s3sim.Fault {
		if c.Op == "PutObject" && c.Key == "bad" {
			return s3sim.Fault{Status: 403, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	}})
	for _, key := range []string{"good", "bad"} {
		src.Bucket("src").PutBytes(key, []byte(key))
	}
	report := filepath.Join(t.TempDir(), "report.jsonl")
	r := runDTH(t, append([]string{"copy", "--json", "--report", report}, flags...)...)
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var line struct{ Key, Status, ErrorClass, Error string }
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if r.code != 1 || r.Errors["access_denied"] != 1 || line.Key != "bad" || line.Status != "FAILED" || line.ErrorClass != "access_denied" {
		t.Errorf("exit code %d, errors %v, report %s", r.code, r.Errors, text)
	}
}

// The sample runs on real servers: two versitygw processes.
func TestLocalSample(t *testing.T) {
	helper := os.Getenv("DTH_SAMPLE_BIN")
	if helper == "" {
		helper = filepath.Join("..", "..", "bin", "dth-sample")
	}
	helper, err := filepath.Abs(helper)
	if err == nil {
		_, err = os.Stat(helper)
	}
	if err != nil {
		t.Fatalf("the sample's servers are missing: %v; make build makes them", err)
	}
	data := t.TempDir()
	for _, want := range []string{"copied 2999 objects", "2999 same"} {
		cmd := dth("local", "--sample", "--once", "--data", data)
		cmd.Env = append(cmd.Env, "DTH_SAMPLE_BIN="+helper)
		r := finish(t, cmd)
		if r.code != 1 || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "agree, but for 1 named as failed") {
			t.Fatalf("exit code %d, wanted %q\n%s", r.code, want, r.stderr)
		}
	}
}
