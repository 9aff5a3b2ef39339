package gateway_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// within bounds every wait of a test; nothing here takes that long unless it never comes.
const within = 2 * time.Minute

// errWrongAck: the hub took back what it had acknowledged.
var errWrongAck = errors.New("wrong ack")

// agent is an agent written out by hand: its key, its count, and a buffer in memory that it drains as docs/wire.md has it.
type agent struct {
	t        testing.TB
	key      ed25519.PrivateKey
	count    uint64
	token    *trust.Token
	hostname string
	tags     []string
	revision uint64
	nonce    string // shown in each proof, of a core that was announced
	core     string // its version
	machine  string // hash of what identifies its machine
	tells    bool   // results by difference, where the hub keeps bases
	knocks   bool
	gens     map[uint64]*generation
}

// generation is a part of the buffer.
type generation struct {
	records [][]byte // record i has number i+1
	acked   uint64
}

func newAgent(t testing.TB, token *trust.Token) *agent {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &agent{t: t, key: key, token: token, hostname: "box", core: "0.1", gens: map[uint64]*generation{}}
}

func (a *agent) public() ed25519.PublicKey { return a.key.Public().(ed25519.PublicKey) }

func (a *agent) fingerprint() string { return enrol.Fingerprint(a.public()) }

// add appends a record to a generation.
func (a *agent) add(epoch uint64, item *wire.Item) {
	g := a.gens[epoch]
	if g == nil {
		g = &generation{}
		a.gens[epoch] = g
	}
	item.Seq = uint64(len(g.records) + 1)
	raw, err := wire.Marshal(item)
	if err != nil {
		a.t.Fatal(err)
	}
	g.records = append(g.records, raw)
}

// result appends a result.
func (a *agent) result(epoch uint64, check string, state wire.State, text string) {
	value := float64(len(text))
	a.add(epoch, &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{
		Check: check, State: state, Text: text, Long: "long of " + text, StartNs: time.Now().UnixNano(), DurationNs: int64(time.Millisecond),
		EveryMs: 3_600_000, Plugin: "builtin:" + check, Exit: int32(state),
		Perfdata: []*wire.Perfdata{{Label: "size", Value: value, Unit: "B", Warn: "10", Crit: "20"}},
	}}})
}

// batch is the next batch of a generation, at most so many records; nil when everything is acked.
func (g *generation) batch(epoch uint64, most int) *wire.Batch {
	var p wire.Packer
	for i := int(g.acked); i < len(g.records) && p.Len() < most; i++ {
		if !p.Add(uint64(i+1), g.records[i], wire.MaxBatch) {
			break
		}
	}
	return p.Loose(epoch)
}

func (a *agent) generations() []*wire.Generation {
	var out []*wire.Generation
	for epoch, g := range a.gens {
		out = append(out, &wire.Generation{Epoch: epoch, Written: uint64(len(g.records)), Acked: g.acked})
	}
	return out
}

// link is one session of an agent.
type link struct {
	agent   *agent
	conn    *websocket.Conn
	welcome *wire.Welcome
	teller  *wire.Teller
}

// refusedError is what a hub's Refuse becomes.
type refusedError struct{ *wire.Refuse }

func (r refusedError) Error() string { return "refused: " + r.GetCode() + ": " + r.GetMessage() }

// code is the code an error was refused with, or "".
func code(err error) string {
	var r refusedError
	if errors.As(err, &r) {
		return r.GetCode()
	}
	return ""
}

// where is how to reach a hub.
type where struct {
	url  string // wss://…
	pool *x509.CertPool
	key  ed25519.PublicKey // nil = any
}

// connect begins a session.
func (a *agent) connect(ctx context.Context, at where) (*link, error) {
	a.count++
	d := websocket.Dialer{
		Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: within,
		TLSClientConfig: &tls.Config{RootCAs: at.pool, MinVersion: tls.VersionTLS13},
	}
	header := http.Header{}
	if a.knocks {
		if err := a.knock(ctx, &d, at.url, header); err != nil {
			return nil, err
		}
	}
	conn, answer, err := d.DialContext(ctx, at.url, header)
	if answer != nil && err != nil {
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return nil, sentAway{answer.StatusCode, seconds, answer.Close}
	}
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	l := &link{agent: a, conn: conn}
	if err := l.greet(at); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return l, nil
}

// sentAway is what a hub answered instead of a websocket.
type sentAway struct {
	status, seconds int
	closes          bool // the line with it
}

func (s sentAway) Error() string { return "HTTP " + strconv.Itoa(s.status) }

// knock makes the TLS line before the websocket's request, which names it.
func (a *agent) knock(ctx context.Context, d *websocket.Dialer, hub string, header http.Header) error {
	u, err := url.Parse(hub)
	if err != nil {
		return err
	}
	c, err := (&tls.Dialer{Config: d.TLSClientConfig}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	d.NetDialTLSContext = func(context.Context, string, string) (net.Conn, error) { return c, nil }
	binding, err := wire.Binding(c.(*tls.Conn).ConnectionState())
	if err != nil {
		return err
	}
	knock, err := wire.Knock(a.key, binding)
	header.Set(wire.KnockHeader, knock)
	return err
}

func (l *link) greet(at where) error {
	t := wire.Transcript{AgentNonce: wire.NewNonce(), AgentKey: l.agent.public()}
	err := l.send(&wire.Frame{Body: &wire.Frame_Hello{Hello: &wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Nonce: t.AgentNonce, PublicKey: t.AgentKey,
	}}})
	if err != nil {
		return err
	}
	f, err := l.next()
	if err != nil {
		return err
	}
	c := f.GetChallenge()
	if c == nil {
		return fmt.Errorf("no challenge: %v", f)
	}
	t.HubNonce, t.HubKey = c.GetNonce(), c.GetHubKey()
	if c.GetTlsBound() {
		state := l.conn.NetConn().(*tls.Conn).ConnectionState()
		if t.Binding, err = wire.Binding(state); err != nil {
			return err
		}
	}
	if at.key != nil && !at.key.Equal(ed25519.PublicKey(c.GetHubKey())) {
		return errors.New("another hub's key")
	}
	if err := t.VerifyHub(c.GetSignature()); err != nil {
		return err
	}
	signature, err := t.SignAgent(l.agent.key)
	if err != nil {
		return err
	}
	return l.prove(signature)
}

func (l *link) prove(signature []byte) error {
	a := l.agent
	proof := &wire.Proof{
		Signature: signature, SessionCount: a.count, Revision: a.revision, Generations: a.generations(), StandbyNonce: a.nonce,
		Facts: &wire.Facts{Hostname: a.hostname, Os: "linux", Arch: "amd64", CoreVersion: a.core, CoreHash: "hash of " + a.core, Tags: a.tags, MachineIdHash: a.machine},
	}
	if a.token != nil {
		id, err := hex.DecodeString(a.token.ID())
		if err != nil {
			return err
		}
		proof.Enrol = &wire.Enrol{TokenId: id, TokenSecret: a.token.Secret()}
	}
	if err := l.send(&wire.Frame{Body: &wire.Frame_Proof{Proof: proof}}); err != nil {
		return err
	}
	f, err := l.next()
	if err != nil {
		return err
	}
	if l.welcome = f.GetWelcome(); l.welcome == nil {
		return fmt.Errorf("no welcome: %v", f)
	}
	l.teller = wire.NewTeller(0)
	if a.tells {
		l.teller = wire.NewTeller(l.welcome.GetBases())
	}
	for _, m := range l.welcome.GetWatermarks() {
		if err := a.mark(m); err != nil {
			return err
		}
	}
	return nil
}

// mark moves a cursor to the hub's watermark, as RESULTS has it for "an ack was lost"; anything else here is the hub's fault.
func (a *agent) mark(m *wire.Watermark) error {
	g := a.gens[m.GetEpoch()]
	switch {
	case m.GetSeq() > uint64(len(g.records)):
		return fmt.Errorf("watermark %d of %d records", m.GetSeq(), len(g.records))
	case m.GetSeq() > 0 && wire.Crc(g.records[m.GetSeq()-1]) != m.GetCrc():
		return fmt.Errorf("watermark %d has another checksum", m.GetSeq())
	}
	if m.GetSeq() < g.acked {
		return fmt.Errorf("%w: watermark %d behind %d", errWrongAck, m.GetSeq(), g.acked)
	}
	g.acked = m.GetSeq()
	return nil
}

func (l *link) send(f *wire.Frame) error {
	data, err := wire.Marshal(f)
	if err != nil {
		return err
	}
	return l.conn.WriteMessage(websocket.BinaryMessage, data)
}

// sendBatch sends a batch in the form that the agent has.
func (l *link) sendBatch(b *wire.Batch) error {
	return l.send(&wire.Frame{Body: &wire.Frame_Batch{Batch: l.teller.Tell(b)}})
}

// next is the next frame. A Refuse is an error.
func (l *link) next() (*wire.Frame, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	_, data, err := l.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	f := new(wire.Frame)
	if err := wire.Unmarshal(data, f); err != nil {
		return nil, err
	}
	if r := f.GetRefuse(); r != nil {
		return nil, refusedError{r}
	}
	return f, nil
}

// await is the next frame that want wants; others are passed over.
func (l *link) await(want func(*wire.Frame) bool) (*wire.Frame, error) {
	for {
		f, err := l.next()
		if err != nil || want(f) {
			return f, err
		}
	}
}

// must is await for tests that expect it to come.
func (l *link) must(want func(*wire.Frame) bool) *wire.Frame {
	l.agent.t.Helper()
	f, err := l.await(want)
	if err != nil {
		l.agent.t.Fatal(err)
	}
	return f
}

// drain sends one generation until the hub has acked all of it.
func (l *link) drain(epoch uint64, most int) error {
	g := l.agent.gens[epoch]
	for {
		b := g.batch(epoch, most)
		if b == nil {
			return nil
		}
		if err := l.sendBatch(b); err != nil {
			return err
		}
		if err := l.acked(epoch); err != nil {
			return err
		}
	}
}

// acked waits for an answer about a generation.
func (l *link) acked(epoch uint64) error {
	f, err := l.await(func(f *wire.Frame) bool { return f.GetAck().GetEpoch() == epoch || f.GetReject().GetEpoch() == epoch })
	if err != nil {
		return err
	}
	if r := f.GetReject(); r != nil {
		return fmt.Errorf("rejected %d: %s", r.GetSeq(), r.GetWhy())
	}
	g := l.agent.gens[epoch]
	if f.GetAck().GetSeq() < g.acked {
		return fmt.Errorf("%w: %d behind %d", errWrongAck, f.GetAck().GetSeq(), g.acked)
	}
	g.acked = f.GetAck().GetSeq()
	return nil
}

// open tells the hub of generations that were opened in session.
func (l *link) open() error {
	if err := l.send(&wire.Frame{Body: &wire.Frame_Generations{Generations: &wire.Generations{Generations: l.agent.generations()}}}); err != nil {
		return err
	}
	f, err := l.await(func(f *wire.Frame) bool { return f.GetWatermarks() != nil })
	if err != nil {
		return err
	}
	for _, m := range f.GetWatermarks().GetWatermarks() {
		if err := l.agent.mark(m); err != nil {
			return err
		}
	}
	return nil
}

// cut ends the line without a word, as a killed process does.
func (l *link) cut() { _ = l.conn.NetConn().Close() }

// bye ends the session in good order.
func (l *link) bye(cause string) {
	_ = l.send(&wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: cause}}})
	_ = l.conn.Close()
}
