package systemd

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Limits of what is read of a bus.
const (
	maxMessage = 16 << 20 // bytes: a box with 20,000 units stays below
	maxFields  = 64 << 10
	maxSkipped = 1000 // messages that are not for us
)

// Kinds of messages and header fields (D-Bus specification, "Message Protocol").
const (
	kindCall, kindReturn, kindError                          = 1, 2, 3
	fieldPath, fieldInterface, fieldMember, fieldDestination = 1, 2, 3, 6
	fieldErrorName, fieldReplySerial, fieldSignature         = 4, 5, 8
)

// line is a connection to a bus, or to a peer that speaks as one.
type line struct {
	in     *bufio.Reader
	out    io.Writer
	serial uint32
}

// newLine logs in as this process's user. BEGIN goes out with the first word, as systemd's own programs do it: sent behind the answer it may reach
// systemd together with the first call, which then lies in a buffer there until something else comes.
func newLine(conn io.ReadWriter) (*line, error) {
	l := &line{in: bufio.NewReader(conn), out: conn}
	id := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := io.WriteString(conn, "\x00AUTH EXTERNAL "+id+"\r\nBEGIN\r\n"); err != nil {
		return nil, err
	}
	answer, err := l.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(answer), "OK ") {
		return nil, fmt.Errorf("the bus lets user %d not in: %.60q", os.Geteuid(), answer)
	}
	return l, nil
}

// writer marshals. Every value is aligned to its size from the beginning of the message.
type writer struct{ b []byte }

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) uint32(v uint32) {
	w.align(4)
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

func (w *writer) text(s string) {
	w.uint32(uint32(len(s)))
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) signature(s string) {
	w.b = append(append(append(w.b, byte(len(s))), s...), 0)
}

// texts writes "as".
func (w *writer) texts(list []string) {
	w.uint32(0)
	at := len(w.b)
	for _, s := range list {
		w.text(s)
	}
	binary.LittleEndian.PutUint32(w.b[at-4:], uint32(len(w.b)-at))
}

// field writes one header field, a byte and a variant.
func (w *writer) field(code byte, kind, value string) {
	w.align(8)
	w.b = append(w.b, code)
	w.signature(kind)
	if kind == "g" {
		w.signature(value)
		return
	}
	w.text(value)
}

// call calls a method and gives the reply's body.
func (l *line) call(destination, path, member, iface, signature string, body []byte) (*reader, error) {
	l.serial++
	w := &writer{b: []byte{'l', kindCall, 0, 1}}
	w.uint32(uint32(len(body)))
	w.uint32(l.serial)
	w.uint32(0)
	at := len(w.b)
	w.field(fieldPath, "o", path)
	w.field(fieldInterface, "s", iface)
	w.field(fieldMember, "s", member)
	if destination != "" {
		w.field(fieldDestination, "s", destination)
	}
	if signature != "" {
		w.field(fieldSignature, "g", signature)
	}
	binary.LittleEndian.PutUint32(w.b[at-4:], uint32(len(w.b)-at))
	w.align(8)
	if _, err := l.out.Write(append(w.b, body...)); err != nil {
		return nil, err
	}
	for range maxSkipped { // signals may come in between
		m, err := l.read()
		if err != nil {
			return nil, err
		}
		if m.reply != l.serial {
			continue
		}
		if m.kind == kindError {
			return nil, m.fault()
		}
		if m.kind == kindReturn {
			return &m.body, nil
		}
	}
	return nil, errors.New("the bus does not answer what it was asked")
}

// message is what came.
type message struct {
	kind  byte
	reply uint32
	name  string // of an error
	body  reader
}

func (m *message) fault() error {
	text := m.body.text()
	if m.body.err != nil || text == "" {
		text = "no reason given"
	}
	return fmt.Errorf("%s: %.200s", m.name, text)
}

var errMessage = errors.New("the bus sent what is no message")

// read reads one message.
func (l *line) read() (*message, error) {
	var head [16]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch head[0] {
	case 'l':
	case 'B':
		order = binary.BigEndian
	default:
		return nil, errMessage
	}
	length, fields := order.Uint32(head[4:]), order.Uint32(head[12:])
	if length > maxMessage || fields > maxFields {
		return nil, errMessage
	}
	padded := (fields + 7) &^ 7
	b := make([]byte, padded+length)
	if _, err := io.ReadFull(l.in, b); err != nil {
		return nil, err
	}
	m := &message{kind: head[1], body: reader{b: b[padded:], order: order}}
	r := reader{b: b[:fields], order: order} // the header is 16 bytes long, so alignment counts from here
	for r.at < len(r.b) && r.err == nil {
		m.field(&r)
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// field reads one header field.
func (m *message) field(r *reader) {
	r.align(8)
	code := r.byte()
	switch kind := r.signature(); kind {
	case "s", "o":
		if text := r.text(); code == fieldErrorName {
			m.name = text
		}
	case "g":
		r.signature()
	case "u":
		if n := r.uint32(); code == fieldReplySerial {
			m.reply = n
		}
	default:
		r.fail()
	}
}

// reader unmarshals; the first thing that makes no sense ends it.
type reader struct {
	b     []byte
	at    int
	order binary.ByteOrder
	err   error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errMessage
	}
	r.at = len(r.b)
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b)-r.at {
		r.fail()
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) align(n int) { r.take((n - r.at%n) % n) }

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	r.align(4)
	if b := r.take(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

func (r *reader) text() string {
	n := int(r.uint32())
	s := string(r.take(n))
	r.take(1)
	return s
}

func (r *reader) signature() string {
	n := int(r.byte())
	s := string(r.take(n))
	r.take(1)
	return s
}
