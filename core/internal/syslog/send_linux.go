package syslog

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxLine is what is sent of a line, in bytes: whoever wants more has the file.
const maxLine = 8 << 10

// sender is a socket that belongs to nobody else, and where the system's log listens.
type sender struct {
	fd              int
	name            string
	journal, devlog string // paths of their sockets
}

// open is nil where no socket can be had.
func open(name string) *sender {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return &sender{fd: fd, name: name, journal: "/run/systemd/journal/socket", devlog: "/dev/log"}
}

// Write sends one line of a TextHandler. It looks anew each time who listens: a journal that was restarted is there again.
func (s *sender) Write(line []byte) (int, error) {
	text := bytes.TrimSuffix(line, []byte("\n"))
	text = text[:min(len(text), maxLine)]
	priority := 4
	if bytes.HasPrefix(text, []byte("level=ERROR")) {
		priority = 3
	}
	// systemd.io/JOURNAL_NATIVE_PROTOCOL: a field a line. A TextHandler's line holds no other newline.
	native := fmt.Appendf(nil, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n", priority, s.name, text)
	if s.send(s.journal, native) == nil {
		return len(line), nil
	}
	const daemon = 3 << 3 // the facility
	return len(line), s.send(s.devlog, fmt.Appendf(nil, "<%d>%s %s[%d]: %s", daemon|priority, time.Now().Format(time.Stamp), s.name, os.Getpid(), text))
}

func (s *sender) send(path string, data []byte) error {
	return unix.Sendto(s.fd, data, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: path})
}
