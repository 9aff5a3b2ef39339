package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Sizes of logs in bytes: one file and one before it each, so a log never fills a disk.
const (
	stubLogSize = 1 << 20 // the stub says a line or two a day when all is well
	coreLogSize = 8 << 20
)

// logger writes lines in the manner of slog's text handler, which is too heavy for the stub. It has
// one owner.
type logger struct {
	to  io.Writer
	now func() time.Time
}

// info, warn and failed write one line: a constant message and pairs of key and value.
func (l *logger) info(message string, pairs ...string)   { l.write("INFO", message, pairs) }
func (l *logger) warn(message string, pairs ...string)   { l.write("WARN", message, pairs) }
func (l *logger) failed(message string, pairs ...string) { l.write("ERROR", message, pairs) }

func (l *logger) write(level, message string, pairs []string) {
	var b strings.Builder
	b.WriteString("time=")
	b.WriteString(l.now().UTC().Format("2006-01-02T15:04:05.000Z"))
	b.WriteString(" level=")
	b.WriteString(level)
	b.WriteString(" msg=")
	b.WriteString(quoted(message))
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString(" ")
		b.WriteString(pairs[i])
		b.WriteString("=")
		b.WriteString(quoted(pairs[i+1]))
	}
	b.WriteString("\n")
	_, _ = io.WriteString(l.to, b.String()) // there is nobody to tell
}

func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r > '~' }) {
		return strconv.Quote(s)
	}
	return s
}

// logFile is a log that we write ourselves: when it has grown past its size it becomes PATH.1 and a new
// one is begun. A log that cannot be opened costs its lines, never the service.
type logFile struct {
	path string
	size int64
	file *os.File
	held int64
}

func (f *logFile) Write(b []byte) (int, error) {
	if f.file != nil && f.held+int64(len(b)) > f.size {
		f.file.Close()
		f.file = nil
		_ = os.Rename(f.path, f.path+".1") // a failure only means that this one grows on
	}
	if f.file == nil {
		file, err := openLog(f.path)
		if err != nil {
			return 0, err
		}
		f.file, f.held = file, sizeOf(file)
	}
	n, err := f.file.Write(b)
	f.held += int64(n)
	return n, err
}

// Close ends it; what is written after that is lost.
func (f *logFile) Close() {
	if f.file != nil {
		f.file.Close()
	}
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// tee writes to each, whatever becomes of the others.
type tee []io.Writer

func (t tee) Write(b []byte) (int, error) {
	for _, w := range t {
		_, _ = w.Write(b)
	}
	return len(b), nil
}
