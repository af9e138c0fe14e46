package s3

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
)

var update = flag.Bool("update", false, "rewrite the generated documents")

// valid is the least that the whole contract takes.
func valid(changes ...string) map[string]string {
	p := map[string]string{
		"srcBucket": "source", "destBucket": "destination", "ec2VpcId": "vpc-0123456789abcdef0", "ec2Subnets": "subnet-0123456789abcdef0, subnet-0123456789abcdef1",
		"alarmEmail": "ops@example.com",
	}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
	}
	return p
}

// The parameters of the specification, in its order.
func TestEveryParameterIsThere(t *testing.T) {
	want := strings.Fields(`srcType srcBucket srcPrefix srcPrefixList srcPrefixsListFile srcPrefixListBucket srcRegion srcEndpoint srcInCurrentAccount
		srcAccountId srcCredentials srcRoleArn srcExternalId srcEvent srcSkipCompare isPayerRequest
		destType destBucket destPrefix destRegion destEndpoint stripSrcPrefix destInCurrentAccount destCredentials destRoleArn destExternalId
		destStorageClass destAcl destPutObjectSSEType destPutObjectSSEKmsKeyId
		compareMode includeMetadata includeTags include exclude minSize maxSize modifiedAfter modifiedBefore deleteExtraneous maxDeleteShare
		transferMode giantThreshold reportBucket reportPrefix reportAll bandwidthLimit
		ec2VpcId ec2Subnets assignPublicIp workerInstanceTypes spotPercent maxCapacity minCapacity desiredCapacity workerConcurrency
		finderInstanceType ec2CronExpression alarmEmail logRetentionDays ledgerTtlDays startPaused permissionsBoundaryArn`)
	var got []string
	flags := map[string]bool{}
	for _, p := range Contract().Parameters {
		got = append(got, p.Name)
		if f := p.Flag(); flags[f] || f != strings.ToLower(f) {
			t.Errorf("flag --%s of %s is not of its own", f, p.Name)
		} else {
			flags[f] = true
		}
		if p.Help == "" || p.Label == "" || p.OnUpdate == "" || p.Group == "" {
			t.Errorf("%s lacks help, label, group or what an update does", p.Name)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFlags(t *testing.T) {
	for name, want := range map[string]string{
		"srcBucket": "src-bucket", "destPutObjectSSEType": "dest-put-object-sse-type", "destPutObjectSSEKmsKeyId": "dest-put-object-sse-kms-key-id",
		"srcPrefixsListFile": "src-prefixs-list-file", "compareMode": "compare-mode", "ec2VpcId": "ec2-vpc-id", "include": "include",
	} {
		p := contract.Parameter{Name: name}
		if got := p.Flag(); got != want {
			t.Errorf("%s: --%s, want --%s", name, got, want)
		}
	}
}

// Each case is refused, naming the field, the value and what is allowed.
func TestRefused(t *testing.T) {
	tests := []struct {
		field, says string
		given       []string
	}{
		{"srcBucket", "required", []string{"srcBucket", ""}},
		{"srcBucket", "lower-case", []string{"srcBucket", "Upper"}},
		{"srcBucket", "IP address", []string{"srcBucket", "10.0.0.1"}},
		{"srcType", "Aliyun_OSS", []string{"srcType", "Nirvana"}},
		{"srcPrefix", "1024", []string{"srcPrefix", strings.Repeat("x", 1025)}},
		{"srcPrefixList", "only one of", []string{"srcPrefix", "a", "srcPrefixList", "b"}},
		{"srcPrefixsListFile", "only one of", []string{"srcPrefixList", "a", "srcPrefixsListFile", "b"}},
		{"srcPrefixList", "no prefix in this list", []string{"srcPrefixList", " \n\r\n"}},
		{"srcPrefixList", "prefix 2 has 1025 bytes", []string{"srcPrefixList", "a\n" + strings.Repeat("x", 1025)}},
		{"include", "no pattern in this list", []string{"include", ",\n,"}},
		{"exclude", "no pattern in this list", []string{"exclude", " "}},
		{"exclude", "glob", []string{"exclude", "{a,b"}},
		{"srcEndpoint", "scheme and host", []string{"srcEndpoint", "https://:80"}},
		{"srcEndpoint", "scheme and host", []string{"srcEndpoint", "https://s3.example.com:99999"}},
		{"destEndpoint", "scheme and host", []string{"destEndpoint", "ftp://s3.example.com"}},
		{"destEndpoint", "scheme and host", []string{"destEndpoint", "https://keys:secret@s3.example.com"}},
		{"destBucket", "lower-case", []string{"destBucket", "under_score"}},
		{"destBucket", "two dots", []string{"destBucket", "a..b"}},
		{"destRoleArn", "not both", []string{"destRoleArn", "arn:aws:iam::123456789012:role/x", "destCredentials", "s"}},
		{"destRoleArn", "destType is Amazon_S3", []string{"destType", "S3_Compatible", "destEndpoint", "https://x", "destRoleArn", "arn:aws:iam::123456789012:role/x"}},
		{"destExternalId", "destRoleArn", []string{"destExternalId", "abc"}},
		{"srcRoleArn", "srcType is Amazon_S3", []string{"srcType", "Google_GCS", "srcRoleArn", "arn:aws:iam::123456789012:role/x"}},
		{"srcEvent", "srcType is Amazon_S3", []string{"srcType", "Google_GCS", "srcEvent", "Create"}},
		{"srcRegion", "eu-west-1", []string{"srcRegion", "eu west"}},
		{"destRegion", "eu-west-1", []string{"destRegion", "eu_west"}},
		{"srcCredentials", "secret's name", []string{"srcCredentials", "two words"}},
		{"destCredentials", "secret's name", []string{"destCredentials", "two\nlines"}},
		{"srcPrefix", "UTF-8", []string{"srcPrefix", "\xff"}},
		{"srcPrefixsListFile", "1024", []string{"srcPrefixsListFile", strings.Repeat("x", 1025)}},
		{"destPrefix", "1023", []string{"destPrefix", strings.Repeat("x", 1024)}},
		{"reportPrefix", "512", []string{"reportPrefix", strings.Repeat("x", 513)}},
		{"reportBucket", "3 to 63", []string{"reportBucket", "x"}},
		{"srcPrefixListBucket", "3 to 63", []string{"srcPrefixsListFile", "f", "srcPrefixListBucket", "-x-"}},
		{"stripSrcPrefix", "true or false", []string{"stripSrcPrefix", "1"}},
		{"isPayerRequest", "true or false", []string{"isPayerRequest", "TRUE"}},
		{"reportAll", "true or false", []string{"reportAll", "yes"}},
		{"srcInCurrentAccount", "true or false", []string{"srcInCurrentAccount", "no"}},
		{"destInCurrentAccount", "true or false", []string{"destInCurrentAccount", "no"}},
		{"includeMetadata", "true or false", []string{"includeMetadata", "no"}},
		{"includeTags", "true or false", []string{"includeTags", "no"}},
		{"assignPublicIp", "true or false", []string{"assignPublicIp", "no"}},
		{"destPutObjectSSEType", "AWS_KMS_DSSE", []string{"destPutObjectSSEType", "aws:kms"}},
		{"destPutObjectSSEKmsKeyId", "alias", []string{"destPutObjectSSEType", "AWS_KMS", "destPutObjectSSEKmsKeyId", "a b"}},
		{"deleteExtraneous", "No, Yes", []string{"deleteExtraneous", "true"}},
		{"deleteExtraneous", "include hides", []string{"deleteExtraneous", "Yes", "include", "*.a"}},
		{"deleteExtraneous", "minSize hides", []string{"deleteExtraneous", "Yes", "minSize", "1"}},
		{"deleteExtraneous", "maxSize hides", []string{"deleteExtraneous", "Yes", "maxSize", "1"}},
		{"deleteExtraneous", "modifiedAfter hides", []string{"deleteExtraneous", "Yes", "modifiedAfter", "2026-01-02T00:00:00Z"}},
		{"deleteExtraneous", "modifiedBefore hides", []string{"deleteExtraneous", "Yes", "modifiedBefore", "2026-01-02T00:00:00Z"}},
		{"maxSize", "no size", []string{"maxSize", "-1"}},
		{"modifiedBefore", "RFC 3339", []string{"modifiedBefore", "2026-01-02"}},
		{"transferMode", "server_side", []string{"transferMode", "fastest"}},
		{"transferMode", "within one service", []string{
			"transferMode", "server_side", "srcType", "S3_Compatible", "srcEndpoint", "https://a", "destType", "S3_Compatible", "destEndpoint", "https://b",
		}},
		{"bandwidthLimit", "by itself", []string{"transferMode", "server_side", "bandwidthLimit", "1MiB/s"}},
		{"giantThreshold", "64 MiB to 5 GiB", []string{"giantThreshold", "6GiB"}},
		{"destPrefix", "overlap", []string{
			"srcType", "S3_Compatible", "srcEndpoint", "https://a", "destType", "S3_Compatible", "destEndpoint", "https://a/", "destBucket", "source",
		}},
		{"destPrefix", "overlap", []string{"destBucket", "source", "srcPrefixList", "c/\na/b", "destPrefix", "a/b/x"}},
		{"ec2VpcId", "required", []string{"ec2VpcId", ""}},
		{"ec2Subnets", "required", []string{"ec2Subnets", ""}},
		{"spotPercent", "0 to 100", []string{"spotPercent", "101"}},
		{"spotPercent", "whole number", []string{"spotPercent", "half"}},
		{"maxCapacity", "0 to 1000", []string{"maxCapacity", "1001"}},
		{"maxCapacity", "whole number", []string{"maxCapacity", "20%"}},
		{"minCapacity", "0 to 1000", []string{"minCapacity", "-1"}},
		{"startPaused", "true or false", []string{"startPaused", "maybe"}},
		{"ledgerTtlDays", "15 to 3650", []string{"ledgerTtlDays", "14"}},
		{"ledgerTtlDays", "0 to 3650", []string{"ledgerTtlDays", "3651"}},
		{"srcPrefixListBucket", "srcPrefixsListFile", []string{"srcPrefixListBucket", "lists"}},
		{"stripSrcPrefix", "prefix list", []string{"srcPrefixList", "a", "stripSrcPrefix", "true"}},
		{"srcEndpoint", "https://", []string{"srcType", "S3_Compatible"}},
		{"destEndpoint", "https://", []string{"destType", "S3_Compatible"}},
		{"srcEndpoint", "scheme", []string{"srcEndpoint", "not a url"}},
		{"srcAccountId", "12 digits", []string{"srcAccountId", "123"}},
		{"srcAccountId", "Amazon_S3", []string{"srcType", "Tencent_COS", "srcAccountId", "123456789012"}},
		{"srcRoleArn", "ARN", []string{"srcRoleArn", "role"}},
		{"srcRoleArn", "not both", []string{"srcRoleArn", "arn:aws:iam::123456789012:role/x", "srcCredentials", "s"}},
		{"srcExternalId", "srcRoleArn", []string{"srcExternalId", "abc"}},
		{"srcEvent", "CreateAndDelete", []string{"srcEvent", "Yes"}},
		{"srcSkipCompare", "true or false", []string{"srcSkipCompare", "yes"}},
		{"destType", "S3_Compatible", []string{"destType", "Aliyun_OSS"}},
		{"destStorageClass", "DEEP_ARCHIVE", []string{"destStorageClass", "COLD"}},
		{"destAcl", "public-read", []string{"destAcl", "everybody"}},
		{"destPutObjectSSEKmsKeyId", "required", []string{"destPutObjectSSEType", "AWS_KMS"}},
		{"destPutObjectSSEKmsKeyId", "AWS_KMS", []string{"destPutObjectSSEKmsKeyId", "k"}},
		{"destPutObjectSSEType", "S3_Compatible", []string{"destType", "S3_Compatible", "destEndpoint", "https://x", "destPutObjectSSEType", "AWS_KMS_DSSE", "destPutObjectSSEKmsKeyId", "k"}},
		{"compareMode", "size_etag", []string{"compareMode", "md5"}},
		{"include", "glob", []string{"include", "[a"}},
		{"minSize", "64MiB", []string{"minSize", "big"}},
		{"maxSize", "minSize", []string{"minSize", "2KiB", "maxSize", "1KiB"}},
		{"modifiedAfter", "RFC 3339", []string{"modifiedAfter", "yesterday"}},
		{"modifiedBefore", "modifiedAfter", []string{"modifiedAfter", "2026-01-02T00:00:00Z", "modifiedBefore", "2026-01-01T00:00:00Z"}},
		{"deleteExtraneous", "exclude hides", []string{"deleteExtraneous", "Yes", "exclude", "*.tmp"}},
		{"deleteExtraneous", "srcSkipCompare", []string{"deleteExtraneous", "Yes", "srcSkipCompare", "true"}},
		{"maxDeleteShare", "0 to 100", []string{"maxDeleteShare", "101"}},
		{"transferMode", "auto or stream", []string{"transferMode", "server_side", "srcType", "Aliyun_OSS"}},
		{"bandwidthLimit", "200MiB/s", []string{"bandwidthLimit", "fast"}},
		{"giantThreshold", "64 MiB to 5 GiB", []string{"giantThreshold", "1MiB"}},
		{"destPrefix", "overlap", []string{"destBucket", "source"}},
		{"destPrefix", "overlap", []string{"destBucket", "source", "srcPrefix", "a/b", "destPrefix", "a"}},
		{"ec2VpcId", "VPC", []string{"ec2VpcId", "net"}},
		{"ec2Subnets", "subnet", []string{"ec2Subnets", "subnet-1,nonsense"}},
		{"workerInstanceTypes", "arm64", []string{"workerInstanceTypes", "m5.large"}},
		{"finderInstanceType", "arm64", []string{"finderInstanceType", "huge"}},
		{"minCapacity", "maxCapacity", []string{"minCapacity", "5", "maxCapacity", "4"}},
		{"desiredCapacity", "minCapacity", []string{"desiredCapacity", "9", "maxCapacity", "4"}},
		{"workerConcurrency", "0 to 512", []string{"workerConcurrency", "-1"}},
		{"ec2CronExpression", "six", []string{"ec2CronExpression", "* * * * *"}},
		{"alarmEmail", "e-mail", []string{"alarmEmail", "nobody"}},
		{"alarmEmail", "required", []string{"alarmEmail", ""}},
		{"logRetentionDays", "30", []string{"logRetentionDays", "31"}},
		{"permissionsBoundaryArn", "policy", []string{"permissionsBoundaryArn", "x"}},
		{"srcBukket", "did you mean srcBucket", []string{"srcBukket", "x"}},
		{"finderDepth", "unknown", []string{"finderDepth", "3"}},
	}
	refused := map[string]bool{}
	for _, tt := range tests {
		t.Run(strings.Join(tt.given, " "), func(t *testing.T) {
			_, err := Job(valid(tt.given...))
			var errs contract.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error is %v", err)
			}
			i := slices.IndexFunc(errs, func(e contract.FieldError) bool { return e.Field == tt.field && strings.Contains(e.Message, tt.says) })
			if i < 0 {
				t.Fatalf("no error of %s says %q:\n%v", tt.field, tt.says, err)
			}
			refused[tt.field] = true
		})
	}
	for _, p := range Contract().Parameters {
		if !refused[p.Name] {
			t.Errorf("no value of %s is refused by this test", p.Name)
		}
	}
}

func TestAcceptedValues(t *testing.T) {
	tests := [][]string{
		{"srcEndpoint", "s3.example.com"},
		{"srcEndpoint", "http://[::1]:9000"},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://10.0.0.1:7070/", "srcBucket", "Under_Score"},
		{"destBucket", "source", "srcPrefix", "in/", "destPrefix", "out"},
		{"include", "**/*.{jpg,png}, b/[a-z]?"},
		{"transferMode", "server_side", "bandwidthLimit", "0"},
		{"srcType", "S3_Compatible", "srcEndpoint", "https://a", "destType", "S3_Compatible", "destEndpoint", "https://A/", "transferMode", "server_side"},
		{"ec2CronExpression", "rate(1 hour)"},
		{"ec2CronExpression", ""},
		{"destPutObjectSSEType", "AWS_KMS_DSSE", "destPutObjectSSEKmsKeyId", "arn:aws:kms:eu-west-1:123456789012:key/mrk-1"},
		{"srcRoleArn", "arn:aws-us-gov:iam::123456789012:role/path/x", "srcExternalId", "x:y"},
		{"permissionsBoundaryArn", "arn:aws:iam::aws:policy/PowerUserAccess"},
		{"maxDeleteShare", "0%"},
		{"minSize", "0", "maxSize", "0"},
		{"giantThreshold", "5GiB"},
		{"srcType", "Tencent_COS", "srcEvent", "No"}, // a template hands over defaults that do not apply, too
		{"destPutObjectSSEType", "None", "destPutObjectSSEKmsKeyId", ""},
		{"minCapacity", "3", "desiredCapacity", "3", "maxCapacity", "3"},
	}
	for _, given := range tests {
		if _, err := Job(valid(given...)); err != nil {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestPatternsKeepTheirCommas(t *testing.T) {
	j, err := Job(valid("include", "**/*.{jpg,png}, b\n c "))
	if d := cmp.Diff([]string{"**/*.{jpg,png}", "b", "c"}, j.Selection.Include); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestAllErrorsAreToldAtOnce(t *testing.T) {
	_, err := Job(map[string]string{"compareMode": "x", "srcEvent": "y"})
	for _, field := range []string{"srcBucket", "destBucket", "compareMode", "srcEvent", "alarmEmail", "ec2VpcId"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	v, err := Contract().Validate(valid())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"destStorageClass": "INTELLIGENT_TIERING", "destAcl": "bucket-owner-full-control", "compareMode": "size_etag", "maxCapacity": "20",
		"ec2CronExpression": "0 * * * ? *", "stripSrcPrefix": "false", "giantThreshold": "1GiB", "maxDeleteShare": "10",
	} {
		if v[name] != want {
			t.Errorf("%s is %q, want %q", name, v[name], want)
		}
	}
	v, err = Contract().Validate(valid("destType", "S3_Compatible", "destEndpoint", "https://x.example.com", "ec2CronExpression", ""))
	if err != nil || v["destStorageClass"] != "none" || v["destAcl"] != "none" || v["ec2CronExpression"] != "" {
		t.Errorf("%v, %v", v, err)
	}
	v, err = CLI().Validate(map[string]string{"srcBucket": "source", "destBucket": "destination"})
	if err != nil || v["destStorageClass"] != "none" || v["destAcl"] != "none" || v["stripSrcPrefix"] != "true" {
		t.Errorf("command line: %v, %v", v, err)
	}
	if _, err := CLI().Validate(map[string]string{"srcBucket": "source", "destBucket": "destination", "alarmEmail": "a@b.c"}); err == nil {
		t.Error("the command line takes a parameter of the stack")
	}
}

func TestJobFromParameters(t *testing.T) {
	got, err := Job(valid(
		"srcType", "S3_Compatible", "srcEndpoint", "https://s.example.com", "srcPrefixList", "a/\r\n\nb, c/", "srcRegion", "r1", "srcCredentials", "keys", "isPayerRequest", "true",
		"destPrefix", "out", "destRegion", "r2", "destRoleArn", "arn:aws-cn:iam::123456789012:role/x", "destExternalId", "ext",
		"destStorageClass", "SOURCE", "destAcl", "none", "destPutObjectSSEType", "AWS_KMS", "destPutObjectSSEKmsKeyId", "key",
		"compareMode", "checksum", "includeMetadata", "false", "includeTags", "true", "include", "*.a, *.b\n*.c", "exclude", "x", "minSize", "1KiB", "maxSize", "2",
		"modifiedAfter", "2026-01-01T00:00:00Z", "maxDeleteShare", "25%", "transferMode", "stream", "giantThreshold", "64MiB", "bandwidthLimit", "1MiB/s",
		"workerConcurrency", "7", "reportBucket", "reports", "reportPrefix", "p", "reportAll", "true", "maxSize", "2KiB"))
	if err != nil {
		t.Fatal(err)
	}
	low, high := int64(1024), int64(2048)
	want := &job.Job{
		Source: job.Endpoint{Provider: job.S3Compatible, Bucket: "source", Region: "r1", URL: "https://s.example.com", Access: job.Access{Secret: "keys"}, RequesterPays: true},
		Destination: job.Endpoint{
			Provider: job.AmazonS3, Bucket: "destination", Prefix: "out", Region: "r2",
			Access: job.Access{RoleARN: "arn:aws-cn:iam::123456789012:role/x", ExternalID: "ext"},
		},
		Selection: job.Selection{
			Prefixes: []string{"a/", "b, c/"}, Include: []string{"*.a", "*.b", "*.c"}, Exclude: []string{"x"}, MinSize: &low, MaxSize: &high,
			ModifiedAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		Compare: job.CompareChecksum, IncludeTags: true,
		Write:          job.WriteOptions{StorageClass: job.StorageClassSource, SSE: "aws:kms", KMSKeyID: "key"},
		MaxDeleteShare: 0.25, Mode: job.ModeStream, GiantThreshold: 64 * job.MiB, BytesPerSecond: job.MiB, Concurrency: 7, Events: job.EventsNone,
		ReportBucket: "reports", ReportPrefix: "p", ReportAll: true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

const heading = `# Parameters of the S3 plugin

Generated from the contract in ` + "`plugins/s3`" + `; ` + "`go test ./plugins/s3 -update`" + ` writes it anew. The flags are those of ` + "`dth copy`, `plan`" + ` and
` + "`verify`" + `, which take the groups Source, Destination, and What and how. Sizes are bytes or numbers with KiB, MiB, GiB or TiB; times are RFC 3339;
lists accept commas or new lines.

`

func TestDocumentIsCurrent(t *testing.T) {
	const file = "../../docs/parameters-s3.md"
	want := heading + Contract().Markdown()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the contract says (%v); go test ./plugins/s3 -update writes it", file, err)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("srcPrefixList", "a\nb")
	f.Add("include", "**/[a-z]{x,y}")
	f.Add("ec2CronExpression", "0 * * * ? *")
	f.Add("destPrefix", "/a//")
	f.Fuzz(func(t *testing.T, name, value string) {
		j, err := Job(valid(name, value))
		if (j == nil) == (err == nil) {
			t.Errorf("%s=%q: job %v, error %v", name, value, j, err)
		}
	})
}

// What rules between parameters refuse is told together with what is wrong with single ones, unless it hangs on a value that is
// wrong itself.
func TestRulesAreToldWithFields(t *testing.T) {
	for name, c := range map[string]struct {
		with []string
		want []string // fields
	}{
		"a rule beside a field":         {[]string{"spotPercent", "101", "srcCredentials", "keys", "srcRoleArn", "arn:aws:iam::123456789012:role/r"}, []string{"spotPercent", "srcRoleArn"}},
		"a rule that needs the field":   {[]string{"maxCapacity", "many", "minCapacity", "30"}, []string{"maxCapacity"}},
		"by the kind that is wrong":     {[]string{"srcType", "Amazon_S4", "srcBucket", "With_Capitals"}, []string{"srcType"}},
		"a missing bucket is no other":  {[]string{"srcBucket", "", "destBucket", ""}, []string{"srcBucket", "destBucket"}},
		"two rules and an unknown name": {[]string{"srcBuckets", "x", "srcExternalId", "12", "minSize", "2KiB", "maxSize", "1KiB"}, []string{"srcBuckets", "srcExternalId", "maxSize"}},
	} {
		given := map[string]string{"srcBucket": "source", "destBucket": "target", "ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com"}
		for i := 0; i < len(c.with); i += 2 {
			given[c.with[i]] = c.with[i+1]
		}
		_, err := Contract().Validate(given)
		var all contract.Errors
		if !errors.As(err, &all) {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, e := range all {
			got = append(got, e.Field)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q are told, want %q: %v", name, got, c.want, err)
		}
	}
}
