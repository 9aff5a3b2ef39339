//go:build unix

package systemd

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

// peer speaks as systemd does on its socket, and as the bus before it: byte by byte after the D-Bus specification, big-endian, so that nothing here
// agrees with the check by being the same code. What it was asked is left in asked.
type peer struct {
	t     *testing.T
	bus   bool
	units []unit
	asked chan string
	fault string
	state string // of the manager: it is asked for that instead of units
	job   uint32 // that reboot.target has
}

func (p *peer) listen(path string) {
	p.t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.serve(c)
			c.Close()
		}
	}()
}

func (p *peer) serve(c net.Conn) {
	in := bufio.NewReader(c)
	hello, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if hello != "\x00AUTH EXTERNAL "+hex.EncodeToString([]byte(fmt.Sprint(os.Geteuid())))+"\r\n" {
		io.WriteString(c, "REJECTED EXTERNAL\r\n")
		return
	}
	io.WriteString(c, "OK 0123456789abcdef0123456789abcdef\r\n")
	if begin, _ := in.ReadString('\n'); begin != "BEGIN\r\n" {
		return
	}
	if p.bus && !p.answer(in, c, "Hello") {
		return
	}
	if p.state != "" {
		for p.answer(in, c, "Get") { // the state, then jobs of targets
		}
		return
	}
	p.answer(in, c, "List")
}

// answer reads one call and answers it, with a signal before that.
func (p *peer) answer(in *bufio.Reader, c net.Conn, want string) bool {
	head := make([]byte, 16)
	if _, err := io.ReadFull(in, head); err != nil {
		return false
	}
	length := int(binary.LittleEndian.Uint32(head[4:]))
	serial := binary.LittleEndian.Uint32(head[8:])
	fields := (int(binary.LittleEndian.Uint32(head[12:])) + 7) &^ 7
	rest := make([]byte, fields+length)
	if _, err := io.ReadFull(in, rest); err != nil || head[0] != 'l' || head[1] != 1 || head[3] != 1 || !strings.Contains(string(rest[:fields]), want) {
		return false
	}
	if want == "Hello" {
		c.Write(p.message(4, 0, nil, ""))
		c.Write(p.message(2, serial, append([]byte{0, 0, 0, 4}, ":1.7\x00"...), "s"))
		return true
	}
	p.asked <- printable(rest)
	if want == "Get" && strings.Contains(string(rest), "_2etarget") {
		body := []byte{4, '(', 'u', 'o', ')', 0, 0, 0}
		job := p.job
		if !strings.Contains(string(rest), "/reboot_2etarget") {
			job = 0
		}
		body = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(body, job), 1)
		c.Write(p.message(2, serial, append(body, '/', 0), "v"))
		return true
	}
	if want == "Get" { // a variant
		body := []byte{1, 's', 0, 0}
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(p.state))), p.state...)
		c.Write(p.message(2, serial, append(body, 0), "v"))
		return true
	}
	if p.fault != "" {
		body := binary.BigEndian.AppendUint32(nil, uint32(len(p.fault)))
		c.Write(p.message(3, serial, append(append(body, p.fault...), 0), "s"))
		return true
	}
	var units []byte
	text := func(s string) {
		for len(units)%4 != 0 {
			units = append(units, 0)
		}
		units = append(append(binary.BigEndian.AppendUint32(units, uint32(len(s))), s...), 0)
	}
	for _, u := range p.units {
		for len(units)%8 != 0 {
			units = append(units, 0)
		}
		for _, s := range []string{u.name, u.description, u.load, u.active, u.sub, "", "/org/freedesktop/systemd1/unit/x"} {
			text(s)
		}
		for len(units)%4 != 0 {
			units = append(units, 0)
		}
		units = append(units, 0, 0, 0, 0)
		text("")
		text("/")
	}
	body := append(binary.BigEndian.AppendUint32(nil, uint32(len(units))), 0, 0, 0, 0) // a struct begins at a multiple of 8
	c.Write(p.message(2, serial, append(body, units...), "a(ssssssouso)"))
	return true
}

// message frames a body: kind 2 answers, 3 is an error, 4 a signal.
func (p *peer) message(kind byte, reply uint32, body []byte, signature string) []byte {
	var fields []byte
	pad := func(n int) {
		for len(fields)%n != 0 {
			fields = append(fields, 0)
		}
	}
	if reply != 0 {
		fields = append(fields, 5, 1, 'u', 0)
		fields = binary.BigEndian.AppendUint32(fields, reply)
	}
	if kind == 3 {
		pad(8)
		name := "org.freedesktop.DBus.Error.Test"
		fields = append(fields, 4, 1, 's', 0)
		fields = append(append(binary.BigEndian.AppendUint32(fields, uint32(len(name))), name...), 0)
	}
	if signature != "" {
		pad(8)
		fields = append(fields, 8, 1, 'g', 0, byte(len(signature)))
		fields = append(append(fields, signature...), 0)
	}
	b := []byte{'B', kind, 1, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, 99)
	b = binary.BigEndian.AppendUint32(b, uint32(len(fields)))
	b = append(b, fields...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return append(b, body...)
}

// printable is what of a message can be read.
func printable(b []byte) string {
	return strings.Join(strings.FieldsFunc(string(b), func(r rune) bool { return r < ' ' || r > '~' }), " ")
}

var some = []unit{
	{"ssh.service", "OpenBSD Secure Shell server", "loaded", "active", "running"},
	{"cron.service", "Regular background program processing daemon", "loaded", "inactive", "dead"},
	{"bad.service", "A bad one", "loaded", "failed", "failed"},
	{"slow.service", "A slow one", "loaded", "activating", "start-pre"},
	{"gone.service", "gone.service", "not-found", "inactive", "dead"},
}

func named(names ...string) (list []unit) {
	for _, u := range some {
		for _, n := range names {
			if u.name == n+".service" {
				list = append(list, u)
			}
		}
	}
	return list
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		args  string
		units []unit
		state check.State
		text  string
		asked string
	}{
		{"", nil, check.OK, "no unit has failed", "ListUnitsByPatterns"},
		{"", named("bad"), check.Critical, "1 failed: bad.service", "failed"},
		{"-x bad*", named("bad"), check.OK, "no unit has failed", ""},
		{"-w 0 -c 5", named("bad"), check.Warning, "1 failed", ""},
		{"-u ssh", named("ssh"), check.OK, "ssh.service is active (running)", "ListUnitsByNames"},
		{"-u ssh -u cron", named("ssh", "cron"), check.Critical, "cron.service is inactive (dead), ssh.service is active (running)", "cron.service"},
		{"-u cron -i", named("cron"), check.OK, "cron.service is inactive", ""},
		{"-u cron -s inactive", named("cron"), check.OK, "cron.service is inactive", ""},
		{"-u bad -i", named("bad"), check.Critical, "bad.service is failed (failed)", ""},
		{"-u slow", named("slow"), check.Warning, "slow.service is activating (start-pre)", ""},
		{"-u gone", named("gone"), check.Critical, "gone.service does not exist", ""},
		{"-u nothing.timer", nil, check.Critical, "nothing.timer does not exist", "nothing.timer"},
		{"-u s*", named("ssh", "slow"), check.Warning, "slow.service", "ListUnitsByPatterns"},
	} {
		for _, bus := range []bool{false, true} {
			dir := t.TempDir()
			p := &peer{t: t, bus: bus, units: c.units, asked: make(chan string, 1)}
			one := &Check{filepath.Join(dir, "private"), filepath.Join(dir, "bus")}
			if bus {
				p.listen(one.bus)
			} else {
				p.listen(one.private)
			}
			got := one.Run(t.Context(), strings.Fields(c.args))
			if got.State != c.state || !strings.Contains(got.Text, c.text) {
				t.Fatalf("%q over a bus %v: %+v", c.args, bus, got)
			}
			if asked := <-p.asked; !strings.Contains(asked, c.asked) || bus && !strings.Contains(asked, "org.freedesktop.systemd1 ") {
				t.Errorf("%q: asked %q", c.args, asked)
			}
		}
	}
}

func TestTheHostsEnd(t *testing.T) {
	for _, c := range []struct {
		state string
		job   uint32
		want  End
	}{{"running", 0, Stays}, {"degraded", 0, Stays}, {"starting", 7, Stays}, {"stopping", 0, Ends}, {"stopping", 7, Reboots}} {
		for _, bus := range []bool{false, true} {
			dir := t.TempDir()
			one := &Check{private: filepath.Join(dir, "private"), bus: filepath.Join(dir, "bus")}
			p := &peer{t: t, bus: bus, state: c.state, job: c.job, asked: make(chan string, 4)}
			path := one.private
			if bus {
				path = one.bus
			}
			p.listen(path)
			got, err := one.hostEnd(t.Context())
			if err != nil || got != c.want {
				t.Errorf("%+v, by the bus %v: %v, %v", c, bus, got, err)
			}
			if asked := <-p.asked; !strings.Contains(asked, "SystemState") {
				t.Errorf("asked for %q", asked)
			}
		}
	}
}

func TestNoWayToSystemd(t *testing.T) {
	dir := t.TempDir()
	one := &Check{filepath.Join(dir, "private"), filepath.Join(dir, "bus")}
	if got := one.Run(t.Context(), nil); got.State != check.Unknown {
		t.Errorf("nobody listens: %+v", got)
	}
	p := &peer{t: t, asked: make(chan string, 1), fault: "Access denied"}
	p.listen(one.private)
	if got := one.Run(t.Context(), nil); got.State != check.Unknown || !strings.Contains(got.Text, "org.freedesktop.DBus.Error.Test: Access denied") {
		t.Errorf("refused: %+v", got)
	}
	l, err := net.Listen("unix", one.bus)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "OK x\r\nBEGIN\r\nrubbish rubbish rubbish rubbish")
			c.Close()
		}
	}()
	two := &Check{filepath.Join(dir, "none"), one.bus}
	if got := two.Run(t.Context(), nil); got.State != check.Unknown || !strings.Contains(got.Text, "log in to the system bus") {
		t.Errorf("rubbish: %+v", got)
	}
}

func FuzzReply(f *testing.F) {
	p := &peer{}
	f.Add(p.message(3, 1, []byte{0, 0, 0, 1, 'x', 0}, "s"))
	f.Add([]byte("l\x02\x00\x01\xff\xff\xff\x7f\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &line{in: bufio.NewReader(strings.NewReader(string(b)))}
		if m, err := l.read(); err == nil {
			readUnits(&m.body)
			m.body.at = 0
			m.fault()
		}
	})
}
