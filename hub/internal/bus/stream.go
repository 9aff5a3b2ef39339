package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Stream is an append-only sequence of messages, numbered from 1 without holes but at its beginning.
type Stream string

// The streams.
const (
	Results Stream = "RESULTS" // results.AGENT.EPOCH: batches as agents sent them
	Events  Stream = "EVENTS"  // events.…: the hub's log
)

// Message is one element of a stream.
type Message struct {
	Subject string
	Seq     uint64    // in the stream
	Time    time.Time // when the bus took it
	Data    []byte
}

// Start says where reading begins: at a sequence (counted from 1), or at a moment where Seq is 0. The zero Start is the
// oldest message.
type Start struct {
	Seq  uint64
	Time time.Time
}

// Bounds are the first and last sequence of a stream; First is Last+1 when it is empty.
type Bounds struct{ First, Last uint64 }

// eventsMax bounds what the log's subjects cost in memory.
const eventsMax = 50_000

func (b *Bus) makeStreams(ctx context.Context, o Options) error {
	results := jetstream.StreamConfig{
		Name: string(Results), Subjects: []string{"results.>"}, Description: "batches of results",
		MaxBytes: cmp.Or(o.Results.Bytes, 2<<30), MaxAge: cmp.Or(o.Results.Age, 7*24*time.Hour),
	}
	events := jetstream.StreamConfig{
		Name: string(Events), Subjects: []string{"events.>"}, Description: "the hub's log",
		MaxBytes: cmp.Or(o.Events.Bytes, 64<<20), MaxAge: cmp.Or(o.Events.Age, 30*24*time.Hour), MaxMsgs: eventsMax,
	}
	for _, c := range []jetstream.StreamConfig{results, events} {
		c.Storage, c.Retention, c.Discard = jetstream.FileStorage, jetstream.LimitsPolicy, jetstream.DiscardOld
		c.Duplicates = time.Second // sequences keep doubles out; the window would only cost memory
		if _, err := b.js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// Publish appends data when the newest message of its subject has the stream sequence expect (0 = there is none), and returns
// its sequence once the bus has it. ErrConflict and ErrTooLarge: it is not on the bus; any other error: it may be.
func (b *Bus) Publish(ctx context.Context, subject string, data []byte, expect uint64) (uint64, error) {
	return b.publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(expect))
}

// Append appends data whatever was before it.
func (b *Bus) Append(ctx context.Context, subject string, data []byte) (uint64, error) {
	return b.publish(ctx, subject, data)
}

func (b *Bus) publish(ctx context.Context, subject string, data []byte, o ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, o...)
	if err != nil {
		return 0, fmt.Errorf("publish %s: %w", subject, translate(err))
	}
	return ack.Sequence, nil
}

// Last is the newest message of a subject, asked of the stream's leader. ErrNone when there is none.
func (b *Bus) Last(ctx context.Context, s Stream, subject string) (Message, error) {
	return b.get(ctx, s, subject, func(ctx context.Context, st jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return st.GetLastMsgForSubject(ctx, subject)
	})
}

// At is the message with this sequence. ErrNone when the stream does not hold it (any more).
func (b *Bus) At(ctx context.Context, s Stream, seq uint64) (Message, error) {
	return b.get(ctx, s, fmt.Sprint(seq), func(ctx context.Context, st jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return st.GetMsg(ctx, seq)
	})
}

func (b *Bus) get(ctx context.Context, s Stream, what string,
	ask func(context.Context, jetstream.Stream) (*jetstream.RawStreamMsg, error)) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	st, err := b.js.Stream(ctx, string(s))
	if err != nil {
		return Message{}, fmt.Errorf("open stream %s: %w", s, err)
	}
	m, err := ask(ctx, st)
	if err != nil {
		return Message{}, fmt.Errorf("read %s of %s: %w", what, s, translate(err))
	}
	return Message{Subject: m.Subject, Seq: m.Sequence, Time: m.Time, Data: m.Data}, nil
}

// Bounds asks the stream's leader where it begins and ends.
func (b *Bus) Bounds(ctx context.Context, s Stream) (Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	st, err := b.js.Stream(ctx, string(s))
	if err != nil {
		return Bounds{}, fmt.Errorf("ask bounds of %s: %w", s, err)
	}
	state := st.CachedInfo().State
	if state.Msgs == 0 {
		return Bounds{state.LastSeq + 1, state.LastSeq}, nil
	}
	return Bounds{state.FirstSeq, state.LastSeq}, nil
}

// translate gives NATS's errors our names.
func translate(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return ErrTooLarge
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return ErrNone
	case errors.Is(err, jetstream.ErrKeyExists):
		return ErrConflict
	case errors.As(err, &api):
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return ErrConflict
		case codeMessageTooLarge:
			return ErrTooLarge
		}
	}
	return err
}

// codeMessageTooLarge is JetStream's "message size exceeds maximum allowed".
const codeMessageTooLarge = 10054
