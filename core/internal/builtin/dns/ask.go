package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// otherKind is how long a second kind of records is waited for: there are servers that never answer for AAAA.
const otherKind = 2 * time.Second

// tries are how often a server is asked over UDP: packets get lost.
const tries = 3

// ask asks one server. A truncated answer is asked for again over TCP.
func ask(ctx context.Context, server, name string, kind uint16) (reply, error) {
	id := uint16(rand.Uint32())
	message, err := question(id, name, kind)
	if err != nil {
		return reply{}, err
	}
	var r reply
	wait := share(ctx, tries)
	for range tries {
		if r, err = overUDP(ctx, server, message, id, kind, wait); err == nil || !reach.IsTimeout(err) || ctx.Err() != nil {
			break
		}
	}
	if err == nil && r.truncated {
		return overTCP(ctx, server, message, id, kind)
	}
	return r, err
}

// askAll asks for several kinds of records of one name. The first decides whether there is such a name; that another is not answered costs its records.
func askAll(ctx context.Context, server, name string, of []string) (reply, error) {
	first, err := ask(ctx, server, name, kinds[of[0]])
	for _, kind := range of[1:] {
		if err != nil || first.code != 0 {
			break
		}
		part, cancel := context.WithTimeout(ctx, min(otherKind, share(ctx, 2)))
		more, moreErr := ask(part, server, name, kinds[kind])
		cancel()
		if moreErr == nil && more.code == 0 {
			first.answers = append(first.answers, more.answers...)
		}
	}
	return first, err
}

// share is a part of the time there is.
func share(ctx context.Context, parts int) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return reach.DefaultPatience / time.Duration(parts)
	}
	return time.Until(deadline) / time.Duration(parts)
}

func overUDP(ctx context.Context, server string, message []byte, id, kind uint16, wait time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := connect(ctx, "udp", server)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if _, err := conn.Write(message); err != nil {
		return reply{}, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return reply{}, err
		}
		if r, err := parse(buf[:n], id, kind); err == nil || n >= 2 && binary.BigEndian.Uint16(buf) == id {
			return r, err
		} // else it answers another question
	}
}

func overTCP(ctx context.Context, server string, message []byte, id, kind uint16) (reply, error) {
	conn, err := connect(ctx, "tcp", server)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(message)))
	if _, err := conn.Write(append(framed, message...)); err != nil {
		return reply{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return reply{}, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return reply{}, err
	}
	return parse(b, id, kind)
}

func connect(ctx context.Context, network, server string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	return conn, nil
}

// explain says in a few words what a server did instead of answering.
func explain(r reply, err error) string {
	switch {
	case errors.Is(err, errMessage):
		return "answers with something that is no DNS message"
	case err != nil && reach.IsTimeout(err):
		return "does not answer"
	case err != nil:
		return reach.Explain(err)
	case r.code != 0:
		if word := codes[r.code]; word != "" {
			return "answers " + word
		}
		return fmt.Sprintf("answers with code %d", r.code)
	}
	return "knows no such record"
}
