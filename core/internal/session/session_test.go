package session

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const patience = 2 * time.Minute // what a machine may take on which all is many times slower; a wait ends when what it is for comes

// agent is one with everything real but its checks.
type agent struct {
	t       *testing.T
	layout  platforms.Layout
	buffer  *buffer.Buffer
	session *Session
	options Options
	way     atomic.Pointer[Way]
	stop    context.CancelFunc
	done    chan struct{}
	changed chan Status
	run     atomic.Pointer[runner]
}

func newAgent(t *testing.T, h *testHub) *agent {
	t.Helper()
	layout, err := platforms.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, layout: layout, changed: make(chan Status, 1024)}
	if err := os.MkdirAll(layout.Etc, 0o755); err != nil {
		t.Fatal(err)
	}
	a.putToken(h.token.String())
	a.open(h)
	return a
}

func (a *agent) putToken(text string) {
	a.t.Helper()
	if err := os.WriteFile(a.layout.Token(), []byte(text+"\n"), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// open is the start of a core.
func (a *agent) open(h *testHub) {
	a.t.Helper()
	if err := os.MkdirAll(a.layout.State, 0o755); err != nil {
		a.t.Fatal(err)
	}
	id, err := identity.Open(identity.Options{Layout: a.layout})
	if err != nil {
		a.t.Fatal(err)
	}
	if a.buffer, err = buffer.Open(buffer.Options{Dir: a.layout.Buffer()}); err != nil {
		a.t.Fatal(err)
	}
	a.way.Store(&Way{Hubs: []string{h.addr()}, Dial: dial.Options{Proxy: "none", Memory: filepath.Join(a.layout.State, "addresses")}})
	a.options = Options{
		Way:      func() (Way, error) { w := *a.way.Load(); return w, nil },
		Identity: id, Buffer: a.buffer,
		Facts: func() *wire.Facts { return &wire.Facts{Hostname: "box"} },
		Hooks: Hooks{
			Revision: func() uint64 { return 3 },
			Desired: func(d *wire.Desired) *wire.RevisionReport {
				return &wire.RevisionReport{Revision: d.GetRevision(), Accepted: true}
			},
			Run: func(ctx context.Context, call *wire.RunNow, out func(bool, []byte)) *wire.RunEnd {
				return (*a.run.Load())(ctx, call, out)
			},
			Changed: func(s Status) { a.changed <- s },
		},
	}
	if a.session, err = New(a.options); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agent) start() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop, a.done = stop, make(chan struct{})
	go func() {
		defer close(a.done)
		if err := a.session.Run(ctx); err != nil {
			a.t.Errorf("run: %v", err)
		}
	}()
	a.t.Cleanup(a.end)
}

// end stops the session and closes the buffer; twice is once.
func (a *agent) end() {
	if a.stop == nil {
		return
	}
	a.stop()
	<-a.done
	a.buffer.Close()
	a.stop = nil
}

// until waits for a status that holds.
func (a *agent) until(what string, holds func(Status) bool) Status {
	a.t.Helper()
	deadline := time.After(patience)
	for {
		if s := a.session.Status(); holds(s) {
			return s
		}
		select {
		case <-a.changed:
		case <-deadline:
			a.t.Fatalf("never %s: %+v", what, a.session.Status())
		}
	}
}

// next waits for the next change to a status that holds, however short that one lasts: of those that no wait before took.
func (a *agent) next(what string, holds func(Status) bool) Status {
	a.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-a.changed:
			if holds(s) {
				return s
			}
		case <-deadline:
			a.t.Fatalf("never %s: %+v", what, a.session.Status())
		}
	}
}

func (a *agent) append(texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		item := &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: "c", Text: text}}}
		if err := a.buffer.Append(item); err != nil {
			a.t.Fatal(err)
		}
	}
}

// drained waits until everything is acknowledged.
func (a *agent) drained() {
	a.t.Helper()
	waitFor(a.t, "everything acknowledged", func() bool { return a.buffer.Stats().UnackedRecords == 0 })
}

// waitFor looks until something outside of this process' channels holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func next(t *testing.T, h *testHub) *testSession {
	t.Helper()
	select {
	case s := <-h.sessions:
		return s
	case <-time.After(patience):
		t.Fatal("no session came")
		return nil
	}
}

func frame(t *testing.T, s *testSession) *wire.Frame {
	t.Helper()
	select {
	case f := <-s.frames:
		return f
	case <-time.After(patience):
		t.Fatal("no frame came")
		return nil
	}
}

func isConnected(s Status) bool { return s.State == Connected }

// answered is an attempt that failed for something else than a machine so slow that nobody answered in time.
func answered(s Status) bool { return s.Err != "" && !strings.Contains(s.Err, errUnreached.Error()) }

func once(t *testing.T, got map[string]int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got[text] != 1 {
			t.Errorf("%s is %d times on the bus", text, got[text])
		}
		delete(got, text)
	}
	for text, n := range got {
		t.Errorf("%s is %d times on the bus, unasked", text, n)
	}
}

func texts(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

func TestEnrolsDeliversAndSaysGoodbye(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.append(texts("before", 20)...)
	a.start()
	s := next(t, h)
	status := a.until("connected", isConnected)
	if status.TLS != "bound" || status.Name != "box" || status.Wanted != 7 || status.Rung != dial.RungResolver || status.Err != "" {
		t.Errorf("status %+v", status)
	}
	a.append(texts("live", 20)...)
	a.drained()
	once(t, h.published(), append(texts("before", 20), texts("live", 20)...)...)
	if _, err := os.Stat(a.layout.Token()); !os.IsNotExist(err) {
		t.Errorf("the used token is still there: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a.session.Bye(ctx, "shutdown", "power button")
	if bye := frame(t, s).GetBye(); bye.GetCause() != "shutdown" || bye.GetText() != "power button" {
		t.Errorf("goodbye %v", bye)
	}
	<-s.gone
	if st := a.session.Status(); st.State != Stopped || ctx.Err() != nil {
		t.Errorf("after bye: %+v", st)
	}
}

func TestStopSaysGoodbye(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	s := next(t, h)
	a.until("connected", isConnected)
	a.end()
	if bye := frame(t, s).GetBye(); bye.GetCause() != "stop" {
		t.Errorf("goodbye %v", bye)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		set        func(*hubConfig)
		token      string // instead of the hub's
		state      State
		code       string
		text, hint string
	}{
		{"hub signs with another key", func(c *hubConfig) { c.signWith = stranger }, "", Waiting, "", "does not hold the key", ""},
		{"hub shows another key", func(c *hubConfig) { c.showKey = stranger }, "", Waiting, "", "not one this agent trusts", "enrol again"},
		{"signature not bound to this TLS", func(c *hubConfig) { c.terminated = true; c.signWith = stranger }, "", Waiting, "", "something stands between", ""},
		{"protocol not offered", func(c *hubConfig) { c.protocol = 9 }, "", Waiting, "", "protocol 9", ""},
		{"token used up", func(c *hubConfig) { c.tokenUsed = true }, "", Refused, wire.RefuseTokenUsed, "used up", "new token"},
		{"revoked", func(c *hubConfig) { c.refuse = &wire.Refuse{Code: wire.RefuseRevoked, Message: "removed", Hint: "ask"} }, "", Refused, wire.RefuseRevoked, "removed", "ask"},
		{"busy", func(c *hubConfig) { c.refuse = &wire.Refuse{Code: wire.RefuseBusy, RetryAfterMs: 60_000} }, "", Waiting, wire.RefuseBusy, "busy", ""},
		{"token mistyped", nil, "lt1_AAAA", NotTrusted, "", "cut short", "limpet enrol"},
		{"no token", nil, " ", NotTrusted, "", "not a Limpet token", "limpet enrol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			if tt.set != nil {
				h.set(tt.set)
			}
			a := newAgent(t, h)
			if tt.token != "" {
				a.putToken(tt.token)
			}
			a.start()
			st := a.until("refused", answered)
			if st.State != tt.state || st.Code != tt.code || !strings.Contains(st.Err, tt.text) || !strings.Contains(st.Hint, tt.hint) {
				t.Errorf("status %+v", st)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.known) > 0 || tt.code == "" && len(h.proofs) > 0 {
				t.Error("a hub that was not believed got a proof, or took the agent in")
			}
		})
	}
}

func TestTokenOfAnotherHubIsNotTakenToThisOne(t *testing.T) {
	t.Parallel()
	h, other := newHub(t), newHub(t)
	a := newAgent(t, h)
	a.putToken(other.token.String())
	a.start()
	st := a.until("told", answered)
	if !strings.Contains(st.Hint, "another hub") || st.State != Waiting {
		t.Errorf("status %+v", st)
	}
	a.putToken(h.token.String())
	a.session.Again()
	a.until("connected", isConnected)
}

func TestBehindABalancer(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.terminated = true })
	a := newAgent(t, h)
	a.start()
	if st := a.until("connected", isConnected); st.TLS != "terminated" {
		t.Errorf("tls %q", st.TLS)
	}
}

func TestSucceededHubKeyIsTrustedFromThenOn(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	s := next(t, h)
	_, fresh, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.set(func(c *hubConfig) {
		c.showKey = fresh
		c.succession = []*wire.Succession{wire.NewSuccession(h.key, fresh.Public().(ed25519.PublicKey))}
	})
	s.ws.Close()
	next(t, h)
	a.end()
	h.set(func(c *hubConfig) { c.succession = nil })
	a.open(h)
	a.start()
	a.until("connected", isConnected)
}

func TestComesBackWithinASecond(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	best := time.Hour // each session is counted on the disk first, which another's gigabyte may hold up
	for try := 0; try < 10 && best > 1500*time.Millisecond; try++ {
		s := next(t, h)
		begun := time.Now()
		s.ws.Close()
		s = next(t, h)
		best = min(best, time.Since(begun))
		h.sessions <- s
	}
	if best > 1500*time.Millisecond {
		t.Errorf("back after %s", best)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	last := uint64(0)
	for _, p := range h.proofs {
		if p.GetSessionCount() <= last {
			t.Errorf("session %d after %d", p.GetSessionCount(), last)
		}
		last = p.GetSessionCount()
	}
}

func TestSilentHubIsADeadLine(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.silent = true })
	a := newAgent(t, h)
	best := time.Hour // of some lines: a busy machine may hold one up
	for line := 0; line < 5 && best > 6*time.Second; line++ {
		begun := time.Now()
		if line == 0 {
			a.start()
		}
		s := next(t, h)
		welcomed := time.Now()
		<-s.gone
		if took := time.Since(begun); line == 0 && took < 3*time.Second {
			t.Errorf("left a silent hub after %s", took)
		}
		best = min(best, time.Since(welcomed))
		a.next("told", func(s Status) bool { return strings.Contains(s.Err, "silent for 3s") })
	}
	if best > 6*time.Second {
		t.Errorf("left a silent hub after %s", best)
	}
}

func TestLostAcksLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.dropAcks = true })
	a := newAgent(t, h)
	a.append(texts("a", 5)...)
	a.start()
	s := next(t, h)
	waitFor(t, "published", func() bool { return len(h.published()) == 5 })
	h.set(func(c *hubConfig) { c.dropAcks = false })
	s.ws.Close()
	next(t, h)
	a.append("b")
	a.drained()
	once(t, h.published(), append(texts("a", 5), "b")...)
}

func TestHubThatLostItsBusGetsEverythingKeptAgain(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.append(texts("a", 5)...)
	a.start()
	s := next(t, h)
	a.drained()
	h.mu.Lock()
	for epoch, records := range h.bus {
		h.bus[epoch] = records[:2]
	}
	h.mu.Unlock()
	s.ws.Close()
	next(t, h)
	waitFor(t, "sent again", func() bool { return len(h.published()) == 5 })
	once(t, h.published(), texts("a", 5)...)
}

func TestRestoredAgentSendsUnderANewEpoch(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.append(texts("a", 3)...)
	epoch := a.buffer.Live()
	h.bus[epoch] = []wire.Record{{Seq: 900, Raw: nil}} // by the life that the copy was not taken of
	a.start()
	next(t, h)
	waitFor(t, "sent under another epoch", func() bool {
		got := h.published()
		return got["a2"] == 1 && got["event restored"] == 1
	})
	got := h.published()
	delete(got, "") // the record above
	once(t, got, append(texts("a", 3), "gap restored", "event restored")...)
	a.drained()
}

func TestRejectedResultBecomesAGap(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.dropAcks = true })
	a := newAgent(t, h)
	a.append(texts("a", 3)...)
	a.start()
	s := next(t, h)
	waitFor(t, "published", func() bool { return len(h.published()) == 3 })
	epoch := a.buffer.Live()
	h.mu.Lock()
	h.bus[epoch] = h.bus[epoch][:1]
	h.mu.Unlock()
	s.say(&wire.Frame{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: epoch, Seq: 1}}})
	s.say(&wire.Frame{Body: &wire.Frame_Reject{Reject: &wire.Reject{Epoch: epoch, Seq: 2, Why: "too large"}}})
	waitFor(t, "the rest", func() bool { return h.published()["a2"] == 1 })
	s.say(&wire.Frame{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: epoch, Seq: 4}}})
	waitFor(t, "the gap", func() bool { return h.published()["gap rejected"] == 1 })
	once(t, h.published(), "a0", "a2", "gap rejected")
}

func TestLargeBacklogGoesSideBySide(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	long := strings.Repeat("0123456789abcdef", 1<<12)
	for i := range 8 {
		a.append(fmt.Sprint(i, long))
	}
	a.start()
	next(t, h)
	a.append("live")
	a.drained()
	if got := h.published(); len(got) != 9 || len(h.bus) != 2 {
		t.Errorf("%d results in %d epochs", len(got), len(h.bus))
	}
}

func TestBadFrames(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		ends bool
	}{
		{"unknown kind is ignored", []byte{0xfa, 0x3e, 0x01, 'x'}, false},
		{"empty is ignored", nil, false},
		{"not protobuf", []byte{0xff, 0xff, 0xff}, true},
		{"too large", bytes.Repeat([]byte{0}, wire.MaxHubFrame+1), true},
		{"ack of what was never sent", []byte{0xf2, 0x01, 0x04, 0x08, 0x07, 0x10, 0x09}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			a := newAgent(t, h)
			a.start()
			s := next(t, h)
			s.sayRaw(tt.data)
			if tt.ends {
				<-s.gone
				next(t, h)
				return
			}
			s.say(&wire.Frame{Body: &wire.Frame_Desired{Desired: &wire.Desired{Revision: 9}}})
			if r := frame(t, s).GetRevisionReport(); r.GetRevision() != 9 || !r.GetAccepted() {
				t.Errorf("report %v", r)
			}
		})
	}
}

func TestRunNow(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	big := bytes.Repeat([]byte("x"), wire.MaxRunOutput+5)
	cancelled := make(chan struct{})
	run := runner(func(ctx context.Context, call *wire.RunNow, out func(bool, []byte)) *wire.RunEnd {
		switch call.GetCheck() {
		case "disk":
			out(false, []byte("one"))
			out(true, big)
			return &wire.RunEnd{Result: &wire.Result{Check: "disk"}}
		case "long":
			<-ctx.Done()
			close(cancelled)
			return &wire.RunEnd{Error: "nobody listened"}
		default:
			return nil
		}
	})
	a.run.Store(&run)
	a.start()
	s := next(t, h)
	ask := func(call, check string) {
		s.say(&wire.Frame{Body: &wire.Frame_RunNow{RunNow: &wire.RunNow{Call: call, Check: check}}})
	}
	ask("1", "disk")
	var out, errs []byte
	end := frame(t, s)
	for ; end.GetRunOutput() != nil; end = frame(t, s) {
		o := end.GetRunOutput()
		if o.GetCall() != "1" || len(o.GetData()) > wire.MaxRunOutput {
			t.Errorf("output of %q, %d bytes", o.GetCall(), len(o.GetData()))
		}
		if o.GetStderr() {
			errs = append(errs, o.GetData()...)
		} else {
			out = append(out, o.GetData()...)
		}
	}
	if e := end.GetRunEnd(); e.GetCall() != "1" || e.GetResult().GetCheck() != "disk" || string(out) != "one" || !bytes.Equal(errs, big) {
		t.Errorf("end %v, out %q, %d bytes of stderr", e, out, len(errs))
	}
	ask("2", "nothing")
	if e := frame(t, s).GetRunEnd(); e.GetCall() != "2" || e.GetError() == "" {
		t.Errorf("end %v", e)
	}
	ask("3", "long")
	ask("3", "long")
	if e := frame(t, s).GetRunEnd(); e.GetCall() != "3" || !strings.Contains(e.GetError(), "already") {
		t.Errorf("end of a call asked for twice: %v", e)
	}
	s.say(&wire.Frame{Body: &wire.Frame_CancelRun{CancelRun: &wire.CancelRun{Call: "3"}}})
	<-cancelled
	if e := frame(t, s).GetRunEnd(); e.GetCall() != "3" {
		t.Errorf("end %v", e)
	}
}

func TestHubAddressesAreRemembered(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.set(func(c *hubConfig) { c.addresses = []string{"192.0.2.7:8700", "nonsense"} })
	a := newAgent(t, h)
	a.start()
	next(t, h)
	waitFor(t, "kept", func() bool {
		data, _ := os.ReadFile(a.layout.Addresses())
		return strings.Contains(string(data), "given 127.0.0.1 192.0.2.7:8700")
	})
}
