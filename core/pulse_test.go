//go:build unix

package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pulse notes when this machine holds everything up: a timer comes late, or a byte's way to the disk is long. What a core misses meanwhile says nothing of the core.
type pulse struct {
	mu   sync.Mutex // guards held
	held []held
}

type held struct{ from, to time.Time }

const (
	beat    = 50 * time.Millisecond
	beats   = 5 // of which each so manieth goes to the disk
	skipped = 200 * time.Millisecond
)

// takePulse takes it until the test ends.
func takePulse(t *testing.T) *pulse {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "pulse"))
	if err != nil {
		t.Fatal(err)
	}
	p, stop := new(pulse), make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		defer f.Close()
		for n := 0; ; n++ {
			from := time.Now()
			select {
			case <-time.After(beat):
			case <-stop:
				return
			}
			if n%beats == 0 {
				_, err := f.WriteAt([]byte{byte(n)}, 0)
				if err == nil {
					err = f.Sync()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			if to := time.Now(); to.Sub(from) > beat+skipped {
				p.mu.Lock()
				p.held = append(p.held, held{from, to})
				p.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { close(stop); ended.Wait() })
	return p
}

// skipped says whether the machine held everything up at some time between the two.
func (p *pulse) skipped(from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		if h.from.Before(to) && h.to.After(from) {
			return true
		}
	}
	return false
}

// worst is the longest that it did.
func (p *pulse) worst() (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		d = max(d, h.to.Sub(h.from))
	}
	return d
}

// sum is how long it did in all.
func (p *pulse) sum() (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		d += h.to.Sub(h.from)
	}
	return d
}
