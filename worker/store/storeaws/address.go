package storeaws

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/job"
)

// address returns scheme, host and, in path style, the bucket's path. baseEndpoint is what the standard
// environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, a profile) says; an endpoint of the job wins.
func address(ctx context.Context, e job.Endpoint, c endpoint.Capabilities, region string, baseEndpoint *string) (url.URL, error) {
	given := e.URL
	if given == "" && baseEndpoint != nil && (e.Provider == job.AmazonS3 || e.Provider == job.S3Compatible) {
		given = *baseEndpoint
	}
	if given == "" && c.Host.Value != "" {
		given = "https://" + c.Host.Value
		if strings.Contains(given, "%s") {
			given = fmt.Sprintf(given, region)
		}
	}
	if given == "" && e.Provider == job.AmazonS3 {
		return amazonAddress(ctx, e.Bucket, region)
	}
	if given == "" {
		return url.URL{}, fmt.Errorf("endpoint: provider %s needs an endpoint address such as https://s3.example.com", e.Provider)
	}
	u, err := parseEndpoint(given)
	if err != nil {
		return url.URL{}, err
	}
	if pathStyle(c.Addressing.Value, u.Hostname(), u.Port(), e.Bucket) {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + e.Bucket
		return *u, nil
	}
	u.Host = e.Bucket + "." + u.Host
	u.Path = strings.TrimSuffix(u.Path, "/")
	return *u, nil
}

func parseEndpoint(given string) (*url.URL, error) {
	text := given
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %q is no URL: %w", given, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("endpoint: %q is not allowed; give scheme and host, such as https://s3.example.com", given)
	}
	return u, nil
}

// amazonAddress asks the SDK's rules, which know every partition's suffix.
func amazonAddress(ctx context.Context, bucket, region string) (url.URL, error) {
	p := s3.EndpointParameters{Region: aws.String(region), Bucket: aws.String(bucket)}.WithDefaults()
	r, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, p)
	if err != nil {
		return url.URL{}, fmt.Errorf("endpoint of bucket %s in region %q: %w", bucket, region, err)
	}
	u := r.URI
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

func pathStyle(a endpoint.Addressing, host, port, bucket string) bool {
	switch a {
	case endpoint.PathStyle:
		return true
	case endpoint.VirtualHost:
		// A test server or a proxy on an address has no names below it, whatever the provider prefers.
		return net.ParseIP(host) != nil || host == "localhost"
	}
	return net.ParseIP(host) != nil || host == "localhost" || port != "" || strings.Contains(bucket, ".") ||
		!strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn")
}

// escapeKey percent-encodes a key for a request path, leaving only the unreserved characters of
// RFC 3986 and "/", which is what signature version 4 signs.
func escapeKey(key string) string {
	const hexDigits = "0123456789ABCDEF"
	n := 0
	for i := 0; i < len(key); i++ {
		if !unreserved(key[i]) {
			n++
		}
	}
	if n == 0 {
		return key
	}
	out := make([]byte, 0, len(key)+2*n)
	for i := 0; i < len(key); i++ {
		if c := key[i]; unreserved(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(out)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
}
