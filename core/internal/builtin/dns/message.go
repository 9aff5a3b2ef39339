package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// kinds are the types of records this check asks for (RFC 1035, 3596, 2782).
var kinds = map[string]uint16{"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}

// Lengths of a message.
const (
	headerLength = 12
	maxMessage   = 65535
	maxName      = 255
	maxLabel     = 63
	maxAnswers   = 256
)

// codes are what a server says instead of an answer (RFC 1035, 4.1.1).
var codes = map[int]string{1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}

// reply is what a server said.
type reply struct {
	code          int
	authoritative bool
	truncated     bool
	answers       []string // of the kind asked for, in the order given
	aliases       []string // names on the way there
}

// question makes a message that asks for one name.
func question(id uint16, name string, kind uint16) ([]byte, error) {
	b := make([]byte, headerLength, 64)
	binary.BigEndian.PutUint16(b, id)
	b[2] = 1 // recursion desired
	b[5] = 1 // one question
	if name != "." {
		for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
			if label == "" || len(label) > maxLabel {
				return nil, fmt.Errorf("%q is no name", name)
			}
			b = append(append(b, byte(len(label))), label...)
		}
	}
	if len(b) > headerLength+maxName-1 {
		return nil, fmt.Errorf("%q is no name", name)
	}
	b = append(b, 0)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, kind), 1), nil
}

var errMessage = errors.New("the answer is no DNS message")

// parse reads the answer to a question.
func parse(b []byte, id uint16, kind uint16) (reply, error) {
	if len(b) < headerLength || binary.BigEndian.Uint16(b) != id || b[2]&0x80 == 0 {
		return reply{}, errMessage
	}
	r := reply{code: int(b[3] & 15), authoritative: b[2]&4 != 0, truncated: b[2]&2 != 0}
	questions, answers := int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	at := headerLength
	for range questions {
		_, next, err := name(b, at)
		if err != nil || next+4 > len(b) {
			return reply{}, errMessage
		}
		at = next + 4
	}
	for range min(answers, maxAnswers) {
		_, next, err := name(b, at)
		if err != nil || next+10 > len(b) {
			return r, truncatedOr(r)
		}
		got := binary.BigEndian.Uint16(b[next:])
		length := int(binary.BigEndian.Uint16(b[next+8:]))
		data := next + 10
		if data+length > len(b) {
			return r, truncatedOr(r)
		}
		text, err := record(b, data, length, got)
		if err != nil {
			return r, err
		}
		switch {
		case got == kind:
			r.answers = append(r.answers, text)
		case got == kinds["CNAME"]:
			r.aliases = append(r.aliases, text)
		}
		at = data + length
	}
	return r, nil
}

func truncatedOr(r reply) error {
	if r.truncated {
		return nil
	}
	return errMessage
}

// name reads a name and gives where it ends. Pointers lead back only, so there is no circle.
func name(b []byte, at int) (text string, next int, err error) {
	var labels []string
	next, total, low := -1, 0, at
	for {
		if at >= len(b) {
			return "", 0, errMessage
		}
		n := int(b[at])
		switch {
		case n == 0:
			if next < 0 {
				next = at + 1
			}
			return strings.Join(labels, "."), next, nil
		case n&0xc0 == 0xc0:
			if at+1 >= len(b) {
				return "", 0, errMessage
			}
			if next < 0 {
				next = at + 2
			}
			to := n&0x3f<<8 | int(b[at+1])
			if to >= low {
				return "", 0, errMessage
			}
			at, low = to, to
		case n > maxLabel, at+1+n > len(b), total+n+1 > maxName:
			return "", 0, errMessage
		default:
			labels = append(labels, string(b[at+1:at+1+n]))
			total += n + 1
			at += 1 + n
		}
	}
}

// record writes a record's data as dig does.
func record(b []byte, at, length int, kind uint16) (string, error) {
	data := b[at : at+length]
	switch kind {
	case 1, 28:
		a, ok := netip.AddrFromSlice(data)
		if !ok {
			return "", errMessage
		}
		return a.String(), nil
	case 2, 5, 6, 12: // of SOA the first name: who has the zone
		text, _, err := name(b, at)
		return text + ".", err
	case 15:
		if length < 3 {
			return "", errMessage
		}
		text, _, err := name(b, at+2)
		return fmt.Sprintf("%d %s.", binary.BigEndian.Uint16(data), text), err
	case 33:
		if length < 7 {
			return "", errMessage
		}
		text, _, err := name(b, at+6)
		return fmt.Sprintf("%d %d %d %s.", binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]), binary.BigEndian.Uint16(data[4:]), text), err
	case 16:
		return texts(data)
	}
	return "", nil
}

// texts joins the strings of a TXT record.
func texts(data []byte) (string, error) {
	var out []byte
	for len(data) > 0 {
		n := int(data[0])
		if n+1 > len(data) {
			return "", errMessage
		}
		out = append(out, data[1:1+n]...)
		data = data[1+n:]
	}
	return string(out), nil
}
