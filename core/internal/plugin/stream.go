package plugin

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
)

// captured is what one stream said.
type captured struct {
	data    []byte // its beginning, escaped (check.Escape) as it came: what is no text takes four times the room, here and not on its further way
	kept    int64  // bytes printed that data stands for
	passed  int64  // bytes after those that were within the limit, and not kept
	dropped int64  // bytes beyond the limit, read and thrown away
}

// within is how many bytes came within the limit.
func (c captured) within() int64 { return c.kept + c.passed }

// stream reads one pipe to its end, keeps the beginning, passes on what comes up to its limit and throws the rest away, so that the plugin
// never waits for us. Limits count escaped bytes.
type stream struct {
	end    readEnd
	pipe   *os.File // the same, once there is a reader
	limit  int      // passed on; what comes after it is dropped
	most   int      // kept of that
	stderr bool
	done   chan struct{} // closed by the reader when nothing more will come
	over   bool          // it ended before there was a reader
	late   int           // bytes read after the reader's time was up
	ended  bool          // its reader came to its end: nobody holds it any more

	mu   sync.Mutex // guards what follows, between the reader and take
	got  captured
	full bool          // nothing more is kept
	left int           // what may still be passed on, once full
	news int           // passed on since the garbage collector ran
	half [maxHalf]byte // of a character whose other bytes have not come
	held int           // of half
	out  Output        // nil once taken
}

const (
	// fullPipe is more than a pipe holds: somebody else goes on writing.
	fullPipe = 1 << 20
	// firstRoom is the first room of what is kept: most plugins print a line or two.
	firstRoom = 4 << 10
	// fewRead is what a reader asks for that waits.
	fewRead = 1 << 10
	// keptStderr is kept of stderr: a result quotes its beginning. All up to the limit goes to who listens.
	keptStderr = 4 << 10
	// maxHalf is the most that can be there of an unfinished character.
	maxHalf = utf8.UTFMax - 1
)

func (s *stream) read() {
	defer close(s.done)
	defer s.pipe.Close()
	few := make([]byte, maxHalf+fewRead) // many wait, for long, for plugins that say little
	for {
		n, err := s.next(few[maxHalf:])
		s.takeIn(few, n, err != nil)
		if n == fewRead && err == nil {
			err = s.readMuch()
		}
		if err != nil {
			return
		}
	}
}

// readMuch reads as long as there is much to read.
func (s *stream) readMuch() error {
	b := blocks.Get().(*block)
	defer blocks.Put(b)
	for {
		n, err := s.next(b[maxHalf:])
		s.takeIn(b[:], n, err != nil)
		if err != nil || n < fewRead {
			return err
		}
	}
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

// block is what is read into where there is much. It begins with room for the half of a character that is left of the one before.
type block [maxHalf + 64<<10]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// takeIn takes in n bytes that were read into b behind the room for half a character; last: nothing will follow.
func (s *stream) takeIn(b []byte, n int, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(b[maxHalf-s.held:], s.half[:s.held])
	text := b[maxHalf-s.held : maxHalf+n]
	if !last {
		whole := len(text) - check.Unfinished(text)
		s.held = copy(s.half[:], text[whole:])
		text = text[:whole]
	} else {
		s.held = 0
	}
	if !s.full {
		text = text[s.keep(text, last):]
	}
	if s.full {
		s.pass(text)
	}
}

// keep takes what there is room for, and says how much that was. Bytes once published are never written again.
func (s *stream) keep(text []byte, last bool) int {
	from := len(s.got.data)
	n, takes := check.Within(text, s.most-from)
	if n < len(text) {
		s.full, s.left = true, s.limit-s.most
	}
	s.grow(from+takes, last)
	s.got.data = check.AppendEscaped(s.got.data, text[:n])
	s.got.kept += int64(n)
	if all := s.got.data; s.out != nil && takes > 0 {
		s.out(s.stderr, all[from:len(all):len(all)])
	}
	return n
}

// grow makes room for so much. last: there will be no more.
func (s *stream) grow(size int, last bool) {
	if size <= cap(s.got.data) {
		return
	}
	if !last {
		size = max(firstRoom, size, 8*cap(s.got.data))
		if size > largeOutput {
			size = s.most // memory that is not written to is none
			runtime.GC()
		}
	}
	s.got.data = append(make([]byte, 0, min(size, s.most)), s.got.data...)
}

// pass tells who listens what is not kept any more, and counts it.
func (s *stream) pass(text []byte) {
	n, takes := check.Within(text, s.left)
	s.left -= takes
	if n < len(text) {
		s.left = 0
	}
	s.got.passed += int64(n)
	s.got.dropped += int64(len(text) - n)
	if s.out == nil || takes == 0 {
		return
	}
	if s.news += takes; s.news > largeOutput {
		s.news = 0
		runtime.GC() // what was told before has arrived
	}
	s.out(s.stderr, check.AppendEscaped(make([]byte, 0, takes), text[:n]))
}

// take ends the stream's part in the run: out is not called any more.
func (s *stream) take() captured {
	s.takeIn(make([]byte, maxHalf), 0, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = nil
	return s.got
}

// streams are stdout and stderr of one run.
type streams struct{ stdout, stderr *stream }

func newStreams(stdout, stderr readEnd, limit int, out Output) *streams {
	return &streams{
		stdout: &stream{end: stdout, limit: limit, most: limit, done: make(chan struct{}), out: out},
		stderr: &stream{end: stderr, limit: limit, most: min(limit, keptStderr), stderr: true, done: make(chan struct{}), out: out},
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
	b := blocks.Get().(*block)
	defer blocks.Put(b)
	n, most := maxHalf, maxHalf+min(len(b)-maxHalf, s.most)
	for n < most {
		got, err := s.end.readNow(b[n:most])
		n += got
		if err != nil {
			s.over = err == io.EOF
			break
		}
	}
	s.takeIn(b[:], n-maxHalf, s.over)
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
