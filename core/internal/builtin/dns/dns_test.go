package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

// zone is what the test's server knows: "name TYPE" to the data of records.
var zone = map[string][][]byte{
	"box.example A":             {{10, 0, 0, 1}, {10, 0, 0, 2}},
	"box.example AAAA":          {netip.MustParseAddr("fd00::1").AsSlice()},
	"box.example MX":            {append([]byte{0, 10}, wire("mail.example")...)},
	"box.example TXT":           {append([]byte{5}, "v=one"...)},
	"box.example NS":            {wire("ns.example")},
	"_x._tcp.example SRV":       {append([]byte{0, 1, 0, 2, 0, 80}, wire("box.example")...)},
	"1.0.0.10.in-addr.arpa PTR": {wire("box.example")},
}

func wire(name string) (b []byte) {
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// server answers from the zone; names that say what is wrong are answered so.
func server(q []byte) []byte {
	text, next, err := name(q, headerLength)
	if err != nil {
		return nil
	}
	kind := binary.BigEndian.Uint16(q[next:])
	out := append([]byte(nil), q[:next+4]...)
	out[2], out[3] = 0x84, 0 // an answer, authoritative
	code := map[string]byte{"servfail.example": 2, "refused.example": 5, "gone.example": 3}[text]
	switch {
	case text == "silent.example":
		return nil
	case text == "garbage.example":
		return append(q[:2:2], "what is this"...)
	case text == "long.example":
		out[2] |= 2 // truncated
		return out
	case text == "lame.example":
		out[2] = 0x80
		text = "box.example"
	}
	out[3] = code
	var kindName string
	for k, n := range kinds {
		if n == kind {
			kindName = k
		}
	}
	records := zone[text+" "+kindName]
	for _, data := range records {
		out = append(out, 0xc0, headerLength)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 60)
		out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
		out = append(out, data...)
	}
	binary.BigEndian.PutUint16(out[6:], uint16(len(records)))
	return out
}

func run(t *testing.T, c *Check, args string) check.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Run(ctx, strings.Fields(args))
}

func TestAsksAServer(t *testing.T) {
	port := servers.UDP(t, server)
	at := fmt.Sprintf("-s 127.0.0.1 -p %d ", port)
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"-H box.example", check.OK, "seconds response time. box.example returns 10.0.0.1,10.0.0.2,fd00::1"},
		{"-H box.example -q AAAA", check.OK, "returns fd00::1"}, {"-H box.example -q mx", check.OK, "returns 10 mail.example."}, {"-H box.example -q TXT", check.OK, "returns v=one"},
		{"-H box.example -q NS", check.OK, "returns ns.example."}, {"-H _x._tcp.example -q SRV", check.OK, "returns 1 2 80 box.example."}, {"-H 10.0.0.1", check.OK, "returns box.example."},
		{"-H box.example -a 10.0.0.1,10.0.0.2", check.OK, ""}, {"-H box.example -a 10.0.0.0/8", check.OK, ""}, {"-H box.example -a 10.0.0.1", check.OK, ""}, {"-H box.example -a 10.0.0.8", check.Critical, "expected '10.0.0.8' but got '10.0.0.1,10.0.0.2,fd00::1'"},
		{"-H box.example -a 10.0.0.1 -L", check.Critical, "expected '10.0.0.1' but got"}, {"-H box.example -a 10.0.0.0/24,fd00::1 -L", check.OK, ""}, {"-H box.example -a 10.0.0.0/24,fd00::1,10.9.9.9 -L", check.Critical, "expected"},
		{"-H gone.example -n", check.OK, "gone.example returns NXDOMAIN"}, {"-H box.example -n", check.Critical, "Domain 'box.example' was found by the server: '10.0.0.1,10.0.0.2,fd00::1'"},
		{"-H servfail.example -n", check.Critical, "answers SERVFAIL"},
		{"-H 10.0.0.1 -a BOX.example.", check.OK, ""}, {"-H box.example -A", check.OK, ""}, {"-H lame.example -A", check.Critical, "is not authoritative for lame.example"},
		{"-H box.example -w 0.000001", check.Warning, "DNS WARNING: "}, {"-H box.example -c 0.000001", check.Critical, "DNS CRITICAL: "},
		{"-H gone.example", check.Critical, "Domain 'gone.example' was not found by the server"}, {"-H servfail.example", check.Critical, "answers SERVFAIL for servfail.example"},
		{"-H refused.example", check.Critical, "answers REFUSED"}, {"-H box.example -q CNAME", check.Critical, "has no such record"},
		{"-H silent.example -t 1", check.Critical, "no answer from server 127.0.0.1:"}, {"-H garbage.example", check.Critical, "no DNS message"},
	} {
		got := run(t, New(nil), at+c.args)
		if got.State != c.state || !strings.Contains(got.Text, c.text) || got.State != check.Critical && got.Perfdata[0].Label != "time" {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

// both listens at one port of loopback in both ways.
func both(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 { // the other way's may be somebody's
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			l.Close()
			continue
		}
		t.Cleanup(func() { l.Close(); u.Close() })
		return l, u
	}
	t.Fatal("no port is free in both ways")
	return nil, nil
}

// An answer too long for a packet is asked for again over TCP.
func TestTruncatedAnswerComesOverTCP(t *testing.T) {
	l, u := both(t)
	port := l.Addr().(*net.TCPAddr).Port
	go func() {
		buf := make([]byte, 512)
		n, from, _ := u.ReadFrom(buf)
		u.WriteTo(server(buf[:n]), from)
	}()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 512)
		n, _ := c.Read(buf)
		whole := strings.Replace(string(buf[2:n]), "\x04long", "\x03box", 1)
		answer := server([]byte(whole))
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}()
	if got := run(t, New(nil), fmt.Sprintf("-s 127.0.0.1 -p %d -q A -H long.example", port)); got.State != check.OK || !strings.Contains(got.Text, "10.0.0.1,10.0.0.2") {
		t.Errorf("%+v", got)
	}
}

// The ladder: each rung is told by itself.
func TestLadder(t *testing.T) {
	port := servers.UDP(t, server)
	root := fixture.Tree(t, map[string]string{"two": "nameserver 127.0.0.1\nsearch x\nnameserver 127.0.0.2\n", "one": "# none\nnameserver 127.0.0.1\n", "none": ""})
	hub := Hub{Host: "localhost", Rung: "resolver"}
	refused := "Connection refused"
	if runtime.GOOS == "windows" { // where Go does not let the system say so
		refused = "does not answer"
	}
	for _, c := range []struct {
		config, rung, host string
		state              check.State
		text, long         string
	}{
		{"one", "proxy", "localhost", check.OK, "localhost returns 127.0.0.1", "server 127.0.0.1:PORT knows no such record"},
		{"two", "", "localhost", check.Warning, "DNS WARNING: localhost: server 127.0.0.2:PORT " + refused, "the system's resolver returns"},
		{"one", "last", "localhost", check.Warning, "the session with the hub came about by last", ""},
		{"one", "", "gone.invalid", check.Critical, "gone.invalid: the system's resolver ", "server 127.0.0.1:PORT"},
		{"one", "", "servfail.example", check.Critical, "server 127.0.0.1:PORT answers SERVFAIL", ""},
	} {
		hub.Host, hub.Rung = c.host, c.rung
		one := &Check{func() Hub { return hub }, filepath.Join(root, c.config)}
		got := run(t, one, fmt.Sprintf("-p %d -t 30", port))
		fill := func(s string) string { return strings.ReplaceAll(s, "PORT", fmt.Sprint(port)) }
		if got.State != c.state || !strings.Contains(got.Text, fill(c.text)) || !strings.Contains(got.Long, fill(c.long)) {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	if got := run(t, New(nil), ""); got.State != check.Unknown || !strings.Contains(got.Text, "knows no hub yet") {
		t.Errorf("%+v", got)
	}
}

// On Windows nobody says which servers there are.
func TestServersNotKnown(t *testing.T) {
	one := &Check{func() Hub { return Hub{Host: "localhost"} }, "/nonexistent"}
	if got := run(t, one, "-H localhost"); got.State != check.OK || !strings.Contains(got.Text, "localhost returns ") {
		t.Errorf("%+v", got)
	}
	if got := run(t, one, ""); got.State != check.OK || !strings.Contains(got.Text, "localhost returns ") {
		t.Errorf("%+v", got)
	}
	if got := run(t, one, "-H localhost -q MX"); got.State != check.Unknown || !strings.Contains(got.Text, "name one with -s") {
		t.Errorf("%+v", got)
	}
}

// The first server is dead: the next is asked, and the first is told.
func TestNextServer(t *testing.T) {
	port := servers.UDP(t, server)
	root := fixture.Tree(t, map[string]string{"conf": "nameserver 127.0.0.2\nnameserver 127.0.0.1\n"})
	got := run(t, &Check{nil, root + "/conf"}, fmt.Sprintf("-H box.example -p %d", port))
	if got.State != check.OK || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "server 127.0.0.2") {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	q, err := question(7, "box.example", 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(server(q))
	f.Add([]byte("\x00\x07\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range kinds {
			parse(b, 7, kind)
		}
	})
}
