package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// nobody is a user without rights.
const nobody = 65534

// asNobody runs a test again as a user whom permissions bind, where they do not bind this one; false: it has been run.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	dir, err := os.MkdirTemp("/tmp", "limpet-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

// told is a log that may be read while it is written.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *told) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// hand hands in results as runs do, and says how many were kept at once and how many wait in memory.
func hand(t *testing.T, b *Buffer, texts ...string) (kept, held int) {
	t.Helper()
	ends := make(chan error, len(texts))
	for _, text := range texts {
		b.AppendThen(result("c", text), func(err error) { ends <- err })
	}
	for range texts {
		switch err := <-ends; {
		case err == nil:
			kept++
		case errors.Is(err, ErrHeld) && errors.Is(err, fs.ErrPermission):
			held++
		case errors.Is(err, ErrHeld):
			held++ // behind one that says why
		default:
			t.Errorf("refused: %v", err)
		}
	}
	return kept, held
}

// mode changes the mode of a folder.
func mode(t *testing.T, dir string, to fs.FileMode) {
	t.Helper()
	if err := os.Chmod(dir, to); err != nil {
		t.Fatal(err)
	}
}

// heal hands results in until none waits in memory any more.
func heal(t *testing.T, b *Buffer, prefix string) (handed []string) {
	t.Helper()
	for n := 0; ; n++ {
		text := fmt.Sprint(prefix, n)
		hand(t, b, text)
		handed = append(handed, text)
		if b.Stats().Held == 0 {
			return handed
		}
		if n == 100 {
			t.Fatalf("%d still wait in memory: %s", b.Stats().Held, b.Stats().LastError)
		}
		<-time.After(restAfterFailure / 5)
	}
}

func TestAFolderClosedWhileRunning(t *testing.T) {
	if !asNobody(t) {
		return
	}
	d := filepath.Join(t.TempDir(), "buffer")
	log := new(told)
	b := open(t, Options{Dir: d, SegmentBytes: 400, Log: slog.New(slog.NewTextHandler(log, nil))})
	defer b.Close()
	all := texts("before-", 3)
	if kept, held := hand(t, b, all...); kept != 3 || held != 0 {
		t.Fatalf("%d kept, %d held", kept, held)
	}
	generation := filepath.Join(d, generationName(b.Live()))
	mode(t, generation, 0)
	for _, text := range texts("closed-", 60) {
		hand(t, b, text)
		all = append(all, text)
	}
	s := b.Stats()
	if s.Held < 10 || s.LastError == "" || log.count("takes nothing") != 1 {
		t.Errorf("%d in memory, %q, said %d times", s.Held, s.LastError, log.count("takes nothing"))
	}
	mode(t, generation, 0o700)
	all = append(all, heal(t, b, "later-")...)
	if s := b.Stats(); s.LastError != "" || s.Refused != 0 || log.count("takes results again") != 1 {
		t.Errorf("healed: %q, %d refused, said %d times", s.LastError, s.Refused, log.count("takes results again"))
	}
	expect(t, drain(t, b), all...)
}

func TestAFolderClosedAtTheStart(t *testing.T) {
	if !asNobody(t) {
		return
	}
	d := filepath.Join(t.TempDir(), "buffer")
	b := open(t, Options{Dir: d})
	add(t, b, "of the life before")
	before := filepath.Join(d, generationName(b.Live()))
	b.Close()
	for _, shut := range []string{d, before} { // the second time the first one's generation is there, too
		mode(t, shut, 0)
		b = open(t, Options{Dir: d})
		if shut == d {
			if kept, held := hand(t, b, texts("new-", 5)...); kept != 0 || held != 5 {
				t.Errorf("%d kept, %d held", kept, held)
			}
		}
		mode(t, shut, 0o700)
		want := append([]string{"of the life before"}, heal(t, b, filepath.Base(shut)+"-")...)
		if shut == d {
			want = append(want, texts("new-", 5)...)
		}
		for range 600 {
			if b.Stats().Foreign == 0 {
				break
			}
			<-time.After(takeoverEvery / 10)
		}
		got := drainKeeping(t, b)
		for _, text := range want {
			if n := count(got, text); n != 1 {
				t.Errorf("%s closed: %s is there %d times", shut, text, n)
			}
		}
		b.Close()
	}
}

// drainKeeping is what waits, not acknowledged.
func drainKeeping(t *testing.T, b *Buffer) (all []string) {
	t.Helper()
	for _, g := range b.Generations() {
		v, err := b.view(g.GetEpoch())
		if err != nil {
			t.Fatal(err)
		}
		for i := range v.segments {
			v.read(i, v.from, func(r record) bool {
				all = append(all, said(t, wire.Record{Seq: r.seq, Raw: r.raw}))
				return true
			})
		}
	}
	return all
}

func count(all []string, text string) (n int) {
	for _, x := range all {
		if x == text {
			n++
		}
	}
	return n
}

// More than may wait in memory: the oldest go, and it is said how many.
func TestWhatWaitsInMemoryIsBounded(t *testing.T) {
	if !asNobody(t) {
		return
	}
	d := filepath.Join(t.TempDir(), "buffer")
	if err := os.Mkdir(d, 0); err != nil {
		t.Fatal(err)
	}
	b := open(t, Options{Dir: d})
	defer b.Close()
	hand(t, b, texts("r-", maxHeld+100)...)
	if s := b.Stats(); s.Held != maxHeld || s.Refused != 100 {
		t.Errorf("%d in memory, %d refused", s.Held, s.Refused)
	}
	mode(t, d, 0o700)
	later := heal(t, b, "later-")
	got := drain(t, b)
	if got[0] != fmt.Sprintf("r-%d", 100+len(later)-1) && got[0] != "r-100" || !slices.Contains(got, "event buffer-refused") || !slices.Contains(got, later[len(later)-1]) {
		t.Errorf("first %s, last %s of %d", got[0], got[len(got)-1], len(got))
	}
}
