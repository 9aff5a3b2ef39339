package session

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// FuzzHub: the hub's word, however it is written, is a host and a port that make an address.
func FuzzHub(f *testing.F) {
	for _, s := range []string{"hub", "hub:1", "https://hub", "wss://hub:99/", "[::1]:8700", "https://u@hub", "http://hub", "hub/path", "://", "hub?x", "hub:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		h, err := parseHub(word)
		if err != nil {
			return
		}
		if u, err := url.Parse(h.url("/x")); err != nil || u.Hostname() == "" || u.Port() != h.port {
			t.Fatalf("%q is %+v, which is no address: %v", word, h, err)
		}
	})
}

// FuzzFramesOfAHub: whatever a hub says after its welcome, an agent takes it or breaks the line; what it passes on to the stub is plain words.
func FuzzFramesOfAHub(f *testing.F) {
	for _, frame := range []*wire.Frame{
		{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: 1, Seq: 1}}},
		{Body: &wire.Frame_Reject{Reject: &wire.Reject{Epoch: 1, Seq: 1 << 63, Why: "x"}}},
		{Body: &wire.Frame_Watermarks{Watermarks: &wire.Watermarks{Watermarks: []*wire.Watermark{{Epoch: 1 << 40, Seq: 7, Crc: 9}}}}},
		{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{}}},
		{Body: &wire.Frame_Desired{Desired: &wire.Desired{Revision: 3}}},
		{Body: &wire.Frame_Follow{Follow: &wire.Follow{Channel: "beta\nhold", Pin: "1"}}},
		{Body: &wire.Frame_RunNow{RunNow: &wire.RunNow{Call: "a"}}},
		{Body: &wire.Frame_CancelRun{CancelRun: &wire.CancelRun{Call: "a"}}},
		{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: "replaced"}}},
		{Body: &wire.Frame_Refuse{Refuse: &wire.Refuse{RetryAfterMs: 1 << 31}}},
	} {
		data, err := wire.Marshal(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	kept, err := buffer.Open(buffer.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { kept.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := new(wire.Frame)
		if wire.Unmarshal(data, frame) != nil {
			return
		}
		s := &Session{desired: make(chan *wire.Desired, 1), o: Options{Buffer: kept, Log: slog.New(slog.DiscardHandler), Hooks: Hooks{
			Run: func(context.Context, *wire.RunNow, func(bool, []byte)) *wire.RunEnd { return nil },
			Follow: func(channel, pin string) {
				if strings.ContainsAny(channel+pin, " \t\r\n") || channel == "" {
					t.Errorf("follow %q %q", channel, pin)
				}
			},
		}}}
		s.status.Store(&Status{})
		l := &line{out: make(chan *wire.Frame, queue), in: make(chan *wire.Frame), over: make(chan struct{})}
		v := &serving{Session: s, line: l, drain: newDrain(kept, l, wire.NewTeller(0), s.o.Log), calls: newCalls(s.o.Hooks.Run, l)}
		err := v.take(t.Context(), frame)
		if frame.GetRefuse() != nil && err == nil {
			t.Error("a refusal is not heard")
		}
		for id := range v.calls.open {
			if ended := <-v.calls.ended; ended != id {
				t.Errorf("call %q ends as %q", id, ended)
			}
		}
	})
}
