package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Note is a plain message: nobody keeps it, and it reaches those who listen at that moment.
type Note struct {
	Subject string
	Reply   string // where answers go, or ""
	Data    []byte
	Nobody  bool // instead of an answer: nobody listens on the subject told
}

// Subjects of notes. AGENT is a fingerprint.
const (
	CallSubject = "call."  // + AGENT: for the session of that agent, on whatever hub
	PulseNotes  = "pulse." // + HUB: who is alive, every few seconds
)

// statusNobody is the status with which NATS answers a request that nobody listens to.
const statusNobody = "503"

// Tell sends a note. Where reply is given and nobody listens on subject, reply gets a Note with Nobody set.
func (b *Bus) Tell(subject, reply string, data []byte) error {
	if err := b.conn.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: data}); err != nil {
		return fmt.Errorf("tell %s: %w", subject, translate(err))
	}
	return nil
}

// Listen gives each note on subject to fn, in order, from one goroutine, until stop is called. fn must not block.
func (b *Bus) Listen(subject string, fn func(Note)) (stop func(), err error) {
	sub, err := b.conn.Subscribe(subject, func(m *nats.Msg) {
		fn(Note{Subject: m.Subject, Reply: m.Reply, Data: m.Data, Nobody: len(m.Data) == 0 && m.Header.Get("Status") == statusNobody})
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", subject, err)
	}
	if err := b.conn.Flush(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// Inbox is a subject that nobody else uses, for answers.
func (b *Bus) Inbox() string { return b.conn.NewInbox() }
