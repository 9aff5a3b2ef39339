package reach

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Days are how many days before its end a certificate is worth a word.
type Days struct {
	Warn, Crit int
	Given      bool
}

// IntoDays reads "30" or "30,14", as the plugins' -C and -D.
func IntoDays(d *Days) func(string) error {
	return func(text string) error {
		warn, crit, two := strings.Cut(text, ",")
		w, err := strconv.ParseUint(warn, 10, 16)
		c := uint64(0)
		if err == nil && two {
			c, err = strconv.ParseUint(crit, 10, 16)
		}
		if err != nil || c > w {
			return fmt.Errorf("%q is not of the form WARNING[,CRITICAL] in days", text)
		}
		*d = Days{int(w), int(c), true}
		return nil
	}
}

const day = 24 * time.Hour

// Judge says how long a certificate still holds, in the plugins' words.
func (d Days) Judge(c *x509.Certificate, now time.Time) (check.State, string) {
	name, end := CertName(c), c.NotAfter.Local().Format("Mon Jan _2 15:04:05 2006 -0700")
	left := c.NotAfter.Sub(now)
	days := int(left / day)
	state := check.Warning
	if days <= d.Crit {
		state = check.Critical
	}
	switch {
	case left <= 0:
		return check.Critical, fmt.Sprintf("CRITICAL - Certificate '%s' expired on %s.", name, end)
	case now.Before(c.NotBefore):
		return check.Critical, fmt.Sprintf("CRITICAL - Certificate '%s' is not valid before %s.", name, c.NotBefore.Local().Format("Mon Jan _2 15:04:05 2006 -0700"))
	case days > 0 && days <= d.Warn:
		return state, fmt.Sprintf("%s - Certificate '%s' expires in %d day(s) (%s).", state, name, days, end)
	case days == 0 && left >= time.Hour:
		return state, fmt.Sprintf("%s - Certificate '%s' expires in %d hours (%s)", state, name, int(left/time.Hour), end)
	case days == 0:
		return state, fmt.Sprintf("%s - Certificate '%s' expires in %d minutes (%s)", state, name, int(left/time.Minute), end)
	}
	return check.OK, fmt.Sprintf("OK - Certificate '%s' will expire on %s.", name, end)
}

// CertName is what a certificate is for: its common name, else the first of its other names.
func CertName(c *x509.Certificate) string {
	const most = 100
	name := c.Subject.CommonName
	if name == "" && len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	if name == "" && len(c.IPAddresses) > 0 {
		name = c.IPAddresses[0].String()
	}
	return OneLine(name, most)
}
