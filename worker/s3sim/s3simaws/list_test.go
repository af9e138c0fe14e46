package s3simaws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/s3sim"
)

func tlsConfig(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// dialTo returns a client that finds every host at one address.
func dialTo(t *testing.T, address string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(address, "http://"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// listV2 pages a listing to its end and returns keys, then common prefixes with a mark.
func listV2(t *testing.T, c *s3.Client, in s3.ListObjectsV2Input) []string {
	t.Helper()
	in.Bucket = aws.String("b")
	var all []string
	for p := s3.NewListObjectsV2Paginator(c, &in); p.HasMorePages(); {
		out, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if in.MaxKeys != nil && aws.ToInt32(out.KeyCount) > *in.MaxKeys {
			t.Fatalf("page of %d", aws.ToInt32(out.KeyCount))
		}
		all = append(all, names(t, out.Contents, out.CommonPrefixes, in.EncodingType)...)
	}
	sort.Strings(all)
	return all
}

func listV1(t *testing.T, c *s3.Client, in s3.ListObjectsInput) []string {
	t.Helper()
	in.Bucket = aws.String("b")
	var all []string
	for {
		out, err := c.ListObjects(context.Background(), &in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names(t, out.Contents, out.CommonPrefixes, in.EncodingType)...)
		if !aws.ToBool(out.IsTruncated) {
			sort.Strings(all)
			return all
		}
		in.Marker = out.NextMarker
		if in.Marker == nil {
			in.Marker = out.Contents[len(out.Contents)-1].Key
		}
	}
}

func names(t *testing.T, objects []types.Object, prefixes []types.CommonPrefix, encoding types.EncodingType) []string {
	decode := func(s *string) string {
		if encoding == "" {
			return aws.ToString(s)
		}
		d, err := url.QueryUnescape(aws.ToString(s))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	var all []string
	for _, o := range objects {
		all = append(all, decode(o.Key))
	}
	for _, p := range prefixes {
		all = append(all, decode(p.Prefix)+" (prefix)")
	}
	return all
}

var awkward = []string{
	"a", "a/", "a/b", "a/b/c", "a//b", "a&b", "a b", "a+b", "a%2Fb", "é", "日本/語", "x<y>\"z'", "z/1", "z/2", "z/2/3", "zz", "\U0001F600/x", "\uFFFD",
}

func TestListings(t *testing.T) {
	sim, c := open(t, s3sim.Options{})
	for _, k := range awkward {
		sim.Bucket("b").PutBytes(k, []byte(k))
	}
	sorted := append([]string(nil), awkward...)
	sort.Strings(sorted)
	for _, encoding := range []types.EncodingType{"", "url"} {
		for maxKeys := int32(1); maxKeys < 8; maxKeys++ {
			for _, prefix := range []string{"", "a", "a/", "z/", "nothing"} {
				for _, delimiter := range []string{"", "/", "//"} {
					want := rollUp(sorted, prefix, delimiter)
					name := fmt.Sprintf("encoding %q max %d prefix %q delimiter %q", encoding, maxKeys, prefix, delimiter)
					got := listV2(t, c, s3.ListObjectsV2Input{
						Prefix: aws.String(prefix), Delimiter: aws.String(delimiter), MaxKeys: aws.Int32(maxKeys), EncodingType: encoding,
					})
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("v2 %s: %s", name, d)
					}
					if encoding == "" { // the SDK leaves decoding of markers to the caller
						got = listV1(t, c, s3.ListObjectsInput{
							Prefix: aws.String(prefix), Delimiter: aws.String(delimiter), MaxKeys: aws.Int32(maxKeys),
						})
						if d := cmp.Diff(want, got); d != "" {
							t.Errorf("v1 %s: %s", name, d)
						}
					}
				}
			}
		}
	}
}

func rollUp(sorted []string, prefix, delimiter string) []string {
	seen := map[string]bool{}
	var out []string
	for _, k := range sorted {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			k = prefix + rest[:i+len(delimiter)] + " (prefix)"
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func TestStartAfter(t *testing.T) {
	sim, c := open(t, s3sim.Options{})
	b := sim.Bucket("b")
	b.Fill(s3sim.Synthetic{N: 5000, Format: s3sim.Hex, Seed: 1, Size: 100})
	b.PutBytes("5", nil)
	b.Delete(b.Objects()[10].Key)
	all := listV2(t, c, s3.ListObjectsV2Input{})
	if len(all) != 5000 || !sort.StringsAreSorted(all) {
		t.Fatalf("%d keys", len(all))
	}
	for _, i := range []int{0, 999, 2500, 4998, 4999} {
		if d := cmp.Diff(all[i+1:], listV2(t, c, s3.ListObjectsV2Input{StartAfter: aws.String(all[i])}), cmpEmpty); d != "" {
			t.Errorf("after key %d: %s", i, d)
		}
	}
	if d := cmp.Diff([]string{"5"}, listV2(t, c, s3.ListObjectsV2Input{Prefix: aws.String("5"), Delimiter: aws.String("5")})[:1]); d != "" {
		t.Error(d)
	}
}

var cmpEmpty = cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })

func TestSyntheticDifference(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	for _, format := range []s3sim.Format{s3sim.Flat, s3sim.Hex, s3sim.Dates} {
		src, dst := sim.Bucket(fmt.Sprint("src", format)), sim.Bucket(fmt.Sprint("dst", format))
		base := s3sim.Synthetic{N: 2500, Format: format, Prefix: "p/", Size: 10, Seed: 7, MD5: true}
		src.Fill(base)
		base.MissingEvery, base.ChangedEvery = 10, 7
		dst.Fill(base)
		sides := map[string]map[string]string{}
		for _, bucket := range []string{fmt.Sprint("src", format), fmt.Sprint("dst", format)} {
			sides[bucket[:3]] = map[string]string{}
			for p := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); p.HasMorePages(); {
				out, err := p.NextPage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range out.Contents {
					sides[bucket[:3]][*o.Key] = strings.Trim(*o.ETag, `"`)
				}
			}
		}
		missing, changed := 0, 0
		for k, etag := range sides["src"] {
			other, ok := sides["dst"][k]
			if !ok {
				missing++
			} else if other != etag {
				changed++
			}
			if o := src.Get(k); o == nil || o.ETag != etag {
				t.Fatalf("%s: listed with %s, read as %+v", k, etag, o)
			}
		}
		// Of 358 multiples of 7 below 2500, those that are 9 modulo 10 are missing.
		if len(sides["src"]) != 2500 || missing != 250 || changed != 358-36 {
			t.Errorf("format %d: %d keys, %d missing, %d changed", format, len(sides["src"]), missing, changed)
		}
	}
}
