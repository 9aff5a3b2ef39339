package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const (
	resolveTime = 5 * time.Second
	lineTime    = 20 * time.Second
	mostSkew    = time.Minute // more, and results stand in the wrong place of every plot
)

// known is what the box knows of its hub.
type known struct {
	ok   bool // there is a trust document or a token that names one
	ca   string
	keys []ed25519.PublicKey
}

// identity looks at key, trust document and token, and reads them without making any.
func (p *patient) identity() known {
	l := p.o.Layout
	if _, err := os.ReadFile(l.Key()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if errors.Is(err, fs.ErrPermission) {
			p.warn("identity", "run limpet doctor as the user of the agent (root)", "the agent's key cannot be read with your rights")
		} else {
			p.bad("identity", "the agent's key is who this box is: bring it back from a backup", "%v", err)
		}
	}
	token := p.token()
	data, err := fsys.Read(fsys.Disk{}, l.TrustDocument(), trust.MaxDocument)
	switch {
	case errors.Is(err, fs.ErrNotExist) && token:
		p.good("identity", "not enrolled yet; there is a token")
		return known{ok: true}
	case errors.Is(err, fs.ErrNotExist):
		p.bad("identity", "on the hub: limpet-hub token create; here: put it into "+l.Token(), "this box trusts no hub yet and has no token")
		return known{}
	case err != nil:
		p.bad("identity", "enrol the box again with a new token", "%v", err)
		return known{}
	}
	document, err := trust.ParseDocument(data, sha256.Sum256(data))
	if err != nil {
		p.bad("identity", "enrol the box again with a new token", "the trust document is damaged: %v", err)
		return known{}
	}
	finger, _ := os.ReadFile(l.Finger())
	p.good("identity", "agent %.16s; trusts the hub with key %s", strings.TrimSpace(string(finger)), keyName(document.HubKey))
	return known{true, document.CA, append([]ed25519.PublicKey{document.HubKey}, learned(l.TrustDocument())...)}
}

func keyName(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// learned are the hub keys that successions led to: state/trust/hub-keys, a line of hex each.
func learned(document string) (keys []ed25519.PublicKey) {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(filepath.Dir(document), "hub-keys"), 16<<10)
	if err != nil {
		return nil
	}
	for _, word := range strings.Fields(string(data)) {
		if key, err := hex.DecodeString(word); err == nil && len(key) == ed25519.PublicKeySize {
			keys = append(keys, key)
		}
	}
	return keys
}

// token says whether there is one that can be read. No part of it is shown but its name.
func (p *patient) token() bool {
	text, where := p.o.Token, "the environment"
	if text == "" {
		data, err := fsys.Read(fsys.Disk{}, p.o.Layout.Token(), 4<<10)
		if err != nil {
			return false
		}
		text, where = string(data), p.o.Layout.Token()
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		p.bad("token", "on the hub: limpet-hub token create; put the whole of it into "+p.o.Layout.Token(), "what is in %s is no token: %v", where, err)
		return false
	}
	p.good("token", "%s holds one, id %s; whether it is still good only the hub knows", where, token.ID())
	return true
}

// lines goes to each hub that the box file names, as a session would; with several, one that is well is enough.
func (p *patient) lines(ctx context.Context, k known) {
	if len(p.box.Hubs) == 0 {
		p.skip("line", "no hub is named")
		return
	}
	before, well := len(p.report.Findings), false
	for _, word := range p.box.Hubs {
		at := len(p.report.Findings)
		p.line(ctx, k, word)
		well = well || !slices.ContainsFunc(p.report.Findings[at:], func(f Finding) bool { return f.Verdict == Problem || f.Verdict == Skipped })
	}
	for i := before; well && i < len(p.report.Findings); i++ {
		if f := &p.report.Findings[i]; f.Verdict == Problem {
			f.Verdict = Warning // the agent goes to another one
		}
	}
}

// line goes the way a session goes: name, proxy, connection, TLS, the hub's own proof.
func (p *patient) line(ctx context.Context, k known, word string) {
	hub, err := url.Parse(word)
	if err != nil || hub.Hostname() == "" || hub.Scheme != "https" {
		p.skip("line", "no hub is named")
		return
	}
	port := hub.Port()
	if port == "" {
		port = "443"
	}
	addr := net.JoinHostPort(hub.Hostname(), port)
	via, err := p.proxy(addr)
	if err != nil {
		p.bad("proxy", "write proxy = http://HOST:PORT into the box file, or proxy = direct; what proxy_password_file names must be readable", "%v", err)
		return
	}
	name := OK
	if via == nil {
		if name = p.resolve(ctx, hub.Hostname()); name == Problem {
			p.skip("line", "without an address of the hub")
			return
		}
	}
	route, ok := p.connect(ctx, k, addr, via)
	if !ok {
		return
	}
	if name == OK && (route.Rung == dial.RungLast || route.Rung == dial.RungHub) {
		p.warn("DNS", "mend hub = in the box file, or the name in DNS", "%s has no address that is the hub's; the agent goes by an address it remembers, %s", hub.Hostname(), route.Address)
	}
	p.handshake(ctx, k, addr)
}

// proxy says which one is on the way to the hub, nil for none.
func (p *patient) proxy(addr string) (*url.URL, error) {
	box := p.box
	box.CA = "" // is looked at with TLS
	way, err := dial.FromBox(box)
	if err != nil {
		return nil, err
	}
	find := http.ProxyFromEnvironment
	switch way.Proxy {
	case "":
	case "none":
		p.good("proxy", "none: the box file says so")
		return nil, nil
	default:
		u, err := url.Parse(way.Proxy)
		if err != nil || u.Scheme != "http" || u.Hostname() == "" {
			return nil, errors.New("proxy in the box file is not of the form http://host:port")
		}
		find = http.ProxyURL(u)
	}
	via, err := find(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	switch {
	case err != nil:
		return nil, errors.New("the environment's proxy is not of the form http://host:port")
	case via == nil:
		p.good("proxy", "none is named (HTTPS_PROXY in the service's environment may differ from yours)")
	default:
		p.good("proxy", "%s", via.Redacted())
	}
	return via, nil
}

// resolve says how the hub's name does: Warning where an address is remembered for one that has none.
func (p *patient) resolve(ctx context.Context, host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		p.good("DNS", "the hub is named by its address")
		return OK
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(found) > 0 {
		p.good("DNS", "%s is %v", host, found[0])
		return OK
	}
	text, do := "no address", "look at /etc/resolv.conf and ask it: getent hosts "+host
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		text, do = "there is no such name", "mend hub = in the box file, or the name in DNS"
	case errors.As(err, &failed) && failed.IsTimeout, ctx.Err() != nil:
		text, do = "the resolver does not answer", "look at /etc/resolv.conf, and whether UDP and TCP port 53 pass to what it names"
	case err != nil:
		text = err.Error()
	}
	if rememberedAddress(p.o.Layout.Addresses(), host) {
		p.warn("DNS", do, "%s: %s; the agent goes by an address it remembers", host, text)
		return Warning
	}
	p.bad("DNS", do, "%s: %s", host, text)
	return Problem
}

// rememberedAddress says whether dial's file has a line for a host.
func rememberedAddress(file, host string) bool {
	data, err := fsys.Read(fsys.Disk{}, file, 64<<10)
	return err == nil && strings.Contains(string(data), host)
}

// dialer goes out as the session does.
func (p *patient) dialer(k known, unverified bool) (*dial.Dialer, error) {
	o, err := dial.FromBox(p.box)
	if err != nil {
		return nil, err
	}
	o.HubCA, o.Built, o.Unverified = k.ca, p.o.Built, unverified
	o.Memory, o.Examine = p.o.Layout.Addresses(), true
	return dial.New(o)
}

// connect reaches the hub, as the session does, and has its certificate proved.
func (p *patient) connect(ctx context.Context, k known, addr string, via *url.URL) (dial.Route, bool) {
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	d, err := p.dialer(k, k.ok && len(k.keys) == 0) // before the trust document came a token's hash vouches, not TLS
	if err != nil {
		p.bad("TLS", "mend ca = in the box file: it names PEM certificates", "%v", err)
		return dial.Route{}, false
	}
	plain, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		p.unreached(addr, via, err)
		return dial.Route{}, false
	}
	plain.Close()
	p.good("connection", "%s answers at %s", addr, d.Route().Address)
	c, err := d.DialTLSContext(ctx, "tcp", addr)
	if err != nil {
		p.unproven(addr, err)
		return dial.Route{}, false
	}
	defer c.Close()
	p.good("TLS", "the hub's certificate is for %s", addr)
	if skew := d.Route().Skew; skew != 0 {
		p.warn("time", "set the clock", "the clock lies %s outside the dates of the hub's certificate", skew.Abs().Round(time.Minute))
	}
	return d.Route(), true
}

func (p *patient) unreached(addr string, via *url.URL, err error) {
	var failed net.Error
	switch {
	case errors.Is(err, dial.ErrProxy):
		do := "ask whoever runs the proxy to let CONNECT " + addr + " pass"
		if strings.Contains(err.Error(), "407") {
			do = "give name and password: proxy = http://NAME:PASSWORD@HOST:PORT, or proxy_password_file"
		}
		p.bad("proxy", do, "%v", err)
	case via != nil:
		p.bad("proxy", "look whether the proxy runs, and mend proxy = in the box file", "the proxy cannot be reached: %v", err)
	case errors.As(err, &failed) && failed.Timeout() || errors.Is(err, context.DeadlineExceeded):
		p.bad("connection", "a firewall between may drop it: let TCP to "+addr+" pass out", "%s does not answer: %v", addr, err)
	default:
		p.bad("connection", "look whether the hub runs (systemctl status limpet-hub there), and port and name in hub =", "%v", err)
	}
}

// unproven says why the hub's certificate is not believed.
func (p *patient) unproven(addr string, err error) {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case p.clock:
		p.bad("TLS", "set the clock first", "%v", err)
	case errors.As(err, &record):
		p.bad("TLS", "hub = names another port than the hub's, or a proxy answers in its place", "%s does not speak TLS", addr)
	case errors.As(err, &host):
		p.bad("TLS", "name the hub in hub = as its certificate does", "%v", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.bad("TLS", "look at the clock of this box and of the hub, and renew the hub's certificate", "%v", invalid)
	case errors.As(err, &unknown), errors.As(err, &invalid), strings.Contains(err.Error(), "certificate"):
		p.bad("TLS", "something between may break TLS open (give its authority with ca = in the box file); or the hub was made anew: enrol again with a new token",
			"the certificate is not the trusted hub's: %v", err)
	default:
		p.bad("TLS", "look whether something between speaks only older TLS than 1.3", "%v", err)
	}
}

// handshake has the hub prove its key, as in a session, and goes no further.
func (p *patient) handshake(ctx context.Context, k known, addr string) {
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	d, err := p.dialer(k, k.ok && len(k.keys) == 0)
	if err != nil {
		return // said before
	}
	answer, err := healthz(ctx, d, addr)
	if err != nil {
		p.bad("hub", "look at the hub's log; a balancer in between may be up while the hub is down", "%v", err)
		return
	}
	p.skew(answer)
	dialer := websocket.Dialer{NetDialTLSContext: d.DialTLSContext, Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: wire.HandshakeStep}
	ws, _, err := dialer.DialContext(ctx, "wss://"+addr+wire.Path, nil)
	if err != nil {
		p.bad("hub", "a proxy or balancer in between must pass websockets", "it takes no websocket: %v", err)
		return
	}
	defer ws.Close()
	if err := challenge(ws, k.keys); err != nil {
		p.bad("hub", "if the hub was made anew: enrol with a new token; else something stands in its place", "%v", err)
		return
	}
	if len(k.keys) == 0 {
		p.good("hub", "answers; it is verified when the box enrols")
		return
	}
	p.good("hub", "it is the one that this box trusts")
}

func healthz(ctx context.Context, d *dial.Dialer, addr string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/healthz", nil)
	if err != nil {
		return nil, err
	}
	transport := d.HTTPTransport()
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", addr, answer.Status)
	}
	return answer, nil
}

// skew holds this clock against the hub's.
func (p *patient) skew(answer *http.Response) {
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	off := p.o.Now().Sub(theirs)
	if off.Abs() > mostSkew {
		p.warn("time", "set the clock here or at the hub", "the clock is %s %s the hub's", off.Abs().Round(time.Second), map[bool]string{true: "ahead of", false: "behind"}[off > 0])
	}
}

// challenge has the hub sign, under a key that is made for this alone: it learns nothing of the agent.
func challenge(ws *websocket.Conn, trusted []ed25519.PublicKey) error {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	hello := &wire.Hello{ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Nonce: wire.NewNonce(), PublicKey: public}
	data, err := proto.Marshal(&wire.Frame{Body: &wire.Frame_Hello{Hello: hello}})
	if err != nil {
		return err
	}
	ws.SetReadLimit(wire.MaxHubFrame)
	_ = ws.SetReadDeadline(time.Now().Add(wire.HandshakeStep))
	if err := ws.WriteMessage(websocket.BinaryMessage, data); err != nil {
		return fmt.Errorf("it ended the line: %w", err)
	}
	_, data, err = ws.ReadMessage()
	if err != nil {
		return fmt.Errorf("it ended the line: %w", err)
	}
	frame := new(wire.Frame)
	if err := proto.Unmarshal(data, frame); err != nil {
		return errors.New("what answers speaks another protocol")
	}
	if r := frame.GetRefuse(); r != nil {
		return fmt.Errorf("it refuses: %s %s", r.GetMessage(), r.GetHint())
	}
	c := frame.GetChallenge()
	t := wire.Transcript{AgentNonce: hello.Nonce, HubNonce: c.GetNonce(), AgentKey: public, HubKey: c.GetHubKey()}
	if c.GetTlsBound() {
		if t.Binding, err = binding(ws); err != nil {
			return err
		}
	}
	switch {
	case c == nil || t.Check() != nil || t.VerifyHub(c.GetSignature()) != nil:
		return errors.New("it does not prove its key: TLS may be broken open in between")
	case len(trusted) > 0 && !wire.Trusted(c.GetHubKey(), trusted, c.GetSuccession()):
		return fmt.Errorf("its key %s is not the one that this box trusts", keyName(c.GetHubKey()))
	}
	return nil
}

func binding(ws *websocket.Conn) ([]byte, error) {
	c, ok := ws.NetConn().(*tls.Conn)
	if !ok {
		return nil, errors.New("the line is not TLS")
	}
	return wire.Binding(c.ConnectionState())
}
