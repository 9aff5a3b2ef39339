package handover

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms"
)

// Files beside a book.
const (
	endedSuffix = ".ended" // notes: a line for each run that has ended since
	lockSuffix  = ".lock"  // held by the core that wrote the book, for as long as it lives
)

const (
	maxFormer = 64               // books that are looked at: more cores cannot have left any unremoved
	maxNotes  = 4 << 20          // bytes of notes that are read: each run of a book is noted once
	endGrace  = 10 * time.Second // what a run may take past its timeout until it is taken for over: its tree is killed, its result is kept
)

// Notes are kept by a core that hands over. Begin them before the book's plan is made, so that no run ends unnoted.
type Notes struct {
	// Clock is what the book must be written with, so that it and the notes name a run alike.
	Clock Clock
	lock  *platforms.Lock
	file  *os.File
}

// Begin makes the notes of the book with this name in dir.
func Begin(dir, name string) (*Notes, error) {
	path := filepath.Join(dir, name)
	lock, err := platforms.Take(path + lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("begin handover: %w", err)
	}
	f, err := os.OpenFile(path+endedSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		lock.Release()
		return nil, fmt.Errorf("begin handover: %w", err)
	}
	return &Notes{ReadClock(), lock, f}, nil
}

// Ended notes that the run of a check that began at start has ended and its result is kept. Any goroutine may call it.
func (n *Notes) Ended(name string, start time.Time) error {
	if _, err := n.file.WriteString(note(name, n.Clock.since(start))); err != nil {
		return fmt.Errorf("note end of run: %w", err)
	}
	return nil
}

func note(name string, start time.Duration) string {
	return name + " " + strconv.FormatInt(int64(start), 10) + "\n"
}

// Close is for the end of the process, when nothing runs: the next core knows by it that this one is gone.
func (n *Notes) Close() { n.file.Close(); n.lock.Release() }

// Former is a core before this one that may still finish runs.
type Former struct {
	Name  string // of its book
	path  string
	clock Clock
	runs  map[string]schedule.Flight // not known to be over, by note
	ended *bufio.Reader              // nil until the notes could be opened
	file  *os.File
	part  []byte // a note not written to its end yet
	read  int
}

// FindFormer lists what the folder holds: the latest book that can be believed, and the cores that still live. It removes what cores that are gone have
// left, so it is for the one core that schedules.
func FindFormer(dir string, c Clock) (latest Book, living []*Former, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Book{}, nil, fmt.Errorf("look for former cores: %w", err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), ".")
		if len(name) == 16 && len(names) < maxFormer {
			names[name] = true
		}
	}
	for name := range names {
		path := filepath.Join(dir, name)
		book, bad := Read(path, c)
		if bad == nil && book.At > latest.At {
			latest = book
		}
		held, locked := platforms.Held(path + lockSuffix)
		if locked != nil || !held {
			Forget(dir, name)
			continue
		}
		f := &Former{Name: name, path: path, clock: c, runs: map[string]schedule.Flight{}}
		for _, r := range book.Plan.Flights {
			f.runs[note(r.Name, c.since(r.Start))] = r
		}
		living = append(living, f)
	}
	return latest, living, nil
}

// Forget removes a book and what belongs to it.
func Forget(dir, name string) {
	for _, suffix := range []string{"", ".new", endedSuffix, lockSuffix} {
		os.Remove(filepath.Join(dir, name+suffix)) // best effort: the next core that schedules tries again
	}
}

// Runs are those not known to be over.
func (f *Former) Runs() []schedule.Flight {
	var all []schedule.Flight
	for _, r := range f.runs {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b schedule.Flight) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Look says which runs are over since it last looked, and whether the core is gone, and with it all of them. A run that has outlived its timeout
// by far counts as over.
func (f *Former) Look() (over []string, gone bool) {
	held, err := platforms.Held(f.path + lockSuffix)
	gone = err == nil && !held
	f.readNotes(&over)
	for key, r := range f.runs {
		if gone || time.Since(r.Start) > r.Timeout+endGrace {
			over = append(over, r.Name)
			delete(f.runs, key)
		}
	}
	return over, gone
}

func (f *Former) readNotes(over *[]string) {
	if f.file == nil {
		file, err := os.Open(f.path + endedSuffix)
		if err != nil {
			return // the lock tells of the core's end all the same
		}
		f.file, f.ended = file, bufio.NewReaderSize(file, 4<<10)
	}
	for f.read < maxNotes {
		part, err := f.ended.ReadSlice('\n')
		f.read += len(part)
		f.part = append(f.part, part...)
		if err != nil {
			return // the rest is not written yet, or is no note
		}
		key := string(f.part)
		f.part = f.part[:0]
		if r, ok := f.runs[key]; ok {
			delete(f.runs, key)
			*over = append(*over, r.Name)
		}
	}
}

// Close ends the watching.
func (f *Former) Close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
