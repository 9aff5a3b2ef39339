package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// positionKey is the key, among the saved boxes, of how far all of them together go. It is no fingerprint.
const positionKey = "position"

// rebuild reads everything in the order in which it depends on each other, and then keeps following it until life ends.
func (f *Fleet) rebuild(ctx, life context.Context, o Options) error {
	var err error
	if f.notes, err = mark.Open(ctx, f.bus); err != nil {
		return err
	}
	if f.saved, err = f.bus.Bucket(ctx, "boxes", 0); err != nil {
		return err
	}
	err = o.Register.Watch(life, func(a enrol.Agent, gone bool) {
		f.do(func() { f.admit(a, gone || !a.Removed.IsZero()) })
	})
	if err != nil {
		return err
	}
	err = o.Presence.Watch(life, func(fingerprint string, e presence.Entry) { f.do(func() { f.session(fingerprint, e) }) })
	if err != nil {
		return err
	}
	position, err := f.restore(ctx)
	if err != nil {
		return err
	}
	if position, err = f.replay(ctx, position); err != nil {
		return err
	}
	logged, err := f.readLog(ctx)
	if err != nil {
		return err
	}
	silence, err := f.bus.Listen(bus.PulseNotes+"*", f.hearPulses)
	if err != nil {
		return err
	}
	context.AfterFunc(life, silence)
	f.follow(life, bus.Results, position+1, f.takeMessage)
	f.follow(life, bus.Events, logged+1, f.takeEvent)
	f.wait(func() {}) // everything so far is in
	return nil
}

// restore takes what was saved, and says from where the stream must be read.
func (f *Fleet) restore(ctx context.Context) (position uint64, err error) {
	list := f.saved.List(ctx, func(e bus.Entry) {
		if e.Key == positionKey {
			position, err = strconv.ParseUint(string(e.Value), 10, 64)
			return
		}
		var s savedBox
		if json.Unmarshal(e.Value, &s) != nil {
			f.log.Warn("saved view of an agent not readable, it is made anew", "agent", e.Key)
			return
		}
		f.do(func() { f.restoreBox(e.Key, s) })
	})
	if err = errors.Join(list, err); err != nil {
		return 0, fmt.Errorf("read saved views: %w", err)
	}
	bounds, err := f.bus.Bounds(ctx, bus.Results)
	if err != nil {
		return 0, err
	}
	if position > bounds.Last {
		// The stream lost its end, or came back from a backup: numbers are being used again.
		f.log.Warn("saved views are ahead of the stream", "saved", position, "stream", bounds.Last)
		f.wait(func() {
			for _, b := range f.boxes {
				b.through = min(b.through, bounds.Last)
			}
		})
		position = bounds.Last
	}
	f.do(func() { f.position = position })
	return position, nil
}

// replay takes what came behind the saved views.
func (f *Fleet) replay(ctx context.Context, position uint64) (uint64, error) {
	err := f.bus.Scan(ctx, bus.Results, "", bus.Start{Seq: position + 1}, func(m bus.Message) error {
		position = m.Seq
		return f.takeMessage(m)
	})
	if err != nil {
		return 0, fmt.Errorf("read results again: %w", err)
	}
	return position, nil
}

// readLog takes the newest events.
func (f *Fleet) readLog(ctx context.Context) (last uint64, err error) {
	bounds, err := f.bus.Bounds(ctx, bus.Events)
	if err != nil {
		return 0, err
	}
	last = bounds.Last
	from := max(bounds.First, last-min(last, maxLog)+1)
	err = f.bus.Scan(ctx, bus.Events, "", bus.Start{Seq: from}, func(m bus.Message) error {
		last = m.Seq
		return f.takeEvent(m)
	})
	if err != nil {
		return 0, fmt.Errorf("read log: %w", err)
	}
	return last, nil
}

// follow gives every message from a sequence on to take, until life ends.
func (f *Fleet) follow(life context.Context, s bus.Stream, next uint64, take func(bus.Message) error) {
	f.followed.Add(1)
	go func() {
		defer f.followed.Done()
		for life.Err() == nil {
			err := f.bus.Follow(life, s, "", bus.Start{Seq: next}, func(m bus.Message) error {
				next = m.Seq + 1
				return take(m)
			})
			if life.Err() != nil {
				return
			}
			f.log.Warn("stream not followed, trying again", "stream", s, "err", err)
			select {
			case <-time.After(followAgain):
			case <-life.Done():
			}
		}
	}()
}

// takeEvent takes one entry of the log.
func (f *Fleet) takeEvent(m bus.Message) error {
	e, err := journal.Read(m)
	if err != nil {
		f.log.Warn("event not understood", "err", err)
		return nil
	}
	f.do(func() {
		events := *f.events.Load()
		if len(events) >= 2*maxLog {
			events = append(make([]Event, 0, 2*maxLog), events[len(events)-maxLog:]...)
		}
		events = append(events, e)
		f.events.Store(&events)
		f.emit(Change{Kind: Logged, Fingerprint: e.Fingerprint, Event: &e})
	})
	return nil
}
