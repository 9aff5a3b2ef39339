package input

import (
	"bytes"
	"errors"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// accept takes connections until the port is given up.
func (p *port) accept() {
	for {
		conn, err := p.listener.Accept()
		switch {
		case p.isLeaving():
			if err == nil {
				p.hold(conn, "") // it goes with the others
			}
			return
		case err != nil:
			time.Sleep(50 * time.Millisecond) // no fault becomes a tight loop
		case !p.room():
			p.refused.Add(1)
			conn.Close()
		default:
			p.hold(conn, "")
		}
	}
}

func (p *port) isLeaving() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

func (p *port) room() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) < maxConns
}

// hold keeps a connection, and reads from it unless the port is given up. rest is the beginning of a line that was read before.
func (p *port) hold(conn net.Conn, rest string) {
	p.mu.Lock()
	left := &rest
	p.conns[conn] = left
	leaving := p.leaving
	p.mu.Unlock()
	if !leaving {
		p.wg.Go(func() { p.readLines(conn, left) })
	}
}

// readLines reads until the end of the connection or of the port. Of the latter left tells the beginning of a line.
func (p *port) readLines(conn net.Conn, left *string) {
	buf := make([]byte, 2*maxLine)
	n := copy(buf, *left)
	*left = ""
	skip := false // within a line that is too long
	for {
		got, err := conn.Read(buf[n:])
		data := buf[:n+got]
		for {
			line, rest, found := bytes.Cut(data, []byte{'\n'})
			if !found {
				break
			}
			if !skip {
				p.line(string(line))
			}
			data, skip = rest, false
		}
		if len(data) > maxLine {
			p.refused.Add(1)
			data, skip = nil, true
		}
		n = copy(buf, data)
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && p.isLeaving() {
			*left = string(buf[:n])
			return
		}
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
		conn.Close()
		return
	}
}

func (p *port) line(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	s, ok := parseGraphite(line, time.Now())
	if !ok {
		p.refused.Add(1)
		return
	}
	p.take(s)
}

// parseGraphite reads "NAME VALUE SECONDS"; without seconds, or with -1 or N for them, it is of now.
func parseGraphite(line string, now time.Time) (*wire.Sample, bool) {
	f := strings.Fields(line)
	if len(f) < 2 || len(f) > 3 || len(f[0]) > maxName || !utf8.ValidString(f[0]) {
		return nil, false
	}
	value, err := strconv.ParseFloat(f[1], 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, false
	}
	at := now.UnixNano()
	if len(f) == 3 && f[2] != "-1" && f[2] != "N" {
		seconds, err := strconv.ParseFloat(f[2], 64)
		if err != nil || seconds < 0 || seconds > 1<<33 {
			return nil, false
		}
		whole, part := math.Modf(seconds)
		at = int64(whole)*int64(time.Second) + int64(part*1e9)
	}
	return &wire.Sample{Name: f[0], Value: value, AtNs: at, Kind: "gauge"}, true
}
