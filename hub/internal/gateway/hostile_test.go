package gateway_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// raw opens a websocket without a handshake of ours.
func (h *hub) raw() *websocket.Conn {
	h.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, TLSClientConfig: &tls.Config{RootCAs: h.at().pool}}
	conn, answer, err := d.DialContext(h.t.Context(), h.at().url, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = answer.Body.Close()
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func frame(t testing.TB, f *wire.Frame) []byte {
	t.Helper()
	data, err := wire.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestStrangersAreTurnedAway(t *testing.T) {
	h := startHub(t, settings{})
	hello := func(change func(*wire.Hello)) []byte {
		m := &wire.Hello{ProtocolMin: 1, ProtocolMax: 1, Nonce: make([]byte, 32), PublicKey: make([]byte, 32)}
		change(m)
		return frame(t, &wire.Frame{Body: &wire.Frame_Hello{Hello: m}})
	}
	for _, c := range []struct {
		name   string
		kind   int
		data   []byte
		refuse string // "" = closed without a word
	}{
		{"text", websocket.TextMessage, hello(func(*wire.Hello) {}), ""},
		{"no frame", websocket.BinaryMessage, []byte{0xff, 0xff, 0xff}, ""},
		{"empty", websocket.BinaryMessage, nil, ""},
		{"another message", websocket.BinaryMessage, frame(t, &wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{}}}), ""},
		{"too long", websocket.BinaryMessage, hello(func(m *wire.Hello) { m.Nonce = make([]byte, 1<<20) }), ""},
		{"short nonce", websocket.BinaryMessage, hello(func(m *wire.Hello) { m.Nonce = m.Nonce[1:] }), ""},
		{"short key", websocket.BinaryMessage, hello(func(m *wire.Hello) { m.PublicKey = nil }), ""},
		{"a protocol to come", websocket.BinaryMessage, hello(func(m *wire.Hello) { m.ProtocolMin, m.ProtocolMax = 7, 9 }), wire.RefuseVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := h.raw()
			_ = conn.WriteMessage(c.kind, c.data) // may fail when the hub has had enough
			l := &link{agent: newAgent(t, nil), conn: conn}
			if f, err := l.next(); err == nil || code(err) != c.refuse {
				t.Errorf("got %v, %v", f, err)
			}
		})
	}
	t.Run("bad signature", func(t *testing.T) {
		conn, a := h.raw(), newAgent(t, nil)
		if err := conn.WriteMessage(websocket.BinaryMessage, hello(func(m *wire.Hello) { m.PublicKey = a.public() })); err != nil {
			t.Fatal(err)
		}
		l := &link{agent: a, conn: conn}
		if f, err := l.next(); err != nil || f.GetChallenge() == nil {
			t.Fatalf("%v, %v", f, err)
		}
		if err := l.prove(make([]byte, 64)); code(err) != wire.RefuseBadSignature {
			t.Errorf("got %v", err)
		}
	})
	if _, l := h.join(); l.welcome == nil {
		t.Error("nobody else gets in any more")
	}
}

func TestOnlyAgentsGetAWebsocket(t *testing.T) {
	h := startHub(t, settings{})
	dial := func(d websocket.Dialer, header http.Header) int {
		t.Helper()
		if d.TLSClientConfig == nil {
			d.TLSClientConfig = &tls.Config{}
		}
		d.TLSClientConfig.RootCAs = h.at().pool
		conn, answer, err := d.DialContext(t.Context(), h.at().url, header)
		if err == nil {
			_ = conn.Close()
			return http.StatusSwitchingProtocols
		}
		if answer == nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	ours := []string{wire.Subprotocol}
	for _, c := range []struct {
		name   string
		dialer websocket.Dialer
		header http.Header
		status int
	}{
		{"no subprotocol", websocket.Dialer{}, nil, http.StatusBadRequest},
		{"another subprotocol", websocket.Dialer{Subprotocols: []string{"limpet.v9"}}, nil, http.StatusBadRequest},
		{"a page", websocket.Dialer{Subprotocols: ours}, http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"TLS 1.2", websocket.Dialer{Subprotocols: ours, TLSClientConfig: &tls.Config{MaxVersion: tls.VersionTLS12}}, nil, http.StatusUpgradeRequired},
		{"an agent", websocket.Dialer{Subprotocols: ours}, nil, http.StatusSwitchingProtocols},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := dial(c.dialer, c.header); got != c.status {
				t.Errorf("status %d, not %d", got, c.status)
			}
		})
	}
}

// What an enrolled agent sends wrongly ends its own session and nobody else's.
func TestMalformedFramesEndOnlyTheirOwnSession(t *testing.T) {
	h := startHub(t, settings{})
	good, line := h.join()
	good.hostname = "good"
	batch := func(change func(*wire.Batch)) []byte {
		a := newAgent(t, nil)
		for range 3 {
			a.result(1, "disk", wire.State_STATE_OK, "fine")
		}
		b := a.gens[1].batch(1, 3)
		change(b)
		return frame(t, &wire.Frame{Body: &wire.Frame_Batch{Batch: b}})
	}
	bomb := func(b *wire.Batch) { // 8 MiB of nothing in some bytes, said to be one record
		b.First, b.Last, b.Zstd, b.Unpacked = 1, 1, true, 100
		b.Items = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x84, 0x60, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00, 0x00, 0x10, 0x00, 0x03, 0x00, 0x10, 0x00}
	}
	for name, data := range map[string][]byte{
		"no frame":            {0xff, 0xff, 0xff},
		"a second hello":      frame(t, &wire.Frame{Body: &wire.Frame_Hello{Hello: &wire.Hello{}}}),
		"wrong checksum":      batch(func(b *wire.Batch) { b.Crc++ }),
		"no numbers":          batch(func(b *wire.Batch) { b.First, b.Last = 0, 0 }),
		"backwards":           batch(func(b *wire.Batch) { b.First, b.Last = 3, 1 }),
		"a hole":              batch(func(b *wire.Batch) { b.Last = 4 }),
		"an endless range":    batch(func(b *wire.Batch) { b.Last = 1 << 63 }),
		"wrong length":        batch(func(b *wire.Batch) { b.Unpacked++ }),
		"a bomb":              batch(bomb),
		"no zstd":             batch(func(b *wire.Batch) { b.Zstd = true }),
		"an unasked epoch":    batch(func(b *wire.Batch) { b.Epoch = 2 }),
		"longer than allowed": frame(t, &wire.Frame{Body: &wire.Frame_Facts{Facts: &wire.Facts{Kernel: string(bytes.Repeat([]byte("k"), 2<<20))}}}),
		"longer than ever":    frame(t, &wire.Frame{Body: &wire.Frame_Facts{Facts: &wire.Facts{Kernel: string(bytes.Repeat([]byte("k"), 9<<20))}}}),
	} {
		t.Run(name, func(t *testing.T) {
			a, l := h.join()
			a.gens[1] = &generation{}
			if err := l.open(); err != nil {
				t.Fatal(err)
			}
			_ = l.conn.WriteMessage(websocket.BinaryMessage, data) // may fail when the hub has had enough
			if f, err := l.await(func(f *wire.Frame) bool { return f.GetAck() != nil || f.GetReject() != nil }); err == nil {
				t.Errorf("answered %v", f)
			}
			h.untilPresence(a, fleet.Offline, "lost")
			if n := len(onTheBus(t, h.bus, a.fingerprint())); n != 0 {
				t.Errorf("%d epochs on the bus", n)
			}
		})
	}
	// What is new to a hub is no mistake.
	if err := line.conn.WriteMessage(websocket.BinaryMessage, []byte{0xfa, 0x3f, 0x00}); err != nil {
		t.Fatal(err)
	}
	good.result(1, "disk", wire.State_STATE_OK, "fine")
	if err := line.open(); err != nil {
		t.Fatal(err)
	}
	if err := line.drain(1, 10); err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, h.bus, good)
}
