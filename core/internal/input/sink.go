package input

import (
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// sink makes records of samples: one goroutine, so that no more than one record waits for the disk.
type sink struct {
	o       Options
	kind    string
	in      chan *wire.Sample
	done    chan struct{}
	dropped atomic.Uint64
	owed    uint64 // dropped, and not said in a record yet
}

func newSink(o Options, kind string) *sink {
	s := &sink{o: o, kind: kind, in: make(chan *wire.Sample), done: make(chan struct{})}
	go s.loop()
	return s
}

// close keeps what was given and ends the sink. Nobody gives any more.
func (s *sink) close() {
	close(s.in)
	<-s.done
}

func (s *sink) loop() {
	defer close(s.done)
	var pending []*wire.Sample
	size := 0
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	flush := func() {
		timer.Stop()
		s.keep(pending)
		pending, size = nil, 0
	}
	for {
		select {
		case sample, more := <-s.in:
			if !more {
				if len(pending) > 0 {
					flush()
				}
				return
			}
			if len(pending) == 0 {
				timer.Reset(flushAfter)
			}
			pending = append(pending, sample)
			size += len(sample.Name)
			if len(pending) >= flushCount || size >= flushBytes {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

// keep appends a record. What the disk does not take is counted, and the next record says so.
func (s *sink) keep(samples []*wire.Sample) {
	item := &wire.Item{Kind: &wire.Item_Samples{Samples: &wire.Samples{Input: s.kind, Samples: samples, Dropped: s.owed}}}
	if err := s.o.Append(item); err != nil {
		if s.owed == 0 {
			s.o.Log.Error("samples not kept", "input", s.kind, "err", err) // once: a full disk stays full for a while
		}
		s.owed += uint64(len(samples))
		s.dropped.Add(uint64(len(samples)))
		return
	}
	s.owed = 0
}
