package syslog

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listens is a socket of the system's log.
func listens(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func heard(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func logger(t *testing.T, s *sender) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	file := new(bytes.Buffer)
	h := &both{slog.NewTextHandler(file, nil), slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})}
	return slog.New(h), file
}

func TestWarningsGoToTheJournalElseToSyslog(t *testing.T) {
	dir := t.TempDir()
	s := open("limpet-core")
	s.journal, s.devlog = filepath.Join(dir, "journal"), filepath.Join(dir, "log")
	log, file := logger(t, s)
	log.Warn("before anybody listens")
	devlog := listens(t, s.devlog)
	log.Info("not for the system")
	log.With("check", "disk").Warn("two\nlines", "err", errors.New("a b"))
	got := heard(t, devlog)
	if !strings.HasPrefix(got, "<28>") || !strings.Contains(got, " limpet-core[") || !strings.HasSuffix(got, `]: level=WARN msg="two\nlines" check=disk err="a b"`) {
		t.Errorf("syslog heard %q", got)
	}
	journal := listens(t, s.journal)
	log.WithGroup("g").Error("broken", "x", strings.Repeat("x", 2*maxLine))
	got = heard(t, journal)
	if !strings.HasPrefix(got, "PRIORITY=3\nSYSLOG_IDENTIFIER=limpet-core\nMESSAGE=level=ERROR msg=broken g.x=xxx") || len(got) > maxLine+100 || strings.Count(got, "\n") != 3 {
		t.Errorf("the journal heard %d bytes: %.100q", len(got), got)
	}
	if lines := strings.Count(file.String(), "\n"); lines != 4 || strings.Count(file.String(), "time=") != 4 {
		t.Errorf("the file has %d lines: %.300s", lines, file)
	}
}

// A log that takes nothing holds up nobody.
func TestASystemThatDoesNotListenHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	s := open("limpet-core")
	s.journal, s.devlog = filepath.Join(dir, "journal"), filepath.Join(dir, "log")
	listens(t, s.journal) // and never reads
	log, file := logger(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			log.Warn("again")
		}
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("it waits")
	}
	if n := strings.Count(file.String(), "\n"); n != 5000 {
		t.Errorf("%d lines in the file", n)
	}
}
