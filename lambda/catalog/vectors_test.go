package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/cron"
	"github.com/datatransferhub/dth/worker/units"
)

var update = flag.Bool("update", false, "write web/src/api/contracts.json")

// vectors is what the console is tested with: the contracts that it shows, for which it has to have texts, and what is refused
// and when schedules tick, which it says as people type.
type vectors struct {
	Cloud      []*contract.Contract `json:"cloud"`
	Local      []*contract.Contract `json:"local"`
	Validation []validation         `json:"validation"`
	Cron       []ticks              `json:"cron"`
	Sizes      []size               `json:"sizes"`
}

// validation has the names of the parameters that are refused, in order.
type validation struct {
	Place   string            `json:"place"`
	Type    string            `json:"type"`
	Given   map[string]string `json:"given"`
	Refused []string          `json:"refused"`
}

// ticks has the next times of an expression; null when it is refused.
type ticks struct {
	Expression string   `json:"expression"`
	After      string   `json:"after"`
	Next       []string `json:"next"`
}

// size has the bytes of a size, as text: JavaScript's numbers end before ours. "": refused.
type size struct {
	Text  string `json:"text"`
	Bytes string `json:"bytes"`
}

func TestConsoleKnowsTheContracts(t *testing.T) {
	cloud, local := catalog.Cloud("1", catalog.Place{Account: "123456789012", Region: "eu-west-1"}), catalog.Local("1")
	all := vectors{Cloud: contracts(cloud), Local: contracts(local)}
	for _, given := range refusals() {
		all.Validation = append(all.Validation, refused(t, "cloud", cloud[0], given), refused(t, "local", local[0], given))
	}
	for _, expression := range expressions() {
		all.Cron = append(all.Cron, next(expression))
	}
	for _, text := range []string{
		"0", "64MiB", "1.5GiB", "1 GB", "5k", "5 kb", "1.5", "1.5b", "", "big", "-1", "1e3", ".5k", "5.k", "1.0000000001TiB", "8191PiB", "8192PiB", "9223372036854775807",
		"9223372036854775808", " 7 MiB ", "1..2k", "0.5k", "1,000", "64MiB/s", "00000000000000000000000000000000000000000000000000000000000000001",
	} {
		s := size{Text: text}
		if n, err := units.ParseSize(text); err == nil {
			s.Bytes = strconv.FormatInt(n, 10)
		}
		all.Sizes = append(all.Sizes, s)
	}
	want, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	path := filepath.Join("..", "..", "web", "src", "api", "contracts.json")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the plugins say (%v); go test ./lambda/catalog -update writes it", path, err)
	}
}

func contracts(plugins []task.Plugin) (all []*contract.Contract) {
	for _, p := range plugins {
		all = append(all, p.Contract)
	}
	return all
}

func refused(t *testing.T, place string, p task.Plugin, given map[string]string) validation {
	v := validation{Place: place, Type: p.Type, Given: given, Refused: []string{}}
	_, err := p.Contract.Validate(given)
	var wrong contract.Errors
	if err != nil && !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	for _, e := range wrong {
		v.Refused = append(v.Refused, e.Field)
	}
	return v
}

func next(expression string) ticks {
	after := time.Date(2026, 11, 23, 10, 7, 30, 0, time.UTC)
	out := ticks{Expression: expression, After: after.Format(time.RFC3339)}
	s, err := cron.Parse(expression)
	if err != nil {
		return out
	}
	out.Next = []string{}
	for len(out.Next) < 5 {
		at, ok := s.Next(after)
		if !ok {
			break
		}
		out.Next, after = append(out.Next, at.Format(time.RFC3339)), at
	}
	return out
}

func expressions() []string {
	return []string{
		"cron(0 10 * * ? *)", "cron(15 12 * * ? *)", "cron(0 18 ? * MON-FRI *)", "cron(0 8 1 * ? *)", "cron(0/15 * * * ? *)", "cron(0/5 8-17 ? * MON-FRI *)",
		"cron(0 9 ? * 2#1 *)", "0 * * * ? *", " 0 * * * ? * ", "cron(0 0 L * ? *)", "cron(0 0 LW * ? *)", "cron(0 0 15W * ? *)", "cron(0 0 1W * ? *)", "cron(0 0 31W * ? *)",
		"cron(0 0 ? * 6L *)", "cron(0 0 ? * L *)", "cron(0 0 29 FEB ? *)", "cron(30 4 1,15 jan,jul ? 2027-2028)", "0 0 1 1 ? 2020", "0 0 1 1 ? 2030", "*/20 */6 * * ? *",
		"rate(5 minutes)", "rate(1 day)", "rate(1 hour)", "rate(90 days)",
		"", "* * * * *", "0 * * * * *", "0 * ? * ? *", "60 * * * ? *", "0 24 * * ? *", "0 0 32 * ? *", "0 0 * 13 ? *", "0 0 ? * 8 *", "0 0 ? * 0 *", "0 0 * * ? 1969",
		"0 0 * * ? 2200", "5-1 * * * ? *", "*/0 * * * ? *", "a * * * ? *", "0 0 W * ? *", "0 0 32W * ? *", "0 0 ? * 3#6 *", "0 0 ? * #1 *", "0 0 ? * XL *", "-1 * * * ? *",
		"+1 * * * ? *", ", * * * ? *", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(1 week)", "rate(5)", "rate(99999999999 days)", "rate(36501 days)",
		"cron(0 * * * ? *", "cron(0 * * * ? * *)", "1/60 * * * ? *", "1/59 * * * ? *",
	}
}

// refusals are values beside which all others are right.
func refusals() []map[string]string {
	var all []map[string]string
	for _, given := range [][]string{
		{},
		{"srcBucket", ""},
		{"srcBucket", "No"},
		{"srcBucket", "Has_Capitals"},
		{"srcBucket", "two..dots"},
		{"srcBucket", "10.0.0.1"},
		{"srcType", "Google_GCS", "srcBucket", "under_scores"},
		{"srcType", "Elsewhere"},
		{"srcType", "S3_Compatible"},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://store.example:9000"},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://store.example:0"},
		{"srcType", "S3_Compatible", "srcEndpoint", "store.example:"},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://..."},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://a?b"},
		{"srcType", "S3_Compatible", "srcEndpoint", "http://[::1]:9000/path"},
		{"srcType", "S3_Compatible", "srcEndpoint", "https://x.example", "srcRoleArn", "arn:aws:iam::123456789012:role/r"},
		{"srcType", "S3_Compatible", "srcEndpoint", "https://x.example", "srcEvent", "Create"},
		{"srcType", "S3_Compatible", "srcEndpoint", "https://x.example", "srcEvent", "No"},
		{"destType", "S3_Compatible", "destEndpoint", "https://x.example"},
		{"destType", "S3_Compatible", "destEndpoint", "https://x.example", "destPutObjectSSEType", "AWS_KMS_DSSE", "destPutObjectSSEKmsKeyId", "k"},
		{"destPutObjectSSEType", "AWS_KMS"},
		{"destPutObjectSSEType", "AWS_KMS", "destPutObjectSSEKmsKeyId", "alias/x"},
		{"destPutObjectSSEKmsKeyId", "alias/x"},
		{"srcAccountId", "12"},
		{"srcCredentials", "name", "srcRoleArn", "arn:aws:iam::123456789012:role/r"},
		{"destCredentials", "name", "destRoleArn", "arn:aws:iam::123456789012:role/r"},
		{"srcExternalId", "xyz"},
		{"srcPrefix", "a/", "srcPrefixList", "b/"},
		{"srcPrefixList", " \n\t"},
		{"srcPrefixList", "a/\nb/", "stripSrcPrefix", "true"},
		{"srcPrefixListBucket", "lists"},
		{"srcPrefixList", "s3://lists/a.txt"},
		{"srcPrefixList", "s3://lists"},
		{"include", "s3://lists/*"},
		{"include", "*.{jpg,png}, data/**"},
		{"include", ", ,"},
		{"include", "[a"},
		{"include", "{a"},
		{"include", "a}"},
		{"include", "[]"},
		{"include", "[a-]"},
		{"include", "[^a-z]x[!b]"},
		{"exclude", "a\\"},
		{"exclude", "[b-a]"},
		{"minSize", "5k", "maxSize", "4k"},
		{"minSize", "5"},
		{"minSize", "x"},
		{"modifiedAfter", "2026-01-31T00:00:00Z", "modifiedBefore", "2026-01-31T00:00:00+00:00"},
		{"modifiedAfter", "2026-01-31"},
		{"modifiedAfter", "2026-02-30T00:00:00Z"},
		{"modifiedAfter", "2026-01-31T24:00:00Z"},
		{"modifiedAfter", "2026-01-31T00:00:00.25+08:00"},
		{"deleteExtraneous", "Yes"},
		{"deleteExtraneous", "Yes", "include", "*.jpg"},
		{"deleteExtraneous", "Yes", "srcSkipCompare", "true"},
		{"maxDeleteShare", "101"},
		{"maxDeleteShare", "5%"},
		{"maxDeleteShare", "-1"},
		{"maxDeleteShare", "+5"},
		{"transferMode", "server_side"},
		{"transferMode", "server_side", "bandwidthLimit", "5MiB/s"},
		{"transferMode", "server_side", "srcType", "Alibaba_OSS"},
		{"bandwidthLimit", "fast"},
		{"giantThreshold", "63MiB"},
		{"giantThreshold", "6GiB"},
		{"giantThreshold", "5GiB"},
		{"destBucket", "photos"},
		{"destBucket", "photos", "srcPrefix", "a/", "destPrefix", "b"},
		{"destBucket", "photos", "srcPrefix", "a/", "destPrefix", "a/b"},
		{"destBucket", "photos", "srcPrefixList", "x/\nb/", "destPrefix", "b/c/"},
		{"maxCapacity", "5", "minCapacity", "6", "desiredCapacity", "6"},
		{"maxCapacity", "5", "desiredCapacity", "6"},
		{"maxCapacity", "1001"},
		{"maxCapacity", "1.5"},
		{"ec2Subnets", "subnet-0123456789abcdef0, subnet-11111111"},
		{"ec2Subnets", "subnet-x"},
		{"ec2VpcId", "vpc-1"},
		{"workerInstanceTypes", "c5.large"},
		{"ec2CronExpression", ""},
		{"ec2CronExpression", "* * *"},
		{"alarmEmail", "nobody"},
		{"logRetentionDays", "2"},
		{"pollEvery", "5x"},
		{"pollEvery", "x5s"},
		{"srcEventFile", "/tmp/events"},
		{"destPrefix", string(bytes.Repeat([]byte("ü"), 512))},
		{"destPrefix", string(bytes.Repeat([]byte("x"), 1023))},
		{"bucket", "unknown"},
		{"destAcl", "everybody"},
		{"includeTags", "yes"},
		{"srcBucket", "No!", "destBucket", "No!", "minSize", "x"},
	} {
		values := map[string]string{
			"srcBucket": "photos", "destBucket": "backup", "ec2VpcId": "vpc-0123456789abcdef0", "ec2Subnets": "subnet-0123456789abcdef0", "alarmEmail": "a@example.com",
		}
		for i := 0; i < len(given); i += 2 {
			values[given[i]] = given[i+1]
		}
		all = append(all, values)
	}
	return all
}
