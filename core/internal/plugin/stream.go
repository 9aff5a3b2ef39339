package plugin

import (
	"os"
	"sync"
	"time"
)

// captured is what one stream said.
type captured struct {
	data    []byte
	dropped int64 // bytes beyond the limit, read and thrown away
}

// stream reads one pipe to its end, keeps the first bytes up to its limit and throws the rest away, so that the plugin never
// waits for us.
type stream struct {
	pipe   *os.File
	limit  int // bytes kept
	stderr bool
	done   chan struct{} // closed when nothing more will come

	mu  sync.Mutex // guards what follows, between the reader and take
	got captured
	out Output // nil once taken
}

// firstRead is the first buffer: most plugins print a line or two.
const firstRead = 2 << 10

func (s *stream) read() {
	defer close(s.done)
	defer s.pipe.Close()
	buf := make([]byte, min(firstRead, s.limit))
	full := 0 // of buf, kept
	for full < s.limit {
		if full == len(buf) {
			bigger := make([]byte, min(4*len(buf), s.limit))
			copy(bigger, buf)
			buf = bigger
		}
		n, err := s.pipe.Read(buf[full:])
		if n > 0 {
			s.keep(buf[:full+n], buf[full:full+n:full+n])
			full += n
		}
		if err != nil {
			return
		}
	}
	s.discard()
}

// keep publishes what has been read so far; bytes once published are never written again.
func (s *stream) keep(all, chunk []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got.data = all
	if s.out != nil {
		s.out(s.stderr, chunk)
	}
}

func (s *stream) discard() {
	scratch := make([]byte, 64<<10)
	for {
		n, err := s.pipe.Read(scratch)
		s.mu.Lock()
		s.got.dropped += int64(n)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take ends the stream's part in the run: out is not called any more.
func (s *stream) take() captured {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = nil
	return s.got
}

// streams are stdout and stderr of one run.
type streams struct{ stdout, stderr *stream }

func readBoth(stdout, stderr *os.File, limit int, out Output) *streams {
	s := &streams{
		stdout: &stream{pipe: stdout, limit: limit, done: make(chan struct{}), out: out},
		stderr: &stream{pipe: stderr, limit: limit, stderr: true, done: make(chan struct{}), out: out},
	}
	go s.stdout.read()
	go s.stderr.read()
	return s
}

// wait waits for the end of both, at most d. true: a process other than the plugin still holds one open.
func (s *streams) wait(d time.Duration) (heldOpen bool) {
	select { // nearly always both have ended: no timer then
	case <-s.stdout.done:
		select {
		case <-s.stderr.done:
			return false
		default:
		}
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for _, x := range []*stream{s.stdout, s.stderr} {
		select {
		case <-x.done:
		case <-timer.C:
			return true
		}
	}
	return false
}

// take stops reading, whoever holds the pipes, and returns what came.
func (s *streams) take() (stdout, stderr captured) {
	for _, x := range []*stream{s.stdout, s.stderr} {
		// Ends a read in progress where the system lets pipes have deadlines; where it does not, the reader ends with
		// the last process that holds the pipe, and take keeps it from telling anybody.
		if x.pipe.SetReadDeadline(time.Now()) == nil {
			<-x.done
		}
	}
	return s.stdout.take(), s.stderr.take()
}
