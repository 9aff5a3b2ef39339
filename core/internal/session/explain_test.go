package session

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
)

// What a person is told to do about a certificate: its dates are the clock's matter first, who signed it is not.
func TestHintsAboutCertificates(t *testing.T) {
	for want, cause := range map[string]error{
		"set the clock":    x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.Expired},
		"nobody this":      x509.UnknownAuthorityError{},
		"for another name": x509.HostnameError{Certificate: new(x509.Certificate), Host: "hub.test"},
	} {
		err := fmt.Errorf("connect to hub: %w", &tls.CertificateVerificationError{Err: cause})
		if _, hint := explain(err, hub{"hub.test", "8700"}); !strings.Contains(hint, want) {
			t.Errorf("%T: %q, want %q", cause, hint, want)
		}
	}
}
