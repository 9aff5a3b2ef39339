package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a reader holds in memory of a stream.
const (
	readAheadMessages = 256
	readAheadBytes    = 2 * MaxPayload // one largest message must fit
)

// Scan gives each message of a stream that matches filter ("" = all, else a subject with wildcards) to fn, in order, and
// returns when it has reached the end as it was at some moment after the call, so also where more comes faster than fn takes it. An error of fn ends it and
// is returned as it is.
func (b *Bus) Scan(ctx context.Context, s Stream, filter string, from Start, fn func(Message) error) error {
	r, err := b.reader(ctx, s, filter, from)
	if err != nil {
		return err
	}
	defer r.close()
	for left, most := r.left, r.left; left > 0 && most > 0; {
		var m Message
		if m, left, err = r.next(ctx); err != nil {
			return err
		}
		if m.Seq == 0 {
			continue // what was left has gone by the stream's limits, or is on its way
		}
		most--
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

// Follow gives each message that matches filter to fn, in order, until ctx ends or fn returns an error, and returns that.
func (b *Bus) Follow(ctx context.Context, s Stream, filter string, from Start, fn func(Message) error) error {
	r, err := b.reader(ctx, s, filter, from)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		m, _, err := r.next(ctx)
		if err != nil {
			return err
		}
		if m.Seq == 0 {
			continue
		}
		if err := fn(m); err != nil {
			return err
		}
	}
}

// reader reads one stream in order. One goroutine uses it.
type reader struct {
	bus      *Bus
	stream   Stream
	filter   string
	from     Start
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	left     uint64 // messages that were there at its beginning
	got      taken
	quiet    int // times in a row that nothing came though something is still to come
}

// taken is the newest message that a reader has: its number in the stream, and the one by which the server counts what it hands to one consumer. The library
// makes another consumer where one breaks off.
type taken struct {
	seq      uint64
	consumer string
	count    uint64
}

func (b *Bus) reader(ctx context.Context, s Stream, filter string, from Start) (*reader, error) {
	c := jetstream.OrderedConsumerConfig{InactiveThreshold: time.Minute}
	if filter != "" {
		c.FilterSubjects = []string{filter}
	}
	switch {
	case from.Seq > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from.Seq
	case !from.Time.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &from.Time
	}
	consumer, err := b.js.OrderedConsumer(ctx, string(s), c)
	if err != nil {
		return nil, fmt.Errorf("open reader of %s: %w", s, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(readAheadMessages, readAheadBytes))
	if err != nil {
		return nil, fmt.Errorf("open reader of %s: %w", s, err)
	}
	return &reader{bus: b, stream: s, filter: filter, from: from, consumer: consumer, messages: messages, left: consumer.CachedInfo().NumPending}, nil
}

// anew asks for all behind the newest message that a reader has. The library holds just as many messages as it has asked for, and lets go of one that comes
// while a word of the server's stands among them; it notices when the next one comes, and behind the last there is none.
func (r *reader) anew(ctx context.Context) error {
	from := r.from
	if r.got.seq > 0 {
		from = Start{Seq: r.got.seq + 1}
	}
	another, err := r.bus.reader(ctx, r.stream, r.filter, from)
	if err != nil {
		return err
	}
	r.close()
	another.quiet = r.quiet
	*r = *another
	return nil
}

// next waits for a message and says how many lie behind it. A Message without Seq = none came for a while.
func (r *reader) next(ctx context.Context) (Message, uint64, error) {
	wait, cancel := context.WithTimeout(ctx, quietAfter)
	defer cancel()
	m, err := r.messages.Next(jetstream.NextContext(wait))
	if ctx.Err() != nil {
		return Message{}, 0, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		left, err := r.missing(ctx)
		return Message{}, left, err
	}
	if err != nil {
		return Message{}, 0, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	meta, err := m.Metadata()
	if err != nil {
		return Message{}, 0, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	r.got, r.quiet = taken{meta.Sequence.Stream, meta.Consumer, meta.Sequence.Consumer}, 0
	return Message{Subject: m.Subject(), Seq: meta.Sequence.Stream, Time: meta.Timestamp, Data: m.Data()}, meta.NumPending, nil
}

// missing is how many messages are still to come where none came for a while.
func (r *reader) missing(ctx context.Context) (uint64, error) {
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	left := r.got.behind(info)
	if left == 0 {
		r.quiet = 0
		return 0, nil
	}
	if r.quiet++; r.quiet > mostQuiet {
		return 0, fmt.Errorf("read stream %s: %d messages do not arrive", r.stream, left)
	}
	if r.quiet%anewAfter == 0 {
		if err := r.anew(ctx); err != nil {
			return 0, err
		}
		left = r.left
	}
	return left, nil
}

// behind is how many messages are still to come: those that the server holds, and those that are on their way, which may take their time on a busy machine.
func (t taken) behind(info *jetstream.ConsumerInfo) uint64 {
	handed := info.Delivered.Consumer
	if t.consumer == info.Name {
		handed -= min(handed, t.count)
	}
	return info.NumPending + handed
}

// close frees what the server keeps of the reader.
func (r *reader) close() {
	r.messages.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	if info := r.consumer.CachedInfo(); info != nil {
		// A reader that cannot be removed now ends by itself a minute later.
		_ = r.bus.js.DeleteConsumer(ctx, string(r.stream), info.Name)
	}
}
