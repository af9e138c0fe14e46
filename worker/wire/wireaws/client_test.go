package wireaws_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func policy() retry.Policy {
	return retry.Policy{Attempts: 3, Base: time.Millisecond, Cap: 5 * time.Millisecond}
}

func keys() aws.Credentials {
	return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret", SessionToken: "token"}
}

// serve starts a service and returns a client of it.
func serve(t *testing.T, provider aws.CredentialsProvider, h http.HandlerFunc) *wireaws.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := wireaws.New(wireaws.Options{
		SigningName: "sqs", Target: "AmazonSQS", Region: "eu-west-1", Endpoint: *u, Credentials: provider,
		HTTP: awshttp.NewBuildableClient(), Retry: policy(),
	})
	t.Cleanup(c.Close)
	return c
}

func static() aws.CredentialsProvider {
	k := keys()
	return aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken))
}

// signedBy reports whether a request carries the signature that the keys give it at the time that it names.
func signedBy(t *testing.T, r *http.Request, body []byte, k aws.Credentials) bool {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Errorf("date: %v", err)
		return false
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.String(), strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return false
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(name, r.Header.Get(name))
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(t.Context(), k, again, hex.EncodeToString(sum[:]), "sqs", "eu-west-1", at); err != nil {
		t.Error(err)
		return false
	}
	return again.Header.Get("Authorization") == r.Header.Get("Authorization")
}

func TestCallIsSigned(t *testing.T) {
	const question = `{"QueueUrl":"q"}`
	c := serve(t, static(), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != question || r.Header.Get("X-Amz-Target") != "AmazonSQS.GetQueueAttributes" || r.Header.Get("X-Amz-Security-Token") != "token" {
			t.Errorf("the service got %q with %v", body, r.Header)
		}
		if !signedBy(t, r, body, keys()) {
			t.Errorf("the signature is wrong: %s", r.Header.Get("Authorization"))
		}
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	answer, err := c.Do(t.Context(), wireaws.Call{Op: "GetQueueAttributes", On: "q", Body: []byte(question)})
	if err != nil || string(answer.Body) != `{"a":1}` || answer.Uncertain {
		t.Errorf("%q, %v", answer.Body, err)
	}
}

// rotating gives other keys after every Invalidate.
type rotating struct{ generation atomic.Int32 }

func (r *rotating) Invalidate() { r.generation.Add(1) }

func (r *rotating) Retrieve(context.Context) (aws.Credentials, error) {
	k := keys()
	if r.generation.Load() > 0 {
		k.AccessKeyID = "NEW"
	}
	return k, nil
}

func TestExpiredCredentialsAreReadAgainOnce(t *testing.T) {
	for _, mends := range []bool{true, false} {
		calls := 0
		c := serve(t, &rotating{}, func(w http.ResponseWriter, r *http.Request) {
			calls++
			if mends && strings.Contains(r.Header.Get("Authorization"), "NEW/") {
				_, _ = io.WriteString(w, `{}`)
				return
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"too old"}`)
		})
		_, err := c.Do(t.Context(), wireaws.Call{Op: "SendMessage", On: "q"})
		if mends != (err == nil) || calls != 2 || !mends && !failure.Is(err, failure.BadCredentials) {
			t.Errorf("mends %t: %d calls, %v", mends, calls, err)
		}
	}
}

func TestClockOfTheServiceIsFollowed(t *testing.T) {
	ahead := 3 * time.Hour
	calls := 0
	c := serve(t, static(), func(w http.ResponseWriter, r *http.Request) {
		calls++
		now := time.Now().Add(ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || now.Sub(at).Abs() > 5*time.Minute {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"__type":"InvalidSignatureException","message":"Signature expired"}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	for range 2 {
		if _, err := c.Do(t.Context(), wireaws.Call{Op: "SendMessage", On: "q"}); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 3 {
		t.Errorf("%d calls, want one refused and two good ones", calls)
	}
}

func TestUncertainAfterALostAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		first     http.HandlerFunc
		uncertain bool
	}{
		"lost": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, true},
		"500":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, true},
		"throttled": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"__type":"ThrottlingException"}`)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			client := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls == 1 {
					c.first(w, r)
					return
				}
				_, _ = io.WriteString(w, `{}`)
			})
			answer, err := client.Do(t.Context(), wireaws.Call{Op: "PutItem", On: "t"})
			if err != nil || answer.Uncertain != c.uncertain {
				t.Errorf("uncertain = %t, %v", answer.Uncertain, err)
			}
		})
	}
}

func TestSilenceAndStoppingAreToldApart(t *testing.T) {
	release := make(chan struct{})
	client := serve(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	_, err := client.Do(t.Context(), wireaws.Call{Op: "ReceiveMessage", On: "q", Patience: 20 * time.Millisecond})
	if !failure.Is(err, failure.Network) {
		t.Errorf("a silent service: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = client.Do(ctx, wireaws.Call{Op: "ReceiveMessage", On: "q"})
	if !failure.Is(err, failure.Canceled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller that stops: %v", err)
	}
}

func TestClassify(t *testing.T) {
	if wireaws.Classify(t.Context(), "PutItem", "t", nil) != nil {
		t.Error("nil has a class")
	}
	own := &failure.Error{Class: failure.KMS}
	if err := wireaws.Classify(t.Context(), "PutItem", "t", own); !errors.Is(err, own) {
		t.Errorf("a classed error became %v", err)
	}
	err := wireaws.Classify(t.Context(), "PutItem", "t", io.ErrUnexpectedEOF)
	if !failure.Is(err, failure.Network) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a lost connection became %v", err)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `q"\/`, "\x00\x1f\x7f\n\t", "ÄÖ世界🌍", "\xff\xfe", "a\xc3", "\u2028\ufffd\uffff", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(wireaws.AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	})
}
