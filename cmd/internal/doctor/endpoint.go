package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Amazon S3 refuses requests whose time differs from its own by more than 15 minutes, RequestTimeTooSkewed:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Other stores have the same rule or a stricter one.
const (
	skewRefused = 15 * time.Minute
	skewNoted   = time.Minute
)

// endpoints looks whether the named hosts can be reached, and compares the clock with theirs.
func (m *Machine) endpoints(ctx context.Context) []Finding {
	clock := Finding{Check: "clock", Result: Note, Says: "not compared: nothing was named to compare it with", Remedy: "name an endpoint: dth doctor https://s3.eu-west-1.amazonaws.com"}
	var found []Finding
	compared := false
	for _, address := range m.Endpoints {
		f, skew, known := m.reach(ctx, address)
		found = append(found, f)
		if known && !compared {
			clock, compared = clockBy(f.Check, skew), true
		}
	}
	if len(m.Endpoints) > 0 && !compared {
		clock.Says, clock.Remedy = "not compared: no endpoint told its time", "mend the endpoints first"
	}
	return append([]Finding{clock}, found...)
}

func clockBy(host string, skew time.Duration) Finding {
	f := Finding{Check: "clock", Result: OK, Says: "agrees with that of " + host}
	off, way := skew.Round(time.Second), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	says := fmt.Sprintf("%s %s that of %s", off, way, host)
	const remedy = "let the system set it: timedatectl set-ntp true"
	switch {
	case off >= skewRefused:
		return f.problem(says+": stores refuse requests", remedy)
	case off >= skewNoted:
		return f.note(says+": stores refuse requests from 15 minutes on", remedy)
	}
	return f
}

// reach asks a host for anything: whatever it answers, it is there. The skew is how far this machine's clock is ahead of its own.
func (m *Machine) reach(ctx context.Context, address string) (f Finding, skew time.Duration, known bool) {
	f = Finding{Check: address, Result: OK}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return f.problem("this is no address", "write http://HOST[:PORT] or https://HOST[:PORT]"), 0, false
	}
	f.Check = u.Host
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return f.problem(err.Error(), "write http://HOST[:PORT] or https://HOST[:PORT]"), 0, false
	}
	before := m.Now()
	resp, err := m.HTTP.Do(r)
	after := m.Now()
	if err != nil {
		says, remedy := diagnosis(u, err)
		return f.problem(says, remedy), 0, false
	}
	_ = resp.Body.Close() // of HEAD there is none
	f.Says = fmt.Sprintf("answers in %s", after.Sub(before).Round(time.Millisecond))
	if resp.TLS != nil {
		f.Says += ", " + tls.VersionName(resp.TLS.Version)
	}
	told, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return f, 0, false
	}
	return f, before.Add(after.Sub(before) / 2).Sub(told), true
}

// diagnosis says why a host cannot be reached, and what to do.
func diagnosis(u *url.URL, err error) (says, remedy string) {
	var (
		name    *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no host of this name", "look at its spelling; on a private network, at the name servers of this machine"
	case errors.As(err, &name):
		return "the name cannot be looked up: " + name.Err, "look at the name servers of this machine (/etc/resolv.conf), and whether it is on the network"
	case errors.As(err, &unknown):
		return "its certificate is of an authority that this machine does not know", "add the authority to the system's certificates, or name the file in SSL_CERT_FILE"
	case errors.As(err, &host):
		return "its certificate is for other names: " + host.Error(), "use one of those names"
	case errors.As(err, &invalid):
		return "its certificate does not hold: " + invalid.Error(), "look at this machine's clock; else the host needs a new certificate"
	case errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it speaks without TLS", "write http://" + u.Host
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there", "look at the port, and whether the store runs"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", patience), "a firewall may be in the way, or a proxy is needed: HTTPS_PROXY"
	}
	return err.Error(), "try it with curl -v " + u.Scheme + "://" + u.Host
}
