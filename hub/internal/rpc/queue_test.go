package rpc

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

func TestASlowReaderLosesOutputAndIsTold(t *testing.T) {
	q := newQueue()
	chunk := bytes.Repeat([]byte("x"), 32<<10)
	for range 300 { // 9.4 MiB
		q.put(piece{data: chunk})
	}
	q.put(piece{end: &wire.RunEnd{Call: "c"}})
	bytes, told, ended := 0, false, false
	for _, p := range q.take() {
		if strings.Contains(string(p.data), "output dropped") {
			told = p.stderr
			continue
		}
		bytes += len(p.data)
		ended = p.end != nil
	}
	if bytes != maxWaiting || !told || !ended {
		t.Errorf("%d bytes, told %v, ended %v", bytes, told, ended)
	}
	for range 10_000 {
		q.put(piece{data: []byte("y")})
	}
	if n := len(q.take()); n != maxFrames {
		t.Errorf("%d frames waited", n)
	}
}

func TestASessionThatFallsSilentIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ended := make(chan error, 1)
		start := time.Now()
		go func() {
			_, err := wait(t.Context(), q, nil)
			ended <- err
		}()
		for range 10 { // signs of life keep it waiting
			time.Sleep(silence - time.Second)
			q.put(piece{})
		}
		if err := <-ended; !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 10*(silence-time.Second)+silence {
			t.Errorf("after %s", took)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQueue()
	q.put(piece{data: []byte("x")})
	q.put(piece{data: []byte("y")})
	heard := 0
	_, err := wait(ctx, q, func([]byte, bool) { heard++; cancel() })
	if !errors.Is(err, context.Canceled) || heard != 1 {
		t.Errorf("%v after %d", err, heard)
	}
}

func TestNotesOfACall(t *testing.T) {
	for name, c := range map[string]struct {
		note  bus.Note
		cause error
	}{
		"nobody":  {bus.Note{Nobody: true}, ErrOffline},
		"goodbye": {bus.Note{Data: []byte("\x9a\x03\x06\x0a\x04stop")}, ErrLost},
	} {
		q := newQueue()
		q.hear(bus.Note{Data: []byte{0xff}}) // no frame: passed over
		q.hear(c.note)
		if _, err := wait(t.Context(), q, nil); !errors.Is(err, c.cause) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
