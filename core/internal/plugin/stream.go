package plugin

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// captured is what one stream said.
type captured struct {
	data    []byte
	passed  int64 // bytes after data that were within the limit, and not kept
	dropped int64 // bytes beyond the limit, read and thrown away
}

// within is how many bytes came within the limit.
func (c captured) within() int64 { return int64(len(c.data)) + c.passed }

// stream reads one pipe to its end, keeps the first bytes, passes on those up to its limit and throws the rest away, so that the plugin
// never waits for us.
type stream struct {
	end    readEnd
	pipe   *os.File // the same, once there is a reader
	limit  int      // bytes passed on; what comes after them is dropped
	kept   int      // bytes kept of those
	stderr bool
	done   chan struct{} // closed by the reader when nothing more will come
	over   bool          // it ended before there was a reader
	late   int           // bytes read after the reader's time was up
	ended  bool          // its reader came to its end: nobody holds it any more

	mu  sync.Mutex // guards what follows, between the reader and take
	got captured
	out Output // nil once taken
}

const (
	// fullPipe is more than a pipe holds: somebody else goes on writing.
	fullPipe = 1 << 20
	// firstRead is the first buffer: most plugins print a line or two.
	firstRead = 4 << 10
	// keptStderr is kept of stderr: a result quotes its beginning. All up to the limit goes to who listens.
	keptStderr = 4 << 10
)

func (s *stream) read() {
	defer close(s.done)
	defer s.pipe.Close()
	full := len(s.got.data) // of buf, kept; nobody else has them yet
	buf := make([]byte, min(max(firstRead, 2*full), s.kept))
	copy(buf, s.got.data)
	for full < s.kept {
		if full == len(buf) {
			size := 8 * len(buf)
			if size > largeOutput {
				size = s.kept // memory that is not written to is none
				runtime.GC()
			}
			bigger := make([]byte, min(size, s.kept))
			copy(bigger, buf)
			buf = bigger
		}
		n, err := s.next(buf[full:])
		if n > 0 {
			s.keep(buf[:full+n], buf[full:full+n:full+n])
			full += n
		}
		if err != nil {
			return
		}
	}
	s.pass()
}

// next reads as the pipe does, and once its time is up what is in it without waiting: a reader that a busy box let come too late must not lose what
// the plugin has said.
func (s *stream) next(b []byte) (int, error) {
	n, err := s.pipe.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && s.late < fullPipe {
		n, err = s.end.readNow(b)
		s.late += n
	}
	s.ended = err == io.EOF
	return n, err
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

// scratches are what is read into without being kept.
var scratches = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// pass reads what is not kept any more.
func (s *stream) pass() {
	scratch := scratches.Get().(*[64 << 10]byte)
	defer scratches.Put(scratch)
	for left := s.limit - s.kept; ; {
		n, err := s.next(scratch[:])
		s.mu.Lock()
		if on := min(n, left); on > 0 {
			left -= on
			if s.out != nil {
				s.out(s.stderr, bytes.Clone(scratch[:on]))
			}
			s.got.passed += int64(on)
			s.got.dropped += int64(n - on)
		} else {
			s.got.dropped += int64(n)
		}
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

func newStreams(stdout, stderr readEnd, limit int, out Output) *streams {
	return &streams{
		stdout: &stream{end: stdout, limit: limit, kept: limit, done: make(chan struct{}), out: out},
		stderr: &stream{end: stderr, limit: limit, kept: min(limit, keptStderr), stderr: true, done: make(chan struct{}), out: out},
	}
}

// follow has both read from now on, each by a goroutine of its own, but what has ended already.
func (s *streams) follow() {
	for _, x := range []*stream{s.stdout, s.stderr} {
		if x.pipe == nil && !x.over {
			x.pipe = x.end.file()
			go x.read()
		}
	}
}

// gather takes what is there of a stream that nobody reads, without waiting for more. true: it has ended.
func (s *stream) gather() bool {
	if s.pipe != nil || s.over {
		return s.over
	}
	scratch := scratches.Get().(*[64 << 10]byte)
	defer scratches.Put(scratch)
	full := 0
	for most := min(len(scratch), s.kept); full < most; {
		n, err := s.end.readNow(scratch[full:most])
		full += n
		if err != nil {
			s.over = err == io.EOF
			break
		}
	}
	if full > 0 {
		chunk := bytes.Clone(scratch[:full])
		s.keep(chunk, chunk)
	}
	if s.over {
		s.end.close()
	}
	return s.over
}

// wait waits for the end of both, at most d. true: a process other than the plugin still holds one open.
func (s *streams) wait(d time.Duration) (heldOpen bool) {
	if out, err := s.stdout.gather(), s.stderr.gather(); out && err { // nearly always
		return false
	}
	s.follow()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for _, x := range []*stream{s.stdout, s.stderr} {
		if x.over {
			continue
		}
		select {
		case <-x.done:
		case <-timer.C:
			return true
		}
	}
	return false
}

// take stops reading, whoever holds the pipes, and returns what came. ended: both had ended, although wait was told otherwise by its time.
func (s *streams) take() (stdout, stderr captured, ended bool) {
	ended = true
	for _, x := range []*stream{s.stdout, s.stderr} {
		// Ends a read in progress where the system lets pipes have deadlines; where it does not, the reader ends with
		// the last process that holds the pipe, and take keeps it from telling anybody.
		if x.over {
			continue
		}
		if errors.Is(x.pipe.SetReadDeadline(time.Now()), os.ErrNoDeadline) {
			ended = false
			continue
		}
		<-x.done
		ended = ended && x.ended
	}
	return s.stdout.take(), s.stderr.take(), ended
}
