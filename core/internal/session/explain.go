package session

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// defaultPort is a hub's.
const defaultPort = "8700"

// hub is where the hub is.
type hub struct{ host, port string }

// parseHub reads the box file's word: a URL, or a host with or without a port.
func parseHub(word string) (hub, error) {
	text := word
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return hub{}, fmt.Errorf("read hub %q: not of the form https://host:port", word)
	}
	if u.Scheme != "https" && u.Scheme != "wss" {
		return hub{}, fmt.Errorf("read hub %q: %s is not spoken, only https", word, u.Scheme)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return hub{}, fmt.Errorf("read hub %q: nothing may follow host and port", word)
	}
	h := hub{u.Hostname(), u.Port()}
	if h.port == "" {
		h.port = defaultPort
	}
	return h, nil
}

func (h hub) addr() string           { return net.JoinHostPort(h.host, h.port) }
func (h hub) url(path string) string { return "https://" + h.addr() + path }

// explain puts an attempt's error into words for a person: what was wrong, and what to do next.
func explain(err error, h hub) (text, hint string) {
	if err == nil {
		return "", ""
	}
	text = strings.ReplaceAll(err.Error(), "\n", "; ")
	var refused *refusal
	var dns *net.DNSError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &refused):
		return text, refusalHint(refused)
	case errors.Is(err, errBox):
		return text, "mend the box file, and have it read again (systemctl reload limpet)"
	case errors.Is(err, errNotTrusted):
		return text, "make a token on the hub (limpet-hub token create) and give it to: limpet enrol"
	case errors.Is(err, trust.ErrDocument):
		return text, "the token is for another hub: check the hub in limpet.conf, or make a token on this one"
	case errors.Is(err, errStrangeHub):
		return text, "this hub has another key than the one this agent enrolled with: check the hub in limpet.conf, or enrol again with a token of the new one"
	case errors.As(err, &name):
		return text, "the hub's certificate is for another name: use that name in limpet.conf, or give the hub a certificate for " + h.host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return text, "set the clock of this box if it is wrong; else the hub's certificate has to be renewed"
	case errors.As(err, &authority), errors.As(err, &verify):
		return text, "nobody this agent trusts vouches for the hub's certificate: something stands between, or the hub was set up anew; enrol again with a new token"
	case errors.Is(err, dial.ErrProxy):
		return text, "check the proxy in limpet.conf or in the environment"
	case errors.As(err, &dns):
		return text, "check the name " + h.host + " and this machine's resolver"
	case errors.Is(err, syscall.ECONNREFUSED):
		return text, "nothing listens at " + h.addr() + ": is the hub running, and is the port right?"
	case errors.Is(err, websocket.ErrBadHandshake):
		return text, "what answers at " + h.addr() + " is no Limpet hub, or a proxy in between does not pass websockets"
	case errors.Is(err, errUnreached):
		return text, "check the network and firewalls between here and " + h.addr()
	}
	return text, ""
}

func refusalHint(r *refusal) string {
	if r.hint != "" {
		return r.hint
	}
	switch r.code {
	case wire.RefuseVersion:
		return "agent and hub share no version of the protocol: update the older one"
	case wire.RefuseUnknownAgent:
		return "the hub does not know this agent: make a token on it and give it to: limpet enrol"
	case wire.RefuseTokenUnknown, wire.RefuseTokenExpired, wire.RefuseTokenUsed:
		return "make a new token on the hub (limpet-hub token create) and give it to: limpet enrol"
	case wire.RefuseRevoked:
		return "this agent was removed on the hub: enrol again with a new token if that was not meant"
	case wire.RefuseBadSignature:
		return "the session's signatures do not hold: something between agent and hub may end TLS"
	}
	return ""
}
